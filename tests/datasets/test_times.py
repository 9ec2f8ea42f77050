"""When frames were taken: read from every format that says, carried to every ray, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polyfield.datasets import PixelSampler, load_scene
from polyfield.datasets.describe import describe, headline
from polyfield.errors import InputError

TIMES = np.linspace(0, 1, 10)


def write(world: Any, folder: Path, kind: str) -> Path:
    """The world with times in one of the formats that have them."""
    if kind == "folder":
        np.savez(folder / "scene.npz", **world.arrays(world.cameras), times=TIMES)
        return folder
    path: Path = getattr(world, kind)(folder, world.cameras)
    numbers = iter(TIMES)
    names = ("train", "test", "val") if kind == "blender" else ("",)
    for name in names:
        file = path / f"transforms{'_' if name else ''}{name}.json"
        data = json.loads(file.read_text())
        for frame in data["frames"]:
            frame["time"] = next(numbers)
        file.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize("kind", ["blender", "transforms", "folder"])
def test_times_reach_the_rays_of_every_split(kind: str, world: Any, tmp_path: Path) -> None:
    scene = load_scene(write(world, tmp_path, kind), downscale=2)
    assert scene.times is not None
    assert scene.times.tolist() == TIMES.tolist()
    for split in ("train", "test"):
        batch = PixelSampler(scene, split).sample(50, torch.Generator().manual_seed(0))
        assert batch.rays.times is not None
        expected = torch.from_numpy(TIMES).float()[batch.image_index]
        assert torch.equal(batch.rays.times, expected)
        assert torch.equal(batch.to("cpu").rays[3:7].times, expected[3:7])  # type: ignore[arg-type]
        image = int(scene.splits[split][0])
        assert set(scene.cameras.image_rays(image).times.tolist()) == {np.float32(TIMES[image])}  # type: ignore[union-attr]
    assert describe(scene)["times"] == "moving, 10 times from 0 to 1"
    assert "moving" in headline(scene)


@pytest.mark.parametrize("kind", ["blender", "transforms", "folder"])
def test_times_may_be_ignored(kind: str, world: Any, tmp_path: Path) -> None:
    scene = load_scene(write(world, tmp_path, kind), times="ignore")
    assert scene.times is None
    assert PixelSampler(scene).sample(5, torch.Generator().manual_seed(0)).rays.times is None
    assert describe(scene)["times"] == "none"


def test_data_without_times_has_none(world: Any, tmp_path: Path) -> None:
    assert load_scene(world.transforms(tmp_path, world.cameras)).times is None


@pytest.mark.parametrize("bad", [1.5, -0.1, float("nan"), "noon", True, [0.5], None])
def test_a_time_that_cannot_be_is_refused_by_its_frame(
    bad: object, world: Any, tmp_path: Path, edit: Callable
) -> None:
    write(world, tmp_path, "transforms")
    edit(tmp_path / "transforms.json", lambda data: data["frames"][4].update(time=bad))
    with pytest.raises(InputError, match=r"transforms.json: frames\[4\].time: found .*ignore"):
        load_scene(tmp_path)
    assert load_scene(tmp_path, times="ignore").times is None


@pytest.mark.parametrize("bad", [1.5, float("nan")])
def test_in_our_own_format_too(bad: float, world: Any, tmp_path: Path) -> None:
    times = TIMES.copy()
    times[3] = bad
    np.savez(tmp_path / "scene.npz", **world.arrays(world.cameras), times=times)
    with pytest.raises(InputError, match=r"scene.npz: times\[3\]: found .*ignore"):
        load_scene(tmp_path)
    np.savez(tmp_path / "scene.npz", **world.arrays(world.cameras), times=TIMES[:4])
    with pytest.raises(InputError, match="times"):
        load_scene(tmp_path)


def test_unknown_choices_are_refused(world: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="times"):
        load_scene("procedural", times="never")
    with pytest.raises(InputError, match=r"dataset\.moving"):
        load_scene(world.transforms(tmp_path, world.cameras), moving=True)
