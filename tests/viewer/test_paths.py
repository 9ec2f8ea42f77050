"""Camera paths that a person makes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from polyfield.cameras.files import load_cameras
from polyfield.errors import InputError
from polyfield.viewer.paths import Keyframes, from_json, to_json
from polyfield.viewer.standing import camera_of


class Pose:
    wxyz = (1.0, 0.0, 0.0, 0.0)
    fov = 0.9

    def __init__(self, x: float, y: float) -> None:
        self.position = (x, y, 0.0)


def keys(*places: tuple[float, float]) -> Keyframes:
    found = Keyframes()
    for x, y in places:
        found.add(camera_of(Pose(x, y), (64, 48)))
    return found


def test_a_path_begins_and_ends_at_its_keyframes() -> None:
    path = keys((0, 0), (1, 0), (1, 1)).path(31)
    assert len(path) == 31
    torch.testing.assert_close(path.positions[0], torch.tensor([0.0, 0, 0]).double())
    torch.testing.assert_close(path.positions[15], torch.tensor([1.0, 0, 0]).double())
    torch.testing.assert_close(path.positions[-1], torch.tensor([1.0, 1, 0]).double())
    assert float(path.positions.diff(dim=0).norm(dim=1).max()) < 0.15


def test_a_closed_path_comes_back_without_a_jump() -> None:
    path = keys((0, 0), (1, 0), (1, 1), (0, 1)).path(80, closed=True)
    steps = torch.cat([path.positions, path.positions[:1]]).diff(dim=0).norm(dim=1)
    assert float(steps.max()) < 0.15
    for corner in ([0.0, 0, 0], [1.0, 0, 0], [1.0, 1, 0], [0.0, 1, 0]):
        apart = (path.positions - torch.tensor(corner).double()).norm(dim=1)
        assert float(apart.min()) < 0.02


def test_times_follow_those_of_the_keyframes() -> None:
    found = Keyframes()
    for x, time in ((0.0, 0.2), (1.0, 0.8)):
        found.add(camera_of(Pose(x, 0), (64, 48), time))
    times = found.path(5).times
    assert times is not None
    assert times.tolist() == pytest.approx([0.2, 0.35, 0.5, 0.65, 0.8])


def test_a_saved_path_is_read_by_render_and_loaded_again(viewed: Any, tmp_path: Path) -> None:
    frame = torch.tensor([[0, -3.0, 0, 1], [3, 0, 0, 2], [0, 0, 3, 3], [0, 0, 0, 1]]).double()
    moved = replace(viewed, source_from_world=frame)
    path = keys((0, 0), (1, 0)).path(4)
    file = tmp_path / "cameras.json"
    file.write_bytes(to_json(path, moved))
    of_data = load_cameras(file)
    torch.testing.assert_close(of_data.positions[0], frame[:3, 3])
    back = from_json(file.read_bytes(), moved)
    torch.testing.assert_close(back.world_from_camera, path.world_from_camera)
    torch.testing.assert_close(back.intrinsics, path.intrinsics)


@pytest.mark.parametrize(
    "text", [b"", b"\xff", b"{}", b"[]", b"[1]", b"[" * 100_000, json.dumps([{}]).encode()]
)
def test_what_is_no_path_is_refused(text: bytes, viewed: Any) -> None:
    with pytest.raises(InputError):
        from_json(text, viewed)


def test_a_path_needs_two_keyframes() -> None:
    with pytest.raises(InputError, match="two or more"):
        keys((0, 0)).path(10)
    with pytest.raises(InputError, match="no keyframes"):
        Keyframes().path(10)
