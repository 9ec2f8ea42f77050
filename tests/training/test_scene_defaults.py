"""What follows from a scene: finer photos ask for finer steps and cells, within bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from polyfield.training import scene_defaults


def test_a_footprint_is_what_a_pixel_covers_in_the_middle(ball: Any) -> None:
    scene = ball.ball_scene()
    cameras = scene.cameras[scene.splits["train"]]
    distance = torch.linalg.vector_norm(cameras.world_from_camera[:, :, 3], dim=-1)
    each = distance[:, None] / cameras.intrinsics[:, :2]
    assert float(each.min()) <= scene_defaults.footprint(scene) <= float(each.max())


@pytest.mark.parametrize("factor", [1.0, 2.0, 4.0])
def test_steps_and_cells_follow_the_resolution_of_photos(factor: float, ball: Any) -> None:
    scene = ball.ball_scene()
    small = scene_defaults.sampling(scene)["step"]
    cameras = replace(scene.cameras, intrinsics=scene.cameras.intrinsics * 16 * factor)
    scene.cameras = cameras
    finer = scene_defaults.sampling(scene)["step"]
    edge = scene_defaults.edge(scene)
    assert edge / scene_defaults.STEPS_ACROSS <= finer < small
    cells = scene_defaults.finest(scene)["max_resolution"]
    assert cells == pytest.approx(1.25 * edge / scene_defaults.footprint(scene), abs=1)


def test_time_has_half_as_many_vertices_as_the_photos_have_moments(ball: Any) -> None:
    scene = ball.ball_scene()
    assert scene_defaults.time(scene) == {"in_dim": 3}
    trained = len(scene.splits["train"])
    for moments, expected in ((trained, max(trained // 2, 4)), (1, 4)):
        times = (torch.arange(len(scene)) % moments) / max(moments, 2)
        moving = replace(scene, cameras=replace(scene.cameras, times=times))
        found = scene_defaults.time(moving)
        assert found["in_dim"] == 4
        assert abs(found["time_resolution"] - expected) <= 1


def test_both_stay_within_bounds(ball: Any) -> None:
    scene = ball.ball_scene()
    least, most = scene_defaults.CELLS
    for factor, cells, steps in ((1e-6, least, 32), (1e6, most, 256)):
        cameras = replace(scene.cameras, intrinsics=scene.cameras.intrinsics * factor)
        far = replace(scene, cameras=cameras)
        assert scene_defaults.finest(far)["max_resolution"] == cells
        step = scene_defaults.sampling(far)["step"]
        assert step == pytest.approx(scene_defaults.edge(scene) / steps)


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ({"max_seconds": 60.0}, 17),
        ({"max_seconds": 600.0}, 18),
        ({"max_steps": 1000}, 17),
        ({"max_steps": 1000, "max_seconds": 600.0}, 17),
        ({"max_steps": 50_000, "max_seconds": None}, 18),
    ],
)
def test_tables_are_as_large_as_a_budget_can_fill_and_then_stay(
    budget: dict, expected: int
) -> None:
    config = {"field": {"log2_entries": None, "levels": 3}, "trainer": budget}
    settled = scene_defaults.with_tables(config)
    assert settled["field"] == {"log2_entries": expected, "levels": 3}
    later = {**settled, "trainer": {"max_seconds": 10.0, "max_steps": 1 << 20}}
    assert scene_defaults.with_tables(later)["field"] == settled["field"]
    other = {"field": {"channels": 4}, "trainer": budget}
    assert scene_defaults.with_tables(other) == other


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ({"max_steps": 2500, "max_seconds": None}, 20_000),
        ({"max_steps": None, "max_seconds": 60}, 36_000),
        ({"max_steps": 2500, "max_seconds": 600}, 20_000),
        ({"max_steps": 10}, 10_000),
        ({"max_steps": 10**7}, 1_000_000),
        ({}, 1_000_000),
    ],
)
def test_there_are_as_many_gaussians_as_the_budget_can_shape(
    budget: dict[str, Any], expected: int
) -> None:
    assert scene_defaults.gaussians(budget) == expected
