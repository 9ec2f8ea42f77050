"""How Gaussians multiply where nobody said so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from polyfield.commands.schema import configuration
from polyfield.errors import InputError
from polyfield.training.assembly import build_task
from polyfield.training.densification import MCMC, Classic, Strategy
from polyfield.training.radiance_assembly import settled


@pytest.mark.parametrize(
    ("words", "points", "expected"),
    [
        ([], 0, MCMC),
        ([], 20, Classic),
        (["task.init=random"], 20, MCMC),
        (["task.init_from=cloud.ply"], 0, Classic),
        (["densify=mcmc"], 20, MCMC),
        (["densify=classic"], 0, Classic),
        (["densify=none"], 0, Strategy),
    ],
)
def test_where_gaussians_begin_chooses_unless_somebody_did(
    words: list[str], points: int, expected: type, ball: Any, monkeypatch: Any, tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    cloud = np.random.default_rng(0).uniform(-1, 1, (points or 9, 3))
    _write_cloud(tmp_path / "cloud.ply", cloud)
    scene = ball.ball_scene()
    scene = replace(scene, points=torch.from_numpy(cloud).float() if points else None)
    config = configuration("field=gaussians", "task.init_count=9", "trainer.max_steps=7", *words)
    assert type(build_task(config, scene).strategy) is expected  # type: ignore[attr-defined]
    assert type(build_task(settled(config, scene), scene).strategy) is expected  # type: ignore[attr-defined]


def test_how_many_there_may_be_is_kept(ball: Any) -> None:
    config = configuration("field=gaussians", "densify.most=77", "trainer.max_seconds=100")
    known = settled(config, ball.ball_scene())
    node = known["densify"]
    assert node["most"] == known["task"]["init_count"] == 77
    assert build_task(config, ball.ball_scene()).seeding.most == 77  # type: ignore[attr-defined]
    assert node["_target_"].endswith("MCMC")
    assert "auto" not in node


def test_a_key_of_one_of_them_needs_its_name(ball: Any) -> None:
    with pytest.raises(InputError, match=r"densify\.growth"):
        configuration("field=gaussians", "densify.growth=0.1")


def _write_cloud(file: Any, points: np.ndarray) -> None:
    import trimesh

    trimesh.PointCloud(points).export(file)
