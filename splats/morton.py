"""The order of points along a Morton curve: neighbours in it are mostly neighbours in space.

Letters: n points.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64

BITS = 21  # of each coordinate, so that three fit into 63


def morton_order(points: Float[np.ndarray, "n 3"]) -> Int64[np.ndarray, " n"]:
    """Indices that sort finite points along the curve through the cube that they span."""
    if not len(points):
        return np.zeros(0, np.int64)
    low = points.min(axis=0).astype(np.float64)
    extent = float((points.max(axis=0) - low).max()) or 1.0
    codes = np.zeros(len(points), np.uint64)
    for axis in range(3):
        cells = (points[:, axis] - low[axis]) * ((2**BITS - 1) / extent)
        codes |= _spread(cells.astype(np.uint64)) << np.uint64(axis)
    return np.argsort(codes, kind="stable")


def _spread(x: np.ndarray) -> np.ndarray:
    """Two zeros between the bits of each number of BITS bits."""
    for shift, mask in (
        (32, 0x1F00000000FFFF),
        (16, 0x1F0000FF0000FF),
        (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3),
        (2, 0x1249249249249249),
    ):
        x = (x | (x << np.uint64(shift))) & np.uint64(mask)
    return x
