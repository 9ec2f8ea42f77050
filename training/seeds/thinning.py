"""Fewer points, evenly: one for each voxel that holds any."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from polyfield.errors import InputError

ROUNDS = 24  # of halving the interval in which the edge lies
SHORT = 0.03  # share by which there may be fewer than asked for
MOST_CELLS = 1 << 20  # along an edge of the points' box, so that a voxel's number fits 64 bits


def thinned(
    points: Float[np.ndarray, "m 3"], colors: Float[np.ndarray, "m 3"], count: int
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """Means of points, and of their colours, in voxels of an edge that leaves about `count`.

    Args:
        points: finite. Where there are no more than `count`, they are returned as they are.
        count: n at most.
    """
    if count < 1:
        raise InputError(field="count", found=count, expected="1 or more")
    if len(points) <= count:
        return points, colors
    low = points.min(axis=0)
    side = float((points - low).max())
    fine, coarse = side / MOST_CELLS, 2 * side
    voxels = _voxels(points, low, coarse)
    for _ in range(ROUNDS if side > 0 else 0):
        edge = (fine * coarse) ** 0.5
        found = _voxels(points, low, edge)
        filled = len(np.unique(found))
        if filled > count:
            fine = edge
            continue
        coarse, voxels = edge, found
        if filled >= (1 - SHORT) * count:
            break
    return _means(voxels, points), _means(voxels, colors)


def _voxels(points: np.ndarray, low: np.ndarray, edge: float) -> Int[np.ndarray, " m"]:
    if edge <= 0:
        return np.zeros(len(points), np.int64)
    i, j, k = np.floor((points - low) / edge).astype(np.int64).T
    return (i * (MOST_CELLS + 1) + j) * (MOST_CELLS + 1) + k


def _means(voxels: np.ndarray, values: np.ndarray) -> np.ndarray:
    _, voxel, counts = np.unique(voxels, return_inverse=True, return_counts=True)
    sums = [np.bincount(voxel, weights=column) for column in values.T]
    return np.stack(sums, axis=1) / counts[:, None]
