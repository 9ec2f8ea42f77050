"""Strivec through the command line: from photos alone, and what is refused before it begins."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

SMALL = [
    *("field=strivec", "field.half_sizes=[0.2,0.1]", "field.density=8", "field.color=16"),
    *("field.max_resolution=32", "task.samples_per_step=2048", "task.rays=128"),
]


def test_from_photos_to_scores_without_being_given_geometry(
    line: Callable, photos: Path, of_one_color: Callable, tmp_path: Path
) -> None:
    words = [f"data={photos}", "run=r", *SMALL, "trainer.max_steps=100", "trainer.geometry=0.4"]
    status, _, err = line("train", *words)
    assert status == 0, err
    assert "geometry  " in err
    scores = json.loads((tmp_path / "r" / "eval.json").read_text())
    assert scores["psnr"] > of_one_color(photos) + 2
    config = yaml.safe_load((tmp_path / "r" / "config.yaml").read_text())
    assert (config["trainer"]["max_steps"], config["trainer"]["geometry"]) == (60, 0)
    status, _, err = line("eval", "run=r", "pictures=false")
    assert status == 0, err
    assert json.loads((tmp_path / "r" / "eval.json").read_text())["psnr"] == scores["psnr"]
    status, out, err = line("train", "resume=r", "trainer.max_steps=70")
    assert status == 0, err
    assert "70 steps" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["field.points=a (1).ply"], "a (1).ply: cannot be read"),
        (["task=sdf", "data={mesh}"], "task=radiance"),
        (["trainer.geometry=2"], "trainer.geometry: found 2"),
        (["field.density=9"], "field.density: found 9"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    line: Callable, photos: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    mesh = tmp_path / "mesh.obj"
    mesh.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
    words = [word.format(mesh=mesh) for word in words]
    radiance = [word for word in SMALL if "task=sdf" not in words or not word.startswith("task.")]
    status, _, err = line("train", f"data={photos}", "run=r", *radiance, *words)
    assert status == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "r").exists()
