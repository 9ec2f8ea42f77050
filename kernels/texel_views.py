"""Colours that a picture shows of points of a surface, added up over pictures.

Letters: p points, h x w pixels; z along the optical axis.

A point takes its colour from the four pixels around it, but only from those that show the surface
where the point is: not from what stands in front of it, nor from what lies behind an edge.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from numba import prange

from polyfield.kernels.blocks import specialise
from polyfield.kernels.launch import launch

TASK = 4096  # points
NEAR = 1e-3  # least distance along the optical axis
GRAZING = 0.1  # least cosine between a normal and the way to the camera that tolerances grow with
PIXELS = 2.0  # by as many a depth may be off, along the surface


def _add(points, normals, pose, centre, fx, fy, cx, cy, picture, z_depth, power, margin, sums):  # type: ignore[no-untyped-def]
    h, w = z_depth.shape
    p = points.shape[0]
    for task in prange((p + TASK - 1) // TASK):
        for i in range(task * TASK, min((task + 1) * TASK, p)):
            a, b, c = points[i, 0], points[i, 1], points[i, 2]
            z = pose[2, 0] * a + pose[2, 1] * b + pose[2, 2] * c + pose[2, 3]
            if not z > NEAR:
                continue
            x = fx * (pose[0, 0] * a + pose[0, 1] * b + pose[0, 2] * c + pose[0, 3]) / z + cx - 0.5
            y = fy * (pose[1, 0] * a + pose[1, 1] * b + pose[1, 2] * c + pose[1, 3]) / z + cy - 0.5
            if not (x > -1.0 and y > -1.0 and x < w and y < h):
                continue
            dx, dy, dz = centre[0] - a, centre[1] - b, centre[2] - c
            away = math.sqrt(dx * dx + dy * dy + dz * dz)
            cosine = (normals[i, 0] * dx + normals[i, 1] * dy + normals[i, 2] * dz) / away
            if cosine <= 0.0:
                continue
            width = z / min(fx, fy)
            slack = margin + PIXELS * width / max(cosine, GRAZING)
            weight = cosine**power / (width * width)
            left, top = math.floor(x), math.floor(y)
            for down in range(2):
                row = top + down
                if row < 0 or row >= h:
                    continue
                tall = y - top if down else 1.0 - (y - top)
                for over in range(2):
                    column = left + over
                    if column < 0 or column >= w:
                        continue
                    wide = x - left if over else 1.0 - (x - left)
                    if abs(z_depth[row, column] - z) > slack:
                        continue
                    share = weight * tall * wide
                    for k in range(4):
                        sums[i, k] += share * picture[row, column, k]


def add_view(
    points: Float[np.ndarray, "p 3"],
    normals: Float[np.ndarray, "p 3"],
    camera_from_world: Float[np.ndarray, "3 4"],
    intrinsics: tuple[float, float, float, float],
    picture: Float[np.ndarray, "h w 4"],
    z_depth: Float[np.ndarray, "h w"],
    sums: Float[np.ndarray, "p 4"],
    *,
    power: float = 2.0,
    margin: float = 0.0,
) -> None:
    """Add what a pinhole camera shows of points to their sums of weighted colours and opacities.

    A view counts by how straight it looks at the surface and how many pixels it has for it.

    Args:
        points: on the surface, world; normals: its own, unit, outward.
        intrinsics: fx, fy, cx, cy, pixels.
        picture: colours times opacity, and opacity.
        z_depth: of the surface, infinite where there is none.
        sums: changed in place.
        power: of the cosine between normal and the way to the camera.
        margin: world units by which depths may always be off.
    """
    pose = np.ascontiguousarray(camera_from_world, np.float64)
    centre = -pose[:, :3].T @ pose[:, 3]
    run = specialise(_add)
    with launch():
        run(points, normals, pose, centre, *intrinsics, picture, z_depth, power, margin, sums)
