"""The loops over rays and points behind `Cameras`, compiled when first called.

Letters: r rays, m points, n cameras. Arrays are contiguous and float64 unless stated.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numba import prange

from polyfield.cameras import models
from polyfield.kernels.blocks import Block, specialise
from polyfield.kernels.launch import launch

SERIAL_RAYS = 8192  # below this, waking threads costs more than they save
SAME_DIRECTION = 1e-5  # radians

direction_from_pixel, pixel_from_direction = (
    models.direction_from_pixel,
    models.pixel_from_direction,
)


def cast_rays(
    lens: tuple[np.ndarray, np.ndarray, np.ndarray],
    poses: np.ndarray,
    index: np.ndarray,
    pixels: np.ndarray,
    origins: np.ndarray,
    directions: np.ndarray,
    axis_cosine: np.ndarray,
) -> None:
    """Write the rays of r pixels.

    Args:
        lens: models [n] int64, intrinsics [n,4], distortion [n,p].
        poses: [n,3,4] world_from_camera.
        index: [r] int64 in [0, n).
        pixels: [r,2].
        origins, directions: [r,3] float32, written.
        axis_cosine: [r] float32, written.
    """
    arguments = (*lens, poses, index, pixels, origins, directions, axis_cosine)
    if len(index) <= SERIAL_RAYS:
        _compiled_rays(parallel=False)(*arguments)
        return
    with launch():
        _compiled_rays(parallel=True)(*arguments)


def project_points(
    lens: tuple[np.ndarray, np.ndarray, np.ndarray],
    pose: np.ndarray,
    size: tuple[int, int],
    points: np.ndarray,
    pixels: np.ndarray,
    z_depth: np.ndarray,
    valid: np.ndarray,
) -> None:
    """Write where one camera sees m points.

    Args:
        lens: as in `cast_rays`, n = 1.
        pose: [3,4] world_from_camera.
        size: width and height.
        points: [m,3] world.
        pixels: [m,2], written.
        z_depth: [m], written.
        valid: [m] bool, written.
    """
    with launch():
        _compiled_projection()(*lens, pose, *size, points, pixels, z_depth, valid)


@cache
def _compiled_rays(parallel: bool) -> Block:
    return specialise(_rays, parallel, direction_from_pixel=direction_from_pixel)


@cache
def _compiled_projection() -> Block:
    return specialise(
        _project,
        direction_from_pixel=direction_from_pixel,
        pixel_from_direction=pixel_from_direction,
    )


def _rays(  # type: ignore[no-untyped-def]
    model,
    intrinsics,
    distortion,
    poses,
    index,
    pixels,
    origins,
    directions,
    axis_cosine,
):
    for i in prange(index.shape[0]):
        n = index[i]
        fx, fy, cx, cy = intrinsics[n]
        x, y, z = direction_from_pixel(
            model[n], fx, fy, cx, cy, distortion[n], pixels[i, 0], pixels[i, 1]
        )
        for a in range(3):
            directions[i, a] = poses[n, a, 0] * x + poses[n, a, 1] * y + poses[n, a, 2] * z
            origins[i, a] = poses[n, a, 3]
        axis_cosine[i] = z


def _project(  # type: ignore[no-untyped-def]
    model,
    intrinsics,
    distortion,
    pose,
    width,
    height,
    points,
    pixels,
    z_depth,
    valid,
):
    fx, fy, cx, cy = intrinsics[0]
    for i in prange(points.shape[0]):
        tx, ty, tz = points[i, 0] - pose[0, 3], points[i, 1] - pose[1, 3], points[i, 2] - pose[2, 3]
        x = pose[0, 0] * tx + pose[1, 0] * ty + pose[2, 0] * tz
        y = pose[0, 1] * tx + pose[1, 1] * ty + pose[2, 1] * tz
        z = pose[0, 2] * tx + pose[1, 2] * ty + pose[2, 2] * tz
        px, py = pixel_from_direction(model[0], fx, fy, cx, cy, distortion[0], x, y, z)
        pixels[i, 0], pixels[i, 1], z_depth[i] = px, py, z
        valid[i] = False
        if 0.0 <= px <= width and 0.0 <= py <= height:
            # Seen only if the ray of that pixel leads back: not from behind, nor from beyond the
            # angle where a distortion polynomial folds.
            u, v, w = direction_from_pixel(model[0], fx, fy, cx, cy, distortion[0], px, py)
            length = math.sqrt(x * x + y * y + z * z)
            apart = (u * length - x) ** 2 + (v * length - y) ** 2 + (w * length - z) ** 2
            valid[i] = apart < (SAME_DIRECTION * length) ** 2
