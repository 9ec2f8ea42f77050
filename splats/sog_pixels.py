"""What the pixels of a .sog file mean: bytes to numbers and back.

Letters: n Gaussians, c channels.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from polyfield.splats.smallest_three import from_smallest_three, smallest_three

FIRST_TAG = 252  # of a rotation: 252 w, 253 x, 254 y, 255 z is the component left out

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
    return (np.sign(wide) * np.expm1(np.abs(wide))).astype(np.float32)


def pack_quats(quats: Float[np.ndarray, "n 4"]) -> Pixels:
    """The three components of least magnitude, and in alpha which one is missing."""
    missing, stored = smallest_three(quats)
    pixels = np.empty((len(quats), 4), np.uint8)
    pixels[:, :3] = np.clip(np.round((stored * np.sqrt(0.5) + 0.5) * 255), 0, 255)
    pixels[:, 3] = FIRST_TAG + missing
    return pixels


def unpack_quats(pixels: Pixels) -> Float[np.ndarray, "n 4"]:
    """Of pixels whose alpha is a tag."""
    stored = (pixels[:, :3] / np.float32(255) - np.float32(0.5)) * np.float32(np.sqrt(2))
    return from_smallest_three(pixels[:, 3].astype(np.int64) - FIRST_TAG, stored)


def picture(values: Pixels, height: int, width: int) -> UInt8[np.ndarray, "h w 4"]:
    """Values pixel by pixel, opaque where they have no fourth channel; the rest is zero."""
    pixels = np.zeros((height * width, 4), np.uint8)
    pixels[: len(values), : values.shape[1]] = values
    pixels[:, values.shape[1] :] = 255
    return pixels.reshape(height, width, 4)
