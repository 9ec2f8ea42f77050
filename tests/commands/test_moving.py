"""A scene that moves, from frames with times to pictures of moments, through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from polyfield import cli
from polyfield.datasets.procedural import procedural_scene

TINY = [
    *("field=kplanes", "field.resolution=[16]", "field.channels=16"),
    *("task.samples_per_step=2048", "task.rays=128"),
]


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The moving built-in scene in 12 + 3 images of 32 x 32."""
    scene = procedural_scene(n_train=12, n_test=3, size=32, moving=True)
    assert scene.times is not None
    file = tmp_path_factory.mktemp("moving") / "scene.npz"
    np.savez(
        file,
        world_from_camera=scene.cameras.world_from_camera.numpy(),
        intrinsics=scene.cameras.intrinsics.numpy(),
        images=np.stack([scene.images[i] for i in range(len(scene))]),
        times=scene.times.numpy(),
        bounds=scene.bounds.numpy(),
        train=scene.splits["train"].numpy(),
        test=scene.splits["test"].numpy(),
    )
    return file


@pytest.fixture(scope="module")
def run(moving: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 100 steps."""
    folder = tmp_path_factory.mktemp("runs") / "moving"
    penalties = ["field.time_smooth=0.01", "field.still=1e-4"]
    words = ["train", f"data={moving}", f"run={folder}", "trainer.max_steps=100"]
    assert cli.main([*words, *TINY, *penalties]) == 0
    return folder


def pictures(folder: Path) -> np.ndarray:
    return np.stack([iio.imread(file) for file in sorted(folder.glob("rgb_*.png"))])


def test_a_run_learns_space_and_time(
    run: Path, moving: Path, of_one_color: Callable, line: Callable
) -> None:
    assert json.loads((run / "eval.json").read_text())["psnr"] > of_one_color(moving) + 2
    record = json.loads((run / "scene.json").read_text())
    assert all(0 <= camera["time"] <= 1 for camera in record["cameras"])
    status, out, _ = line("eval", f"run={run}", "pictures=false")
    assert status == 0
    assert "mean" in out


def test_pictures_are_of_the_moments_asked_for(run: Path, line: Callable, tmp_path: Path) -> None:
    shown = {}
    for name, words in {
        "own": ["path=test"],
        "first": ["path=test", "time=0"],
        "last": ["path=test", "time=1.0"],
        "orbit": ["path=orbit", "frames=3"],
        "orbit_first": ["path=orbit", "frames=3", "time=0"],
        "orbit_back": ["path=orbit", "frames=3", "time=1:0"],
    }.items():
        status, _, error = line("render", f"run={run}", f"out={tmp_path / name}", *words)
        assert status == 0, error
        shown[name] = pictures(tmp_path / name)
    assert shown["own"].shape == shown["first"].shape == (3, 32, 32, 3)
    for one, other in (("own", "first"), ("first", "last"), ("own", "last")):
        assert not np.array_equal(shown[one], shown[other])
    assert np.array_equal(shown["orbit"][0], shown["orbit_first"][0])
    assert np.array_equal(shown["orbit"][1], shown["orbit_back"][1])
    for one, other in ((0, 0), (2, 2)):
        assert not np.array_equal(shown["orbit"][one], shown["orbit_back"][other])


def test_what_is_no_time_is_refused(run: Path, trained: Path, line: Callable) -> None:
    for word in ("time=2", "time=0:0.5:1", "time=noon", "time=-0.1"):
        status, _, error = line("render", f"run={run}", word)
        assert status != 0
        assert "time: found" in error
        assert "Traceback" not in error
    status, _, error = line("render", f"run={trained}", "time=0.5", "frames=2")
    assert status != 0
    assert "stands still" in error


def test_a_field_that_stands_still_is_trained_when_asked_for(
    moving: Path, line: Callable, tmp_path: Path
) -> None:
    words = ["train", f"data={moving}", "trainer.max_steps=2", *TINY]
    status, out, error = line(*words, "run=still", "dataset.times=ignore")
    assert status == 0, error
    assert "moving" not in out.splitlines()[0]
    status, _, error = line(*words, "run=refused", "+field.in_dim=3")
    assert status != 0
    assert "field.in_dim: found 3, expected 4, as the data has times" in error
    assert "dataset.times=ignore" in error
    assert not (tmp_path / "refused").exists()


def test_info_says_that_it_moves(moving: Path, line: Callable) -> None:
    status, out, _ = line("info", f"data={moving}")
    assert status == 0
    assert "moving, 15 times from" in out
    status, _, error = line("info", f"data={moving}", "dataset.moving=true")
    assert status != 0
    assert "dataset.moving" in error
