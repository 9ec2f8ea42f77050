"""A tree of boxes over the triangles of a mesh, with what far-away winding numbers need.

Triangles are sorted along a space-filling curve and cut into L = 2^D leaves of equally many; the
tree over them is complete, so node i has children 2 i + 1 and 2 i + 2 and nothing but numbers is
stored. Letters: m triangles, i nodes; for each node

    p = sum a c / sum a          its middle (a areas, c centroids)
    N = sum a n                  its dipole (n unit normals)
    C = sum a (c - p) (x) n      the first moment about p
    r = max |vertex - p|         its radius

Source: Barill, Dickson, Schmidt, Levin, Jacobson, "Fast winding numbers for soups and clouds"
(2018), equations 13 to 17.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

LEAF = 6  # triangles of a leaf, about
BITS = 21  # of a coordinate on the curve


class MeshTree(NamedTuple):
    """A mesh, ready to be asked how far away it is and how it winds around points.

    Attributes:
        triangles: [m, 3, 3] corners, sorted.
        first: [L + 1] where leaves begin.
        boxes: [i, 6] least and greatest corner.
        middles: [i, 4] p and r.
        dipoles: [i, 12] N and C, row by row.
    """

    triangles: Float[np.ndarray, "m 3 3"]
    first: np.ndarray
    boxes: np.ndarray
    middles: np.ndarray
    dipoles: np.ndarray


def build_tree(triangles: Float[np.ndarray, "m 3 3"]) -> MeshTree:
    """The tree of a mesh of at least one triangle."""
    triangles = np.asarray(triangles, np.float64)
    triangles = np.ascontiguousarray(triangles[np.argsort(_curve(triangles.mean(axis=1)))])
    m = len(triangles)
    leaves = 1 << max(int(np.ceil(np.log2(m / LEAF))), 0)
    first = np.arange(leaves + 1) * m // leaves
    centroids = triangles.mean(axis=1)
    edges = triangles[:, 1:] - triangles[:, :1]
    normals = 0.5 * np.cross(edges[:, 0], edges[:, 1])  # a n
    areas = np.linalg.norm(normals, axis=1)
    low = _bottom_up(np.minimum.reduceat(triangles.min(axis=1), first[:-1]), np.minimum)
    high = _bottom_up(np.maximum.reduceat(triangles.max(axis=1), first[:-1]), np.maximum)
    moments = centroids[:, :, None] * normals[:, None, :]  # a c (x) n
    columns = [areas[:, None], areas[:, None] * centroids, normals, moments.reshape(m, 9)]
    sums = _bottom_up(np.add.reduceat(np.concatenate(columns, axis=1), first[:-1]), np.add)
    area, dipole, moment = sums[:, :1], sums[:, 4:7], sums[:, 7:].reshape(-1, 3, 3)
    middle = np.where(area > 0, sums[:, 1:4] / np.where(area > 0, area, 1), 0.5 * (low + high))
    moment = moment - middle[:, :, None] * dipole[:, None, :]
    reach = np.maximum(high - middle, middle - low)
    radius = np.linalg.norm(reach, axis=1, keepdims=True)
    return MeshTree(
        triangles,
        first.astype(np.int64),
        np.ascontiguousarray(np.concatenate([low, high], axis=1)),
        np.ascontiguousarray(np.concatenate([middle, radius], axis=1)),
        np.ascontiguousarray(np.concatenate([dipole, moment.reshape(-1, 9)], axis=1)),
    )


def _curve(points: Float[np.ndarray, "m 3"]) -> np.ndarray:
    """Places of points on Morton's curve."""
    low = points.min(axis=0)
    span = max(float((points - low).max()), np.finfo(np.float64).tiny)
    cells = np.minimum((points - low) / span * (1 << BITS), (1 << BITS) - 1).astype(np.uint64)
    code = np.zeros(len(points), np.uint64)
    for axis in range(3):
        x = cells[:, axis]
        for shift, mask in (
            (32, 0x1F00000000FFFF),
            (16, 0x1F0000FF0000FF),
            (8, 0x100F00F00F00F00F),
            (4, 0x10C30C30C30C30C3),
            (2, 0x1249249249249249),
        ):
            x = (x | (x << np.uint64(shift))) & np.uint64(mask)
        code |= x << np.uint64(axis)
    return code


def _bottom_up(leaves: np.ndarray, combine: np.ufunc) -> np.ndarray:
    """Values of all nodes, [2 L - 1, ...], of those of the leaves."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        levels.append(combine(levels[-1][::2], levels[-1][1::2]))
    return np.concatenate(levels[::-1])
