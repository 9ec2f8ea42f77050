"""What the pixels of a .sog file mean: bytes to numbers and back.

Letters: n Gaussians, c channels.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

FIRST_TAG = 252  # of a rotation: 252 w, 253 x, 254 y, 255 z is the component left out

OTHERS = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
"""The components that are stored, by which one is not."""

Pixels = UInt8[np.ndarray, "n c"]


def pack_means(
    means: Float[np.ndarray, "n 3"],
) -> tuple[Pixels, Pixels, Float[np.ndarray, " 3"], Float[np.ndarray, " 3"]]:
    """Low bytes, high bytes, and what 0 and 65535 stand for."""
    wide = np.sign(means) * np.log1p(np.abs(means.astype(np.float64)))
    least, greatest = wide.min(axis=0), wide.max(axis=0)
    span = np.where(greatest > least, greatest - least, 1)
    steps = np.round((wide - least) / span * 65535).astype(np.uint16)
    return (steps & 255).astype(np.uint8), (steps >> 8).astype(np.uint8), least, greatest


def unpack_means(
    low: Pixels,
    high: Pixels,
    least: Float[np.ndarray, " 3"],
    greatest: Float[np.ndarray, " 3"],
) -> Float[np.ndarray, "n 3"]:
    steps = low[:, :3].astype(np.float64) + 256.0 * high[:, :3]
    wide = least + (greatest - least) * (steps / 65535)
    with np.errstate(over="ignore"):  # what is not finite is found by the reader
        return (np.sign(wide) * np.expm1(np.abs(wide))).astype(np.float32)


def pack_quats(quats: Float[np.ndarray, "n 4"]) -> Pixels:
    """The three components of least magnitude, and in alpha which one is missing."""
    # By the largest first: squares of quaternions of any length neither vanish nor overflow.
    wxyz = quats / np.abs(quats).max(axis=1, keepdims=True).astype(np.float64)
    missing = np.abs(wxyz).argmax(axis=1)
    wxyz /= np.linalg.norm(wxyz, axis=1, keepdims=True)
    wxyz *= np.sign(np.take_along_axis(wxyz, missing[:, None], axis=1))
    stored = np.take_along_axis(wxyz, OTHERS[missing], axis=1)
    pixels = np.empty((len(quats), 4), np.uint8)
    pixels[:, :3] = np.clip(np.round((stored * np.sqrt(0.5) + 0.5) * 255), 0, 255)
    pixels[:, 3] = FIRST_TAG + missing
    return pixels


def unpack_quats(pixels: Pixels) -> Float[np.ndarray, "n 4"]:
    """Of pixels whose alpha is a tag."""
    missing = pixels[:, 3].astype(np.int64) - FIRST_TAG
    stored = (pixels[:, :3] / np.float32(255) - np.float32(0.5)) * np.float32(np.sqrt(2))
    rest = np.sqrt(np.maximum(1 - (stored * stored).sum(axis=1), 0))
    wxyz = np.empty((len(pixels), 4), np.float32)
    np.put_along_axis(wxyz, OTHERS[missing], stored, axis=1)
    np.put_along_axis(wxyz, missing[:, None], rest[:, None], axis=1)
    return wxyz


def pack_opacities(logits: Float[np.ndarray, " n"]) -> UInt8[np.ndarray, " n"]:
    opacities = 1 / (1 + np.exp(-np.clip(logits, -50, 50).astype(np.float64)))
    return np.round(opacities * 255).astype(np.uint8)


def unpack_opacities(bytes_: UInt8[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Logits; the bytes 0 and 255 stand for half a step each, whose middles have one."""
    opacities = np.clip(bytes_ / 255, 0.25 / 255, 1 - 0.25 / 255)
    return np.log(opacities / (1 - opacities)).astype(np.float32)


def picture(values: Pixels, height: int, width: int) -> UInt8[np.ndarray, "h w 4"]:
    """Values pixel by pixel, opaque where they have no fourth channel; the rest is zero."""
    pixels = np.zeros((height * width, 4), np.uint8)
    pixels[: len(values), : values.shape[1]] = values
    pixels[:, values.shape[1] :] = 255
    return pixels.reshape(height, width, 4)
