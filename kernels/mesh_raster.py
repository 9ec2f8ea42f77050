"""Which triangle of a mesh a pinhole camera sees at each pixel.

Letters: n vertices, m triangles, h x w pixels; b barycentric coordinates, z along the optical axis.

A vertex (x, y, z) of camera axes is p = (fx x + cx z, fy y + cy z, z), so that a pixel (u, v) sees
the point of a triangle for which (u, v, 1) = sum of (b_i / z) p_i. The three numbers b_i / z are
linear in u and v, and their sum is 1 / z: a triangle needs no clipping where it passes by the
camera (Olano and Greer 1997, "Triangle scan conversion using 2D homogeneous coordinates").
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numba import prange

from polyfield.kernels.blocks import specialise
from polyfield.kernels.launch import launch

BAND = 16  # rows that one task fills


class Seen(NamedTuple):
    """What is seen at each pixel.

    Attributes:
        face: the nearest triangle, either side of it; -1 where there is none.
        z_depth: along the optical axis; infinite where there is none.
        weights: b of its first two corners.
    """

    face: Int[np.ndarray, "h w"]
    z_depth: Float[np.ndarray, "h w"]
    weights: Float[np.ndarray, "h w 2"]


def _rows(p, faces, h, near, rows):  # type: ignore[no-untyped-def]
    for t in prange(faces.shape[0]):
        top, bottom, behind, ahead = math.inf, -math.inf, 0, 0
        for k in range(3):
            z = p[faces[t, k], 2]
            if z > near:
                v = p[faces[t, k], 1] / z
                top, bottom = min(top, v), max(bottom, v)
                ahead += 1
            else:
                behind += 1
        if ahead == 0 or not (top < math.inf):
            rows[t, 0], rows[t, 1] = 1, 0
        elif behind > 0:
            rows[t, 0], rows[t, 1] = 0, h - 1
        else:
            rows[t, 0] = math.ceil(min(max(top - 0.5, 0.0), h * 1.0))
            rows[t, 1] = math.floor(max(min(bottom - 0.5, h - 1.0), -1.0))


def _fill(p, faces, rows, near, face, inverse, weights):  # type: ignore[no-untyped-def]
    h, w = face.shape
    for band in prange((h + BAND - 1) // BAND):
        first, last = band * BAND, min((band + 1) * BAND, h) - 1
        for t in range(faces.shape[0]):
            top, bottom = max(rows[t, 0], first), min(rows[t, 1], last)
            if top > bottom:
                continue
            i, j, k = faces[t, 0], faces[t, 1], faces[t, 2]
            ax, ay, az = p[i, 0], p[i, 1], p[i, 2]
            bx, by, bz = p[j, 0], p[j, 1], p[j, 2]
            cx, cy, cz = p[k, 0], p[k, 1], p[k, 2]
            left, right = 0, w - 1
            if min(az, bz, cz) > near:
                low = min(ax / az, bx / bz, cx / cz) - 0.5
                high = max(ax / az, bx / bz, cx / cz) - 0.5
                left = math.ceil(min(max(low, 0.0), w * 1.0))
                right = math.floor(max(min(high, w - 1.0), -1.0))
            if left > right:
                continue
            # The rows of the inverse of the matrix whose columns are the corners, times `det`.
            ux, uy, uz = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
            vx, vy, vz = cy * az - cz * ay, cz * ax - cx * az, cx * ay - cy * ax
            wx, wy, wz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
            det = ax * ux + ay * uy + az * uz
            if not abs(det) > 0.0:
                continue
            side = 1.0 if det > 0.0 else -1.0
            det = abs(det)
            for row in range(top, bottom + 1):
                y = row + 0.5
                for column in range(left, right + 1):
                    x = column + 0.5
                    e = side * (ux * x + uy * y + uz)
                    f = side * (vx * x + vy * y + vz)
                    g = side * (wx * x + wy * y + wz)
                    if not (e >= 0.0 and f >= 0.0 and g >= 0.0):
                        continue
                    total = e + f + g
                    if total <= inverse[row, column] * det or total * near > det:
                        continue
                    inverse[row, column] = total / det
                    face[row, column] = t
                    weights[row, column, 0], weights[row, column, 1] = e / total, f / total


def mesh_raster(
    vertices: Float[np.ndarray, "n 3"],
    faces: Int[np.ndarray, "m 3"],
    camera_from_world: Float[np.ndarray, "3 4"],
    intrinsics: tuple[float, float, float, float],
    size: tuple[int, int],
    near: float = 1e-3,
) -> Seen:
    """What a pinhole camera sees of a mesh at its pixel centres.

    Args:
        vertices: world.
        faces: corners, in any order.
        intrinsics: fx, fy, cx, cy, pixels.
        size: width and height, pixels.
        near: least distance along the optical axis.
    """
    (fx, fy, cx, cy), (w, h) = intrinsics, size
    lens = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)
    pose = lens @ np.asarray(camera_from_world, np.float64)
    p = np.asarray(vertices, np.float64) @ pose[:, :3].T + pose[:, 3]
    faces = np.ascontiguousarray(faces, np.int32)
    face = np.full((h, w), -1, np.int32)
    inverse = np.zeros((h, w))
    weights = np.zeros((h, w, 2), np.float32)
    rows = np.empty((len(faces), 2), np.int32)
    find, fill = specialise(_rows), specialise(_fill)
    with launch():
        find(p, faces, h, near, rows)
        fill(p, faces, rows, near, face, inverse, weights)
    with np.errstate(divide="ignore"):
        return Seen(face, (1 / inverse).astype(np.float32), weights)
