"""The Z-order of points (Morton 1966): neighbours in a list are neighbours in space.

Letters: n points.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, UInt64

BITS = 21  # of a coordinate; three make 63

SPREAD = (
    (32, 0x1F00000000FFFF),
    (16, 0x1F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)
"""Shifts and masks that put two empty bits behind each bit of a number."""


def morton_order(points: Float[np.ndarray, "n 3"]) -> Int[np.ndarray, " n"]:
    """Indices of points in Z-order within the box around them."""
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    extent = np.where(high > low, high - low, 1)
    cells = ((points - low) / extent * (2**BITS - 1)).astype(np.uint64)
    codes = _spread(cells[:, 0]) | _spread(cells[:, 1]) << 1 | _spread(cells[:, 2]) << 2
    return np.argsort(codes, kind="stable")


def _spread(numbers: UInt64[np.ndarray, " n"]) -> UInt64[np.ndarray, " n"]:
    for shift, mask in SPREAD:
        numbers = (numbers | numbers << shift) & np.uint64(mask)
    return numbers
