"""What Gaussians begin as: of a file, of a run, of the scene, each where it belongs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from polyfield.commands.schema import configuration
from polyfield.datasets import Scene
from polyfield.errors import InputError
from polyfield.fields.gaussians import NAMES, Gaussians
from polyfield.renderers.splat import SplatRenderer
from polyfield.splats.formats import write_splats
from polyfield.splats.frames import transformed
from polyfield.training.assembly import build_trainer
from polyfield.training.densification import MCMC, Strategy
from polyfield.training.initial_gaussians import Seeding, checked, first_gaussians
from polyfield.training.preparation import prepared_task
from polyfield.training.runs import create_run
from polyfield.training.splatting import SplattingTask

SETTINGS: dict[str, Any] = {"opacity": 0.1, "scale": 1.0, "degree": 0}


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def framed(scene: Scene) -> Scene:
    """The scene, of files in another frame: turned, five times as large, moved."""
    scene.source_from_world = torch.tensor(
        [[0.0, -5, 0, 1], [5, 0, 0, -2], [0, 0, 5, 3], [0, 0, 0, 1]], dtype=torch.float64
    )
    return scene


def placed(scene: Scene, **settings: Any) -> SplattingTask:
    renderer = SplatRenderer(Gaussians(degree=1))
    strategy = settings.pop("strategy", None) or Strategy()
    task = SplattingTask(renderer, scene, strategy=strategy, **settings)
    task.begin(generator())
    return task


def test_random_ones_fill_the_box_as_the_strategy_wants(ball: Any) -> None:
    task = placed(ball.ball_scene(), init="random", init_count=50)
    assert len(task.field) == 50
    assert bool((task.field.means.abs() <= 1).all())
    assert torch.allclose(torch.sigmoid(task.field.opacity_logits), torch.tensor(0.1))
    walk = placed(ball.ball_scene(), init="random", init_count=50, strategy=MCMC())
    assert torch.allclose(torch.sigmoid(walk.field.opacity_logits), torch.tensor(0.5))
    assert walk.strategy.n == 50


def test_a_file_of_gaussians_is_in_the_frame_of_the_data(tmp_path: Path, ball: Any) -> None:
    scene = framed(ball.ball_scene())
    known = placed(scene, init="random", init_count=20)
    with torch.no_grad():
        known.field.sh_rest.normal_(generator=generator())
    splats = transformed(known.field.splats(), scene.source_from_world.numpy())
    write_splats(splats, tmp_path / "scene.ply")
    task = placed(scene, init_from=str(tmp_path / "scene.ply"))
    for name in ("means", "log_scales", "opacity_logits", "sh_dc", "sh_rest"):
        assert torch.allclose(task.field.tensors[name], known.field.tensors[name], atol=1e-4), name
    known.field.active.fill_(1)  # as it has learned; what has goes on as it was
    pictures = [t.renderer.image(scene.cameras, 0).rgb for t in (task, known)]
    assert torch.allclose(*pictures, atol=1e-3)


def test_a_mesh_is_covered(tmp_path: Path, ball: Any) -> None:
    import trimesh

    scene = framed(ball.ball_scene())
    sphere = trimesh.creation.icosphere(subdivisions=3, radius=0.7)
    sphere.apply_transform(scene.source_from_world.numpy())
    sphere.export(tmp_path / "ball.ply")
    task = placed(scene, init_from=str(tmp_path / "ball.ply"), init_count=300)
    assert len(task.field) == 300
    assert torch.allclose(task.field.means.norm(dim=1), torch.tensor(0.7), atol=0.02)


@pytest.mark.parametrize("field", ["gaussians", "hash"])
def test_a_run_is_taken_up(tmp_path: Path, ball: Any, field: str) -> None:
    scene = framed(ball.ball_scene())
    words = {
        "gaussians": ["task.init=random", "task.init_count=200", "densify=none"],
        "hash": ["field.levels=2", "field.log2_entries=10", "task.rays=64"],
    }[field]
    config = configuration(
        f"field={field}", f"data={tmp_path}/gone", "trainer.max_steps=80", *words
    )
    task, config, _ = prepared_task(config, scene)
    run = create_run(tmp_path / "run", config, scene)
    build_trainer(config, task, run).train()
    other = ball.ball_scene()
    other.source_from_world = 2 * torch.eye(4, dtype=torch.float64)
    other.source_from_world[3, 3] = 1
    values = first_gaussians(other, Seeding(file=run, most=400), generator(), **SETTINGS)
    assert 100 < len(values["means"]) <= 400
    assert set(values) == set(NAMES)
    # A ball of radius 1 at the origin: of 5 at (1, -2, 3) in the files, of 2.5 here.
    distance = (values["means"] - torch.tensor([0.5, -1.0, 1.5])).norm(dim=1)
    assert 0.5 < float(distance.median()) < 3.5


@pytest.mark.parametrize(
    ("seeding", "match"),
    [
        (Seeding("mesh"), r"task.init: found mesh.*init_from"),
        (Seeding(most=0), "task.init_count"),
        (Seeding(file=Path("nowhere.ply")), "nowhere.ply: task.init_from"),
        (Seeding("points"), "points"),
    ],
)
def test_what_is_not_there_is_refused(ball: Any, seeding: Seeding, match: str) -> None:
    with pytest.raises(InputError, match=match):
        first_gaussians(ball.ball_scene(), checked(seeding), generator(), **SETTINGS)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, ball: Any) -> None:
    with pytest.raises(InputError, match=str(tmp_path)):
        first_gaussians(ball.ball_scene(), Seeding(file=tmp_path), generator(), **SETTINGS)
