"""Baked textures: a mesh with one looks as its field does."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from polyfield.errors import InputError
from polyfield.export.meshes import Mesh
from polyfield.export.meshes.bake import baked_colors, baking_views, mean_colors
from polyfield.export.meshes.gutter import spread
from polyfield.export.meshes.texture import check_texture, textured
from polyfield.export.meshes.textured_mesh import renderer_of
from polyfield.renderers.mesh import sampled


@pytest.mark.parametrize("normals", [True, False])
def test_it_looks_like_the_field(
    painted: Any, ball_mesh: Callable[..., Mesh], normals: bool
) -> None:
    pytest.importorskip("xatlas")
    painted.module.train()

    surface = textured(ball_mesh(4, normals), painted)

    assert painted.module.training
    painted.module.eval()
    renderer = renderer_of(surface)
    for i in range(len(painted.test)):
        shown, truth = renderer.image(painted.test, i), painted.renderer.image(painted.test, i)
        inside = truth.opacity.numpy() * shown.opacity.numpy() == 1
        error = (shown.rgb - truth.rgb).numpy()[inside]
        assert -10 * np.log10((error**2).mean()) > 30
        assert float((shown.opacity - truth.opacity).abs().mean()) < 0.02


def test_it_has_no_seams(painted: Any, ball_mesh: Callable[..., Mesh]) -> None:
    pytest.importorskip("xatlas")

    surface = textured(ball_mesh(4), painted, 256)

    colors = sampled(surface.texture, surface.uvs)
    place, number = np.unique(surface.mesh.vertices, axis=0, return_inverse=True)
    low, high = np.full((len(place), 3), 2.0), np.full((len(place), 3), -1.0)
    np.minimum.at(low, number, colors)
    np.maximum.at(high, number, colors)
    assert len(place) < len(colors)
    assert (high - low).max() < 0.05


def test_what_no_view_sees_is_coloured_as_what_is_beside() -> None:
    points = np.stack([np.arange(40.0), np.zeros(40), np.zeros(40)], axis=1)
    sums = np.zeros((40, 4), np.float32)
    sums[:10], sums[30:] = (2, 0, 0, 2), (0, 0, 5, 5)  # red, nothing, blue

    colors = mean_colors(points, sums)

    np.testing.assert_array_equal(colors[:10], [[1, 0, 0]] * 10)
    assert (colors[10:14, 0] > 0.99).all()
    assert (colors[26:30, 2] > 0.99).all()


def test_a_surface_that_is_never_seen_is_named(
    painted: Any, ball_mesh: Callable[..., Mesh]
) -> None:
    mesh, away = ball_mesh(1), painted.scene.cameras
    painted.module.eval()
    with pytest.raises(InputError, match="no training view sees the surface"):
        baked_colors(mesh.vertices + 100, mesh.normals, mesh, painted.renderer, away)


def test_views_are_pinholes_and_not_too_many(painted: Any) -> None:
    cameras = painted.scene.cameras
    views = baking_views(cameras, list(range(20)))
    assert len(views) == 20
    assert (views.model == 0).all()
    assert (views.size > cameras.size[:20]).all()
    assert len(baking_views(cameras, list(range(24)) * 10)) == 64
    large = cameras.scaled(100)
    assert baking_views(large, [0]).size.prod() < 1 << 20


@pytest.mark.parametrize("size", [0, 15, 20000, "large", True, 64.5])
def test_sizes_that_there_are_not(painted: Any, size: Any) -> None:
    with pytest.raises(InputError, match="texture"):
        check_texture(painted, size)


def test_what_has_no_colours_is_refused(painted: Any) -> None:
    with pytest.raises(InputError, match="learns no colours"):
        check_texture(SimpleNamespace(module=None), "auto")  # type: ignore[arg-type]
    painted.scene.times = torch.zeros(24)
    with pytest.raises(InputError, match="moves"):
        check_texture(painted, "auto")


@pytest.mark.parametrize("shape", [(1, 1), (5, 8), (16, 13)])
def test_gutters_hold_colours_of_what_is_beside(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    known = rng.random(shape) < 0.3
    known[0, 0] = True
    texture = rng.uniform(0.4, 0.6, (*shape, 3)) * known[..., None]

    filled = spread(texture, known)

    np.testing.assert_array_equal(filled[known], texture[known])
    assert filled.min() >= 0.4
    assert filled.max() <= 0.6


def test_gutters_are_local() -> None:
    texture, known = np.zeros((64, 64, 1)), np.zeros((64, 64), bool)
    texture[:, 40:], known[:, :20], known[:, 40:] = 1.0, True, True

    filled = spread(texture, known)

    assert (filled[:, 20:24] == 0).all()
    assert (filled[:, 36:40] == 1).all()
