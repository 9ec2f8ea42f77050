"""Points of depth maps and of renders lie on the surface that the pictures show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from polyfield.datasets import Images
from polyfield.errors import InputError
from polyfield.training.seeds import points_from_depths, points_from_renders


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def z_depths(cameras: Any) -> np.ndarray:
    """Of a ball of radius 1; 0 beside it."""
    maps = []
    for i in range(len(cameras)):
        rays = cameras.image_rays(i)
        middle = -(rays.origins * rays.directions).sum(dim=1)
        miss = (rays.origins + middle[:, None] * rays.directions).square().sum(dim=1)
        depth = (middle - (1 - miss).clamp(min=0).sqrt()) * rays.axis_cosine
        width, height = cameras.size[i].tolist()
        maps.append(torch.where(miss < 1, depth, 0.0).view(height, width, 1).numpy())
    return np.stack(maps)


def numbered(channels: int) -> np.ndarray:
    """Four photos whose red says which they are."""
    images = np.full((4, 32, 32, channels), 255, np.uint8)
    images[..., 0] = np.arange(4)[:, None, None] * 50 + 20
    return images


def pixels_of(scene: Any, points: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Where points are in the photos that their colours name."""
    photo = ((colors[:, 0] * 255 - 20) / 50).round().astype(int)
    assert set(photo) == {0, 1, 2}  # those of training
    seen = [scene.cameras.project(i, torch.from_numpy(points[photo == i])) for i in range(3)]
    assert all(bool(valid.all()) for _, _, valid in seen)
    return np.concatenate([pixels.numpy() for pixels, _, _ in seen])


def test_depth_maps_give_the_surface(ball: Any, ball_scene: Any) -> None:
    depths = z_depths(ball.ring(4, 32))
    images, maps = Images.from_arrays(numbered(3)), Images.from_arrays(depths)
    scene = ball_scene(images=images, depths=maps)
    points, colors = points_from_depths(scene, 10_000, generator())
    assert len(points) == (depths[:3] > 0).sum()
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-5)
    pixels = pixels_of(scene, points, colors)
    np.testing.assert_allclose(pixels % 1, 0.5, atol=1e-3)  # centres
    few, _ = points_from_depths(scene, 50, generator())
    assert 10 < len(few) <= 50


def test_masks_alpha_and_holes_are_left_out(ball: Any, ball_scene: Any) -> None:
    depths = z_depths(ball.ring(4, 32))
    depths[:, :, 16:] = np.nan
    images = numbered(4)
    images[:, 20:, :, 3] = 0
    masks = np.ones((4, 32, 32, 1), np.uint8)
    masks[:, :12] = 0
    scene = ball_scene(
        images=Images.from_arrays(images),
        depths=Images.from_arrays(depths),
        masks=Images.from_arrays(masks),
    )
    points, colors = points_from_depths(scene, 10_000, generator())
    x, y = pixels_of(scene, points, colors).T
    assert x.max() < 16
    assert (y.min() > 12) & (y.max() < 20)
    assert len(points) == (depths[:3, 12:20, :16] > 0).sum()


def test_renders_give_the_surface_and_its_colours(ball: Any) -> None:
    scene = ball.Ball((0.6, 0.4, 0.5))
    points, colors = points_from_renders(scene, ball.ring(6, 64), 2000)
    assert 500 < len(points) <= 2000
    radius = np.linalg.norm(points, axis=1)
    assert np.quantile(radius, 0.1) > 0.9
    assert radius.max() < 1.05
    normals = points / radius[:, None]
    inner = radius > 0.98  # means of voxels at the rim lie a little inside
    expected = np.array([0.6, 0.4, 0.5]) + 0.2 * normals
    assert np.abs(colors - expected)[inner].mean() < 0.02


def test_pictures_are_rendered_no_larger_than_needed(ball: Any) -> None:
    class Counting(ball.Ball):  # type: ignore[misc]
        pixels = 0

        def image(self, cameras: Any, i: int, *args: Any, **settings: Any) -> Any:
            Counting.pixels += int(cameras.size[i].prod())
            return super().image(cameras, i, *args, **settings)

    points_from_renders(Counting(), ball.ring(40, 400), 2000)
    assert Counting.pixels < 1.2 * 4 * 2000


def test_nothing_to_see_is_said(ball: Any, ball_scene: Any) -> None:
    with pytest.raises(InputError, match="depths: found none, expected a scene"):
        points_from_depths(ball_scene(), 100, generator())
    empty = Images.from_arrays(np.zeros((4, 32, 32, 1), np.float32))
    with pytest.raises(InputError, match="depths above 0"):
        points_from_depths(ball_scene(depths=empty), 100, generator())
    away = ball.ring(3, 16).transformed(
        torch.tensor(
            [[1.0, 0, 0, 50], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=torch.float64
        )
    )
    with pytest.raises(InputError, match="has it been trained"):
        points_from_renders(ball.Ball(), away, 100)
