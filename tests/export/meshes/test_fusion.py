"""Surfaces fused from depths: where they are, what they look like, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from polyfield.errors import InputError
from polyfield.export.meshes import fusion, room
from polyfield.export.meshes.open3d_found import obstacle


def fused(*arguments: object, **settings: object) -> fusion.Mesh:
    if (reason := obstacle()) is not None:
        pytest.skip(f"Open3D {reason}")
    return fusion.fuse(*arguments, **settings)  # type: ignore[arg-type]


def test_the_surface_lands_on_that_of_the_data(make_ball: Callable, off_ball: Callable) -> None:
    task, calls = make_ball(), []
    mesh = fused(task, 96, progress=lambda done, total: calls.append((done, total)))
    ours = mesh.transformed(task.scene.source_from_world.numpy())
    voxel = 1.5 / 96 * 2  # in radii: the box's edge is 1.5 and the radius half a unit
    assert np.abs(off_ball(ours.vertices)).max() < 1.5 * voxel
    assert np.abs(off_ball(ours.vertices)).mean() < 0.35 * voxel
    assert abs(off_ball(ours.vertices).mean()) < 0.15 * voxel
    outward = (ours.vertices - [20, -7, 3]) / 5
    assert ours.normals is not None
    assert ours.colors is not None
    assert np.median((ours.normals * outward).sum(axis=1)) > 0.99
    assert np.abs(ours.colors - (0.5 + 0.5 * outward)).mean() < 0.03
    a, b, c = (ours.vertices[ours.faces[:, k]] for k in range(3))
    facing = (np.cross(b - a, c - a) * (a - [20, -7, 3])).sum(axis=1)
    assert (facing > 0).mean() > 0.99  # counter-clockwise from outside
    assert calls == [(i + 1, 44) for i in range(44)]


def test_nothing_outside_of_the_box_is_fused(make_ball: Callable) -> None:
    task = make_ball()
    box = task.scene.bounds.clone()
    box[1, 0] = box.mean(dim=0)[0]
    mesh = fused(task, 64, bounds=box)
    assert mesh.vertices[:, 0].max() < float(box[1, 0]) + 1.01 * 1.5 / 64
    assert mesh.vertices[:, 0].max() > float(box[1, 0]) - 1.5 / 64
    assert mesh.faces.max() == len(mesh.vertices) - 1


def test_pictures_are_no_finer_than_voxels(make_ball: Callable) -> None:
    task = make_ball()
    fused(task, 16, views=12)
    assert len(task.renderer.asked) == 24
    assert all(width < 64 for width, _ in task.renderer.asked)


def test_what_is_not_there_is_said(make_ball: Callable) -> None:
    with pytest.raises(InputError, match=r"no surface.*train longer"):
        fused(make_ball(opacity=0.3), 32)
    task = make_ball()
    far = torch.tensor([[90.0] * 3, [91.0] * 3])
    with pytest.raises(InputError, match="no surface"):
        fused(task, 32, bounds=far)
    with pytest.raises(InputError, match=r"diverged.*checkpoint"):
        fused(make_ball(opacity=float("nan")), 32)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"resolution": 4}, "resolution"),
        ({"voxel": 2.0}, "voxel"),
        ({"truncation": 0.5}, "truncation"),
        ({"views": 0}, "views"),
        ({"time": 0.5}, "time"),
    ],
)
def test_settings_that_cannot_be(make_ball: Callable, settings: dict, word: str) -> None:
    task = make_ball()
    with pytest.raises(InputError, match=word):
        fused(task, **settings)
    assert not task.renderer.asked


def test_what_does_not_fit_is_said_before_anything_is_rendered(
    make_ball: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_ball()
    monkeypatch.setattr(fusion, "free_memory", lambda: 20_000_000)
    with pytest.raises(InputError, match=r"found 1024.*expected \d+ or less") as said:
        fused(task, 1024)
    assert not task.renderer.asked
    fits = int(str(said.value).split("expected ")[1].split()[0])
    box = task.scene.bounds.double()
    fusion.check_memory(fusion.expected_blocks(box, 1.5 / fits), 1.5 / fits, box)
    assert room.free_memory() > 0


def test_blocks_hold_the_truncated_distance() -> None:
    """A point in the middle of a block needs that one; on a face of it, its neighbour too."""
    middle = torch.tensor([[0.4, 0.4, 0.4]]).double()
    assert fusion.blocks_of(middle, 0.1, 3.0).tolist() == [[0, 0, 0]]
    face = torch.tensor([[0.75, 0.4, 0.4]]).double()
    assert fusion.blocks_of(face, 0.1, 3.0).tolist() == [[0, 0, 0], [1, 0, 0]]
