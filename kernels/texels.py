"""Which triangle of an atlas each texel of a texture shows, and where on it.

Letters: m triangles, h x w texels; b barycentric coordinates. Positions in the texture count in
texels from its first corner, so that the centre of the first texel is (0.5, 0.5).

Filtering looks at texels up to one away from the triangle that it paints; so these show the
nearest point of it, unless they lie within another one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numba import prange

from polyfield.kernels.blocks import block, specialise
from polyfield.kernels.launch import launch

BAND = 16  # rows that one task fills
REACH = 1.0  # texels around a triangle, along each axis, that filtering may look at
FARTHEST = 2.0 * REACH * REACH + 1e-6  # squared, of such a texel


class Texels(NamedTuple):
    """What each texel shows.

    Attributes:
        face: the triangle; -1 for none.
        weights: b of its first two corners.
    """

    face: Int[np.ndarray, "h w"]
    weights: Float[np.ndarray, "h w 2"]


@block
def nearest_on_edge(ax, ay, bx, by, x, y):  # type: ignore[no-untyped-def]
    """Where between a and b, from 0 to 1, a point is nearest, and its squared distance."""
    dx, dy = bx - ax, by - ay
    length = dx * dx + dy * dy
    s = 0.0
    if length > 0.0:
        s = min(max(((x - ax) * dx + (y - ay) * dy) / length, 0.0), 1.0)
    ex, ey = ax + s * dx - x, ay + s * dy - y
    return s, ex * ex + ey * ey


def _fill(corners, face, weights):  # type: ignore[no-untyped-def]
    h, w = face.shape
    for band in prange((h + BAND - 1) // BAND):
        first, last = band * BAND, min((band + 1) * BAND, h) - 1
        best = np.full((BAND, w), FARTHEST, np.float32)
        for t in range(corners.shape[0]):
            ay, by, cy = corners[t, 0, 1], corners[t, 1, 1], corners[t, 2, 1]
            low, high = min(ay, by, cy) - REACH - 0.5, max(ay, by, cy) + REACH - 0.5
            if high < first or low > last:
                continue
            ax, bx, cx = corners[t, 0, 0], corners[t, 1, 0], corners[t, 2, 0]
            top = max(math.ceil(low), first)
            bottom = min(math.floor(high), last)
            left = max(math.ceil(min(ax, bx, cx) - REACH - 0.5), 0)
            right = min(math.floor(max(ax, bx, cx) + REACH - 0.5), w - 1)
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            for row in range(top, bottom + 1):
                y = row + 0.5
                for column in range(left, right + 1):
                    if best[row - first, column] == 0.0:
                        continue
                    x = column + 0.5
                    e = (bx - x) * (cy - y) - (by - y) * (cx - x)
                    f = (cx - x) * (ay - y) - (cy - y) * (ax - x)
                    g = area - e - f
                    distance, u, v = 0.0, 0.0, 0.0
                    if area != 0.0 and e * area >= 0.0 and f * area >= 0.0 and g * area >= 0.0:
                        u, v = e / area, f / area
                    else:
                        s, distance = nearest_on_edge(ax, ay, bx, by, x, y)
                        u, v = 1.0 - s, s
                        s, other = nearest_on_edge(bx, by, cx, cy, x, y)
                        if other < distance:
                            distance, u, v = other, 0.0, 1.0 - s
                        s, other = nearest_on_edge(cx, cy, ax, ay, x, y)
                        if other < distance:
                            distance, u, v = other, s, 0.0
                    if distance < best[row - first, column]:
                        best[row - first, column] = distance
                        face[row, column] = t
                        weights[row, column, 0], weights[row, column, 1] = u, v


def texels_of(corners: Float[np.ndarray, "m 3 2"], size: tuple[int, int]) -> Texels:
    """What each texel shows of triangles.

    Args:
        corners: (x, y) of each triangle's corners, texels.
        size: width and height of the texture.
    """
    width, height = size
    face = np.full((height, width), -1, np.int32)
    weights = np.zeros((height, width, 2), np.float32)
    run = specialise(_fill)
    with launch():
        run(np.ascontiguousarray(corners, np.float64), face, weights)
    return Texels(face, weights)
