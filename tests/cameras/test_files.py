"""`cameras.json` brings back what was saved, and says what is wrong with what was not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from polyfield.cameras import Cameras, Model, cameras_from_dict, load_cameras, save_cameras
from polyfield.errors import InputError


def _entry() -> dict[str, Any]:
    return {
        "world_from_camera": torch.eye(3, 4).tolist(),
        "intrinsics": [50.0, 50.0, 32.0, 24.0],
        "size": [64, 48],
    }


def test_what_is_saved_is_loaded(tmp_path: Path, poses: torch.Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    cameras = Cameras(
        poses,
        torch.rand(5, 4, generator=generator, dtype=torch.float64) * 100,
        torch.randn(5, 12, generator=generator, dtype=torch.float64),
        torch.arange(5),
        torch.randint(1, 999, (5, 2), generator=generator),
    )
    save_cameras(tmp_path / "cameras.json", cameras)
    again = load_cameras(tmp_path / "cameras.json")
    for name in ("world_from_camera", "intrinsics", "distortion", "model", "size"):
        assert torch.equal(getattr(again, name), getattr(cameras, name))


def test_times_are_saved_where_there_are_any(tmp_path: Path) -> None:
    cameras = cameras_from_dict([_entry(), _entry()])
    assert cameras.times is None
    assert "time" not in cameras.to_dict()[0]
    save_cameras(tmp_path / "cameras.json", replace(cameras, times=torch.tensor([0.1, 1.0])))
    again = load_cameras(tmp_path / "cameras.json")
    assert again.times is not None
    torch.testing.assert_close(again.times, torch.tensor([0.1, 1.0]).double())


@pytest.mark.parametrize("time", [None, 1.5, "noon", True, float("nan")])
def test_a_time_that_cannot_be_is_named(time: object) -> None:
    with pytest.raises(InputError, match=r"camera 1: time: found .* between 0 and 1"):
        cameras_from_dict([{**_entry(), "time": 0.5}, {**_entry(), "time": time}])


def test_only_pose_intrinsics_and_size_are_needed() -> None:
    camera = cameras_from_dict([_entry()])
    assert camera.model.tolist() == [Model.PINHOLE]
    square = {**_entry(), "world_from_camera": torch.eye(4).tolist(), "distortion": [0.1]}
    assert float(cameras_from_dict([square]).distortion[0, 0]) == 0.1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("world_from_camera", [[1, 0], [0, 1]], "3 or 4 rows of 4"),
        ("world_from_camera", torch.full((3, 4), float("nan")).tolist(), "finite"),
        ("world_from_camera", torch.zeros(3, 4).tolist(), "orthonormal"),
        ("world_from_camera", (-torch.eye(3, 4)).tolist(), "determinant 1"),
        ("world_from_camera", None, "found nothing"),
        ("intrinsics", [0, 50, 32, 24], "fx and fy above 0"),
        ("intrinsics", "wide", "found wide"),
        ("size", [64, 48.5], "whole pixels"),
        ("size", [64, 0], "whole pixels"),
        ("size", [1e300, 1], "whole pixels"),
        ("size", [10**400, 6], "width and height"),
        ("intrinsics", [10**400, 50, 32, 24], "fx, fy, cx, cy"),
        ("model", "FISH_BOWL", "EQUIRECTANGULAR"),
        ("model", ["PINHOLE"], "EQUIRECTANGULAR"),
        ("model", {"name": "PINHOLE"}, "EQUIRECTANGULAR"),
        ("model", None, "found nothing"),
        ("distortion", [0.0] * 13, "at most 12"),
        ("distortion", [[1]], "at most 12"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, key: str, value: object, message: str) -> None:
    path = tmp_path / "cameras.json"
    path.write_text(json.dumps([_entry(), {**_entry(), key: value}]))
    with pytest.raises(InputError, match=message) as caught:
        load_cameras(path)
    assert str(caught.value).startswith(f"{path}: camera 1: {key}: ")
    assert "\n" not in str(caught.value)


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", "[3]", "\xff", '"text"', DEEP, f'[{{"size": {DEEP}}}]', "9" * 9999],
    ids=lambda text: text[:10],
)
def test_files_that_are_something_else(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cameras.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"cameras\.json"):
        load_cameras(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load_cameras(tmp_path / "absent.json")
