"""field=gaussians through the command line: from photos to pictures, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import yaml

SMALL = ["field=gaussians", "task.init_count=400", "field.degree=1"]


def test_from_photos_to_scores(
    line: Callable, photos: Path, splatted: Path, of_one_color: Callable
) -> None:
    scores = json.loads((splatted / "eval.json").read_text())
    assert scores["psnr"] > of_one_color(photos) + 3
    config = yaml.safe_load((splatted / "config.yaml").read_text())
    assert "samples_per_step" not in config["task"]
    status, _out, err = line("eval", f"run={splatted}", "pictures=false")
    assert status == 0, err
    assert json.loads((splatted / "eval.json").read_text())["psnr"] == scores["psnr"]


def test_pictures_of_all_modes(line: Callable, splatted: Path, tmp_path: Path) -> None:
    words = [f"run={splatted}", "frames=2", "modes=[rgb,depth,normal,opacity]", "raw=true"]
    status, _, err = line("render", *words, "out=pictures")
    assert status == 0, err
    assert {file.name[:-9] for file in (tmp_path / "pictures").glob("*.png")} == {
        *("rgb", "depth", "normal", "opacity")
    }
    depth = np.load(tmp_path / "pictures" / "depth_0000.npy")
    assert 5 < np.nanmedian(depth) < 60  # the photos' frame is ten times the world
    picture = iio.imread(tmp_path / "pictures" / "rgb_0000.png")
    assert picture.shape == (32, 32, 3)
    assert picture.std() > 10
    status, _, err = line("render", f"run={splatted}", "frames=2", "out=a.mp4", "scale=2")
    assert status == 0, err


def test_a_run_goes_on(line: Callable, photos: Path, tmp_path: Path) -> None:
    words = [f"data={photos}", "run=r", *SMALL, "trainer.max_steps=20"]
    assert line("train", *words)[0] == 0
    status, out, err = line("train", "resume=r", "trainer.max_steps=30")
    assert status == 0, err
    assert "30 steps" in out
    status, _, err = line("train", f"data={photos}", "run=s", *SMALL, "task.init_from=r",
        "densify=none", "trainer.max_steps=2")  # fmt: skip
    assert status == 0, err
    assert "to begin with" in err
    stored = yaml.safe_load((tmp_path / "s" / "config.yaml").read_text())
    assert Path(stored["task"]["init_from"]) == (tmp_path / "r").resolve()


def test_who_draws_is_of_the_machine(
    line: Callable, photos: Path, splatted: Path, tmp_path: Path
) -> None:
    """A run that gsplat drew is looked at anywhere, and goes on with whom one names."""
    words = [f"data={photos}", "run=r", *SMALL, "trainer.max_steps=2", "renderer.backend=gsplat"]
    status, _, err = line("train", *words)
    assert status != 0
    assert "renderer.backend: found gsplat" in err
    assert "pip install 'gsplat" in err
    assert not (tmp_path / "r").exists()
    run = tmp_path / "copy"
    shutil.copytree(splatted, run)
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["renderer"]["backend"] == "auto"
    config["renderer"]["backend"] = "gsplat"
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    status, _, err = line("eval", "run=copy", "pictures=false")
    assert status == 0, err
    status, _, err = line("train", "resume=copy", "trainer.max_steps=152", "renderer.near=1")
    assert "renderer.near: cannot change when a run goes on" in err
    status, _, err = line("train", "resume=copy", "trainer.max_steps=152")
    assert "renderer.backend: found gsplat" in err
    status, _, err = line("train", "resume=copy", "trainer.max_steps=152", "renderer.backend=own")
    assert status == 0, err
    assert yaml.safe_load((run / "config.yaml").read_text())["renderer"]["backend"] == "own"


def test_distorted_photos_are_straightened_first(
    line: Callable, photos: Path, tmp_path: Path
) -> None:
    held = dict(np.load(photos))
    held.update(model=np.array("OPENCV"), distortion=np.array([0.1, 0.0, 0.0, 0.0]))
    np.savez(tmp_path / "bent.npz", **held)
    words = ["data=bent.npz", "run=r", *SMALL, "trainer.max_steps=3"]
    status, _, err = line("train", *words)
    assert status == 0, err
    cameras = json.loads((tmp_path / "r" / "scene.json").read_text())["cameras"]
    assert {camera["model"] for camera in cameras} == {"PINHOLE"}
    status, _, err = line("eval", "run=r", "pictures=false")
    assert status == 0, err
    cameras[0].update(model="FISHEYE")
    (tmp_path / "path.json").write_text(json.dumps(cameras[:1]))
    status, _, err = line("render", "run=r", "path=path.json", "out=pictures")
    assert status == 2
    assert "FISHEYE" in err
    assert "pinhole" in err
    status, _, err = line("train", *words, "run=s", "dataset.undistort=false")
    assert status == 2
    assert "dataset.undistort=true" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["task.init_from=a (1).ply"], "a (1).ply: task.init_from: found nothing"),
        (["task.init=mesh"], "task.init: found mesh"),
        (["task.rays=64"], "task.rays: Gaussians are learned from whole pictures"),
        (["renderer=proposal"], "renderer._target_"),
        (["trainer.geometry=0.2"], "trainer.geometry"),
        (["task.depth=1"], "task.depth: found 1, and data without depths"),
        (["densify=classic", "densify.threshold=-1"], "densify.threshold"),
        (["task=image"], "field: task=image learns a field of points"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    line: Callable, photos: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    small = [word for word in SMALL if "task=image" not in words or not word.startswith("task.")]
    status, _, err = line("train", f"data={photos}", "run=r", *small, *words, "trainer.max_steps=2")
    assert status == 2
    assert message in err
    assert not (tmp_path / "r").exists()


def test_a_group_that_nothing_takes_is_named(line: Callable, photos: Path) -> None:
    status, _, err = line("train", f"data={photos}", "run=r", "densify=classic")
    assert status == 2
    assert err.strip() == "error: densify: nothing that is chosen here takes one"
