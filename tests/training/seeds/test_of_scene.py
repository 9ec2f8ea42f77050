"""The first Gaussians of scenes, and how large scenes are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from polyfield.datasets import Images, load_scene
from polyfield.errors import InputError
from polyfield.training.seeds import random_gaussians, scene_extent, scene_gaussians


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_extent_is_of_the_training_cameras(ball_scene: Any) -> None:
    scene = ball_scene(n=5)
    positions = scene.cameras.positions[:4]
    distances = (positions - positions.mean(dim=0)).norm(dim=1)
    assert scene_extent(scene) == pytest.approx(1.1 * distances.max().item())


def test_a_single_camera_leaves_it_to_the_box(ball_scene: Any) -> None:
    scene = ball_scene(n=2)
    assert scene_extent(scene) == pytest.approx(3**0.5)


def test_random_ones_fill_the_box(ball_scene: Any) -> None:
    seeds = random_gaussians(ball_scene(), 3000, generator())
    assert len(seeds["means"]) == 3000
    assert seeds["means"].abs().max() <= 1
    assert seeds["means"].mean(dim=0).abs().max() < 0.05
    spacing = (8 / 3000) ** (1 / 3)
    assert 0.4 < seeds["log_scales"].exp().median().item() / spacing < 1.2
    rgb = seeds["sh_dc"]
    assert torch.equal(rgb[:, 0], rgb[:, 2])
    assert rgb.std() > 0.5
    again = random_gaussians(ball_scene(), 3000, generator())
    assert torch.equal(seeds["means"], again["means"])


def test_places_without_end_are_filled_three_times_as_far(ball_scene: Any) -> None:
    scene = ball_scene(unbounded=True, bounds=torch.tensor([[0.0, 0, 0], [2, 2, 2]]))
    means = random_gaussians(scene, 5000, generator())["means"]
    reach = 3 * scene_extent(scene)
    assert 0.95 * reach < (means - 1).abs().max() <= reach


def test_the_best_that_is_known_is_taken(ball_scene: Any) -> None:
    points = torch.rand(20, 3, generator=generator())
    colors = (255 * points).to(torch.uint8)
    depths = Images.from_arrays(np.full((4, 32, 32, 1), 2.0, np.float32))
    everything = ball_scene(points=points, point_colors=colors, depths=depths)
    assert torch.equal(scene_gaussians(everything, generator=generator())["means"], points)
    sparse = scene_gaussians(everything, "points", 5, generator=generator())
    assert len(sparse["means"]) <= 5
    measured = scene_gaussians(ball_scene(depths=depths), count=200, generator=generator())
    assert 50 < len(measured["means"]) <= 200
    scattered = scene_gaussians(ball_scene(), count=200, generator=generator(), opacity=0.5)
    assert len(scattered["means"]) == 200
    assert not scattered["opacity_logits"].any()


def test_outliers_are_no_larger_than_densification_allows(ball_scene: Any) -> None:
    points = torch.cat([torch.rand(40, 3, generator=generator()), torch.tensor([[90.0, 0, 0]])])
    scene = ball_scene(points=points)
    seeds = scene_gaussians(scene, generator=generator())
    largest = seeds["log_scales"].exp().max().item()
    assert largest == pytest.approx(0.1 * scene_extent(scene), rel=1e-5)


def test_a_mesh_is_in_the_frame_of_the_files(ball_scene: Any, tmp_path: Path) -> None:
    trimesh.creation.box().export(tmp_path / "box.ply")
    source_from_world = torch.diag(torch.tensor([4.0, 4, 4, 1], dtype=torch.float64))
    scene = ball_scene(source_from_world=source_from_world)
    seeds = scene_gaussians(scene, tmp_path / "box.ply", 100, generator=generator())
    assert seeds["means"].abs().amax(dim=1).allclose(torch.tensor(0.125))


@pytest.mark.parametrize(
    ("source", "message"),
    [("points", "source=random"), ("depths", "depth maps"), ("nowhere.ply", r"nowhere\.ply")],
)
def test_what_a_scene_lacks_is_named(ball_scene: Any, source: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        scene_gaussians(ball_scene(), source, generator=generator())
    with pytest.raises(InputError, match="count"):
        scene_gaussians(ball_scene(), count=0, generator=generator())


def test_points_that_are_not_finite_are_named(ball_scene: Any) -> None:
    points = torch.rand(8, 3)
    points[5, 1] = torch.nan
    with pytest.raises(InputError, match="point 5"):
        scene_gaussians(ball_scene(points=points), generator=generator())


def test_the_cup(shared_data: Any) -> None:
    scene = load_scene(shared_data("colmap_cup"))
    assert scene.points is not None
    seeds = scene_gaussians(scene, generator=generator())
    distinct = len(scene.points.unique(dim=0))
    assert len(seeds["means"]) == distinct > 1000
    assert all(tensor.isfinite().all() for tensor in seeds.values())
    extent, sigma = scene_extent(scene), seeds["log_scales"].exp()
    assert sigma.max() <= 0.1 * extent * 1.0001
    assert 1e-4 * extent < sigma.median() < 0.1 * extent
