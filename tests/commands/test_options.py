"""Each option of a training, from the line to a run that is scored and goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from polyfield.datasets.procedural import procedural_scene


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in scene in 6 + 2 images of 24 x 24 with depths, normals and seen points."""
    scene = procedural_scene(n_train=6, n_test=2, size=24)
    assert scene.depths is not None
    assert scene.normals is not None
    file = tmp_path_factory.mktemp("measured") / "scene.npz"
    np.savez(
        file,
        world_from_camera=scene.cameras.world_from_camera.numpy(),
        intrinsics=scene.cameras.intrinsics.numpy(),
        images=np.stack([scene.images[i] for i in range(8)]),
        depths=np.stack([scene.depths[i][..., 0] for i in range(8)]),
        normals=np.stack([scene.normals[i] for i in range(8)]),
        points=np.array([[0.0, 0.0, 0.0], [0.4, -0.36, -0.1]]),
        point_views=np.array([[0, 0], [0, 1], [1, 2]]),
        test=np.array([6, 7]),
        bounds=scene.bounds.numpy(),
    )
    return file


@pytest.mark.parametrize(
    ("words", "column"),
    [
        (["trainer.ema=0.9"], "loss/color"),
        (["logging.tensorboard=true"], "loss/color"),
        (["task.appearance=4", "decoder.color=mlp"], "loss/color"),
        (["task.refine_poses=true"], "loss/color"),
        (["dataset.background=learned"], "loss/color"),
        (["task.depth=0.1"], "loss/depth"),
        (["task.normals=0.1"], "loss/normals"),
        (["task.points=0.1", "task.point_rays=8"], "loss/points"),
        (["trainer.eval_every=2"], "eval/psnr"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_an_option_trains_scores_and_goes_on(
    line: Callable, measured: Path, small: list[str], words: list[str], column: str
) -> None:
    if "logging.tensorboard=true" in words:
        pytest.importorskip("tensorboard")
    settings = ["trainer.max_steps=4", "trainer.log_every=1", *small, *words]
    status, _, err = line("train", f"data={measured}", "run=r", *settings)
    assert status == 0, err
    status, _, err = line("train", "resume=r", "trainer.max_steps=6")
    assert status == 0, err
    scores = json.loads(Path("r/eval.json").read_text())
    rows = [json.loads(row) for row in Path("r/metrics.jsonl").read_text().splitlines()]
    assert {row["step"] for row in rows} == {1, 2, 3, 4, 5, 6}
    assert any(row.get(column) is not None for row in rows)
    assert all(np.isfinite(row["loss"]) for row in rows if "loss" in row)
    assert any(Path("r/tensorboard").glob("*")) == ("logging.tensorboard=true" in words)
    which = "best" if "trainer.eval_every=2" in words else "latest"
    status, _, err = line("eval", "run=r", f"checkpoint={which}", "pictures=false")
    assert status == 0, err
    again = json.loads(Path("r/eval.json").read_text())
    if which == "latest":
        assert again["images"] == scores["images"]
    else:
        best = max(row["eval/psnr"] for row in rows if "eval/psnr" in row)
        assert again["psnr"] == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("name", ["depth", "normals", "points"])
def test_a_weight_without_data_is_one_line(
    line: Callable, photos: Path, small: list[str], tmp_path: Path, name: str
) -> None:
    words = ["train", f"data={photos}", "run=r", "trainer.max_steps=2", f"task.{name}=1", *small]
    status, _, err = line(*words)
    assert (status, err.count("\n")) == (2, 1), err
    assert f"task.{name}: found 1, and data without {name[:5]}" in err
    assert not list(tmp_path.iterdir())
