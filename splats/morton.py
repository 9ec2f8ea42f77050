"""The order of points along a Morton curve: neighbours in it are mostly neighbours in space.

Letters: n points.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64, UInt64

BITS = 21  # of each coordinate, so that three fit into 63

SPREAD = (
    (32, 0x1F00000000FFFF),
    (16, 0x1F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)
"""Shifts, and the bits that are right after each, that put two zeros between those of a number."""


def morton_order(points: Float[np.ndarray, "n 3"]) -> Int64[np.ndarray, " n"]:
    """Indices that sort finite points along the curve through the cube that they span."""
    if not len(points):
        return np.zeros(0, np.int64)
    low = points.min(axis=0).astype(np.float64)
    extent = float((points.max(axis=0) - low).max()) or 1.0
    cells = (points - low) * ((2**BITS - 1) / extent)
    return np.argsort(interleaved(cells.astype(np.uint64)), kind="stable")


def interleaved(cells: UInt64[np.ndarray, "n 3"]) -> UInt64[np.ndarray, " n"]:
    """Places along the curve of cells, numbers of BITS bits; that of x is the lowest bit."""
    codes = np.zeros(len(cells), np.uint64)
    for axis in range(3):
        codes |= _spread(cells[:, axis]) << np.uint64(axis)
    return codes


def separated(codes: UInt64[np.ndarray, " n"]) -> UInt64[np.ndarray, "n 3"]:
    """Undo `interleaved`."""
    return np.stack([_gathered(codes >> np.uint64(axis)) for axis in range(3)], axis=1)


def _spread(x: np.ndarray) -> np.ndarray:
    """Two zeros between the bits of each number of BITS bits."""
    for shift, mask in SPREAD:
        x = (x | (x << np.uint64(shift))) & np.uint64(mask)
    return x


def _gathered(x: np.ndarray) -> np.ndarray:
    """Every third bit."""
    x = x & np.uint64(SPREAD[-1][1])
    masks = [2**BITS - 1, *(mask for _, mask in SPREAD[:-1])]
    for (shift, _), mask in zip(reversed(SPREAD), reversed(masks)):
        x = (x | (x >> np.uint64(shift))) & np.uint64(mask)
    return x
