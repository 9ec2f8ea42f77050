"""Colours that a picture gives to points, and those that it does not."""

from __future__ import annotations

import numpy as np
import pytest

from polyfield.kernels.texel_views import GRAZING, PIXELS, add_view

LENS, SIZE = (20.0, 20.0, 10.0, 8.0), (20, 16)
FACING = np.eye(3, 4)  # looks along +z from the origin


def wall(z: float) -> tuple[np.ndarray, np.ndarray]:
    """Points of a wall across the view, and its normals, towards the camera."""
    rng = np.random.default_rng(0)
    points = np.append(rng.uniform(-0.35, 0.35, (50, 2)) * z, np.full((50, 1), z), axis=1)
    return points.astype(np.float32), np.tile(np.float32([0, 0, -1]), (50, 1))


def reference(
    points: np.ndarray, normals: np.ndarray, picture: np.ndarray, depth: np.ndarray, power: float
) -> np.ndarray:
    """Point by point, for a camera at the origin."""
    fx, fy, cx, cy = LENS
    h, w = depth.shape
    sums = np.zeros((len(points), 4))
    for i, (x, y, z) in enumerate(points.astype(np.float64)):
        cosine = -normals[i] @ points[i] / np.linalg.norm(points[i])
        width = z / min(fx, fy)
        if z <= 0 or cosine <= 0:
            continue
        u, v = fx * x / z + cx - 0.5, fy * y / z + cy - 0.5
        for row in (int(np.floor(v)), int(np.floor(v)) + 1):
            for column in (int(np.floor(u)), int(np.floor(u)) + 1):
                inside = 0 <= row < h and 0 <= column < w
                slack = PIXELS * width / max(cosine, GRAZING)
                if inside and abs(depth[row, column] - z) <= slack:
                    share = (1 - abs(u - column)) * (1 - abs(v - row))
                    sums[i] += cosine**power / width**2 * share * picture[row, column]
    return sums


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_it_equals_the_sum_point_by_point(power: float) -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform([-3, -3, -1], [3, 3, 4], (400, 3)).astype(np.float32)
    normals = rng.normal(size=(400, 3))
    normals = (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(np.float32)
    picture = rng.random((*SIZE[::-1], 4)).astype(np.float32)
    depth = rng.uniform(0, 4, SIZE[::-1]).astype(np.float32)
    sums = np.zeros((400, 4), np.float32)

    add_view(points, normals, FACING, LENS, picture, depth, sums, power=power)

    expected = reference(points, normals, picture, depth, power)
    assert (expected[:, 3] > 0).sum() > 10
    np.testing.assert_allclose(sums, expected, rtol=2e-4, atol=1e-3)


def test_what_stands_in_front_gives_no_colour() -> None:
    points, normals = wall(3.0)
    picture = np.ones((*SIZE[::-1], 4), np.float32)
    depth = np.full(SIZE[::-1], 3.0, np.float32)
    depth[:, :10] = 1.0  # the left half of the view
    sums = np.zeros((len(points), 4), np.float32)

    add_view(points, normals, FACING, LENS, picture, depth, sums)

    x = 20 * points[:, 0] / 3 + 10
    assert (sums[x < 9.5, 3] == 0).all()
    assert (sums[x > 9.6, 3] > 0).all()


def test_backs_are_not_seen() -> None:
    points, normals = wall(3.0)
    sums = np.zeros((len(points), 4), np.float32)
    picture, depth = np.ones((*SIZE[::-1], 4), np.float32), np.full(SIZE[::-1], 3, np.float32)

    add_view(points, -normals, FACING, LENS, picture, depth, sums)

    assert not sums.any()
