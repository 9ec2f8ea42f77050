"""The bytes of which .spz streams are made (Niantic's format, nianticlabs/spz), and back.

Letters: n Gaussians, k harmonics beyond the first.

A Gaussian is, in streams one behind the other: its centre in 24-bit fixed point (16-bit floats in
version 1), its opacity in 8 bits, its colour in 8 bits with room beyond 0 and 1, its log scales in
sixteenths from -10, its rotation (the three components of least magnitude in ten bits each from
version 3; x, y, z in eight bits before), its harmonics in eight bits of which the lowest are zero.
Everything is in the frame RUB, to which the caller brings it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from polyfield.splats.activations import opacity_bytes, opacity_logits
from polyfield.splats.smallest_three import from_smallest_three, smallest_three
from polyfield.splats.splats import HARMONICS, Splats

STREAMS = ("positions", "alphas", "colors", "scales", "rotations", "harmonics")

COLOR_SCALE = 0.15
MOST_FRACTION_BITS = 12  # a quarter of a thousandth; finer costs bits and gains nothing seen
BUCKETS = np.repeat([8, 16, 16], [3, 5, 7]).astype(np.int16)  # 5 bits in degree 1, 4 bits above
BLOCK = 8192  # Gaussians whose intermediate values stay in a core's cache

Streams = dict[str, UInt8[np.ndarray, "n bytes"]]


def stream_widths(version: int, degree: int) -> dict[str, int]:
    """Bytes a Gaussian in each stream; a stream that would be empty is left out."""
    widths = (6 if version == 1 else 9, 1, 3, 3, 4 if version >= 3 else 3, 3 * HARMONICS[degree])
    return {name: width for name, width in zip(STREAMS, widths) if width}


def fraction_bits(means: Float[np.ndarray, "n 3"]) -> int:
    """How many of 24 bits are behind the point: 12, fewer in a wide scene, -1 in one too wide."""
    farthest = float(np.abs(means).max(initial=0))
    for bits in range(MOST_FRACTION_BITS, -1, -1):
        if farthest * 2**bits < 2**23 - 1:
            return bits
    return -1


def pack(splats: Splats, bits: int) -> Streams:
    """The streams of version 3, of Gaussians in RUB."""
    fixed = _nearest(splats.means.astype(np.float64) * 2**bits).astype("<i4")
    colors = np.clip(splats.sh_dc, -4, 4) * np.float32(COLOR_SCALE * 255) + np.float32(127.5)
    scales = (np.clip(splats.log_scales, -11, 7) + np.float32(10)) * np.float32(16)
    streams = {
        "positions": fixed.view(np.uint8).reshape(len(splats), 3, 4)[..., :3].reshape(-1, 9),
        "alphas": opacity_bytes(splats.opacity_logits)[:, None],
        "colors": _byte(colors),
        "scales": _byte(scales),
        "rotations": _pack_smallest_three(splats.quats),
    }
    if splats.degree:
        streams["harmonics"] = _pack_harmonics(splats.sh_rest)
    return streams


def unpack(streams: Streams, version: int, degree: int, bits: int, antialiased: bool) -> Splats:
    """Gaussians in RUB from streams of [n, width] bytes; opacities 0 and 1 have finite logits."""
    n = len(streams["alphas"])
    rotations = _unpack_smallest_three if version >= 3 else _unpack_first_three
    rest = streams.get("harmonics", np.zeros((n, 0), np.uint8))
    return Splats(
        means=_unpack_positions(streams["positions"], bits),
        quats=rotations(streams["rotations"]),
        log_scales=streams["scales"] / np.float32(16) - np.float32(10),
        opacity_logits=opacity_logits(streams["alphas"][:, 0]),
        sh_dc=(streams["colors"] / np.float32(255) - np.float32(0.5)) / np.float32(COLOR_SCALE),
        sh_rest=_HARMONIC_VALUES[rest].reshape(n, HARMONICS[degree], 3),
        antialiased=antialiased,
    )


_HARMONIC_VALUES = (np.arange(256, dtype=np.float32) - 128) / 128


def _nearest(values: np.ndarray) -> np.ndarray:
    """Rounded, halves away from zero, as C does; in place."""
    values += np.copysign(values.dtype.type(0.5), values)
    return np.trunc(values, out=values)


def _byte(values: np.ndarray) -> UInt8[np.ndarray, "..."]:
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)


def _pack_harmonics(sh_rest: Float[np.ndarray, "n k 3"]) -> UInt8[np.ndarray, "n c"]:
    """To eight bits, then to the nearest multiple of a bucket, of which zero is one."""
    n, k, _ = sh_rest.shape
    buckets = np.repeat(BUCKETS[:k], 3)
    offset, mask = 128 + buckets // 2, ~(buckets - 1)
    packed = np.empty((n, 3 * k), np.uint8)
    for start in range(0, n, BLOCK):
        values = np.clip(sh_rest[start : start + BLOCK].reshape(-1, 3 * k), -2, 2)
        values *= 128
        steps = (_nearest(values).astype(np.int16) + offset) & mask
        packed[start : start + BLOCK] = np.clip(steps, 0, 255)
    return packed


def _unpack_positions(stream: UInt8[np.ndarray, "n bytes"], bits: int) -> Float[np.ndarray, "n 3"]:
    n, width = stream.shape
    if width == 6:
        return np.ascontiguousarray(stream).view("<f2").astype(np.float32)
    words = np.zeros((n, 3, 4), np.uint8)
    words[..., 1:] = stream.reshape(n, 3, 3)
    fixed = words.view("<i4")[..., 0] >> 8  # the shift brings the sign along
    return (fixed * 2.0**-bits).astype(np.float32)


def _pack_smallest_three(quats: Float[np.ndarray, "n 4"]) -> UInt8[np.ndarray, "n 4"]:
    """Place of the largest of x, y, z, w in the top bits, then sign and nine bits of each other."""
    place, others = smallest_three(np.roll(quats, -1, axis=1))
    words = place.astype(np.uint32)
    magnitudes = np.abs(others) * np.float32(511 * np.sqrt(2)) + np.float32(0.5)
    fields = np.minimum(magnitudes, 511).astype(np.uint32) | (others < 0) * np.uint32(512)
    for i in range(3):
        words = words << 10 | fields[:, i]
    return words.astype("<u4")[:, None].view(np.uint8)


def _unpack_smallest_three(stream: UInt8[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
    words = np.ascontiguousarray(stream).view("<u4")
    fields = words >> np.array([20, 10, 0], np.uint32) & 1023
    values = (fields & 511).astype(np.float32) * np.float32(np.sqrt(0.5) / 511)
    others = np.where(fields & 512, -values, values)
    place = (words[:, 0] >> 30).astype(np.int64)
    return np.roll(from_smallest_three(place, others), 1, axis=1)


def _unpack_first_three(stream: UInt8[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 4"]:
    xyz = stream / np.float32(127.5) - 1
    w = np.sqrt(np.maximum(1 - (xyz * xyz).sum(axis=1, keepdims=True), 0))
    return np.concatenate([w, xyz], axis=1)
