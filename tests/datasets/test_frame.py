"""The normalised world: up is up, contents in the box, for every way of taking photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyfield.cameras import Cameras
from polyfield.cameras.poses import look_at
from polyfield.datasets.capture import Capture
from polyfield.datasets.frame import normalise
from polyfield.datasets.load import load_scene
from polyfield.errors import InputError

UP = torch.tensor([0.0, 0.0, 1.0]).double()


def capture_of(poses, **fields):
    n = len(poses)
    cameras = Cameras(
        poses.double(),
        torch.tensor([[100.0, 100, 50, 40]]).repeat(n, 1),
        torch.zeros(n, 1),
        torch.zeros(n, dtype=torch.int64),
        torch.tensor([[100, 80]]).repeat(n, 1),
    )
    names = [str(i) for i in range(n)]
    return Capture("test", Path("data"), Path("data"), names, cameras, **fields)


def ring(n=12, height=1.0, radius=3.0):
    angle = torch.arange(n).double() * (2 * torch.pi / n)
    return torch.stack(
        [radius * angle.cos(), radius * angle.sin(), height + 0.2 * (angle * 3).sin()], dim=1
    )


def inward(n=12, height=1.0):
    return look_at(ring(n, height), torch.zeros(1, 3).double(), UP)


def rolled(poses, quarters):
    """The photos turned by quarters of a circle before they were stored."""
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]).double().matrix_power(quarters)
    return torch.cat([poses[:, :, :3] @ turn, poses[:, :, 3:]], dim=2)


def moved(poses, seed, scale=1.0):
    """The same cameras in a source frame that was turned, moved and scaled: [n,3,4], and [4,4]."""
    generator = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator).double())
    rotation = q * torch.linalg.det(q)
    shift = torch.randn(3, generator=generator).double() * 5
    positions = scale * poses[:, :, 3] @ rotation.T + shift
    matrix = torch.eye(4).double()
    matrix[:3, :3], matrix[:3, 3] = scale * rotation, shift
    return torch.cat([rotation @ poses[:, :, :3], positions[:, :, None]], dim=2), matrix


def up_of(placed, frame):
    """Where the true up direction points in the normalised world."""
    up = placed.world_from_source[:3, :3] @ frame[:3, :3] @ UP
    return up / up.norm()


@pytest.mark.parametrize("quarters", [0, 1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_ring_stands_upright_however_it_was_stored(quarters, seed):
    poses, frame = moved(rolled(inward(), quarters), seed, scale=7.0)
    placed = normalise(capture_of(poses), cut_out=False)
    assert up_of(placed, frame)[2] > 0.999
    origin = placed.world_from_source @ frame @ torch.tensor([0.0, 0, 0, 1]).double()
    assert origin[:3].norm() < 0.05
    assert placed.unbounded
    positions = placed.world_from_source[:3, :3] @ poses[:, :, 3].T
    positions = positions.T + placed.world_from_source[:3, 3]
    assert 0.9 < positions.norm(dim=1).median() < 1.05


@given(st.integers(0, 1000), st.floats(1e-3, 1e3), st.booleans())
@settings(max_examples=30, deadline=None)
def test_frame_does_not_depend_on_where_the_source_frame_lies(seed, scale, cut_out):
    """Turning, moving and scaling the files changes nothing in the world but rounding."""
    still = normalise(capture_of(inward()), cut_out)
    poses, frame = moved(inward(), seed, scale)
    placed = normalise(capture_of(poses), cut_out)
    torch.testing.assert_close(
        placed.world_from_source @ frame, still.world_from_source, rtol=0, atol=1e-6
    )
    assert placed.near_far == pytest.approx(still.near_far, rel=1e-6)
    product = placed.world_from_source @ torch.linalg.inv(placed.world_from_source)
    torch.testing.assert_close(product, torch.eye(4).double(), rtol=0, atol=1e-9)
    part = placed.world_from_source[:3, :3] / placed.scale
    torch.testing.assert_close(part @ part.T, torch.eye(3).double(), rtol=0, atol=1e-9)
    assert torch.linalg.det(part) > 0


def test_object_with_alpha_fills_the_box():
    """The tangent of half the angle of view is 0.5, so a ball of 1.58 around the origin is seen."""
    placed = normalise(capture_of(inward()), cut_out=True)
    assert not placed.unbounded
    assert placed.scale == pytest.approx(1 / (0.5 * np.hypot(3, 1)), rel=0.05)
    near, far = placed.near_far
    assert near < np.hypot(3, 1) * placed.scale < far


def forward_facing(n=9, depth=20.0):
    generator = torch.Generator().manual_seed(0)
    positions = torch.randn(n, 3, generator=generator).double() * torch.tensor([1.0, 0.1, 0.7])
    return look_at(positions, torch.tensor([[0.0, depth, 0.0]]).double(), UP)


@pytest.mark.parametrize("source", ["depths", "points", "nothing"])
def test_forward_facing(source):
    poses, frame = moved(forward_facing(), 3, scale=2.0)
    fields = {}
    if source == "depths":
        fields["depth_range"] = np.tile([[10.0, 90.0]], (len(poses), 1))
    elif source == "points":
        depth = torch.linspace(5, 45, 500).double()
        points = torch.stack([depth * 0, depth, depth * 0, depth * 0 + 1], dim=1) @ frame.T
        fields["points"] = points[:, :3].numpy()
    placed = normalise(capture_of(poses, **fields), cut_out=False)
    assert up_of(placed, frame)[2] > 0.99
    positions = (placed.world_from_source[:3, :3] @ poses[:, :, 3].T).T
    positions = positions + placed.world_from_source[:3, 3]
    views = placed.world_from_source[:3, :3] @ poses[:, :, 2].T
    assert (views[1] > 0.9 * placed.scale).all()  # they look along +y
    assert (positions[:, 1] < -0.9).all()  # from before the box
    if source != "nothing":
        nearest = positions[:, 1].mean() + 10 * placed.scale
        assert nearest == pytest.approx(-1, abs=0.1)
    if source == "depths":
        assert placed.near_far == pytest.approx((9 * placed.scale, 360 * placed.scale))


def test_outward_facing():
    positions = ring(radius=0.5)
    poses, frame = moved(look_at(positions, positions * torch.tensor([3.0, 3, 1]).double(), UP), 1)
    placed = normalise(capture_of(poses), cut_out=False)
    middle = placed.world_from_source @ torch.tensor([*poses[:, :, 3].mean(dim=0), 1.0]).double()
    assert middle[:3].norm() < 1e-9
    assert up_of(placed, frame)[2] > 0.99


@pytest.mark.parametrize(
    "poses",
    [
        inward()[:1],
        inward()[:1].repeat(5, 1, 1),
        torch.cat([inward()[:, :, :3], torch.zeros(12, 3, 1).double()], dim=2),
        look_at(ring(), ring() - UP, UP),
        look_at(ring() * 0 + UP, ring() * 0, UP)[:3],
        inward(n=2, height=0.0),
        torch.eye(3, 4).double().repeat(4, 1, 1),
    ],
    ids=["one", "same", "turning on the spot", "straight down", "down", "opposite", "identity"],
)
@pytest.mark.parametrize("cut_out", [False, True])
def test_cameras_that_say_little_still_give_a_frame(poses, cut_out):
    placed = normalise(capture_of(poses), cut_out)
    assert placed.world_from_source.isfinite().all()
    assert placed.scale > 0
    near, far = placed.near_far
    assert 0 < near < far < np.inf
    part = placed.world_from_source[:3, :3] / placed.scale
    torch.testing.assert_close(part @ part.T, torch.eye(3).double(), rtol=0, atol=1e-9)
    assert torch.linalg.det(part) > 0


def test_near_follows_the_points():
    points = torch.randn(300, 3, generator=torch.Generator().manual_seed(0)).double().numpy() * 0.3
    views = np.stack([np.arange(300).repeat(12), np.tile(np.arange(12), 300)], axis=1)
    placed = normalise(capture_of(inward(), points=points, point_views=views), cut_out=False)
    assert 0.25 < placed.near_far[0] < 0.5
    assert np.abs(placed.points.numpy()).max() < 1


def test_a_turned_scene_is_the_same_one_turned() -> None:
    """Cameras and contents turn together about the middle, and the way back knows of it."""
    straight = load_scene("procedural")
    scene, again, other = (load_scene("procedural", rotate=seed) for seed in (3, 3, 4))
    assert torch.equal(scene.source_from_world, again.source_from_world)
    assert not torch.allclose(scene.source_from_world, other.source_from_world)
    assert torch.equal(scene.bounds, straight.bounds)
    back = scene.source_from_world @ torch.linalg.inv(straight.source_from_world)
    gram = back[:3, :3].T @ back[:3, :3]
    torch.testing.assert_close(gram, torch.eye(3).double())
    middle = scene.bounds.double().mean(dim=0)
    torch.testing.assert_close(back[:3, :3] @ middle + back[:3, 3], middle)
    poses = [s.cameras.world_from_camera.double() for s in (scene, straight)]
    turned = back[:3, :3] @ poses[0][:, :, :3]
    torch.testing.assert_close(turned, poses[1][:, :, :3], rtol=0, atol=1e-6)
    assert scene.normals is not None
    assert straight.normals is not None
    a, b = (torch.as_tensor(s.normals[0]).double() for s in (scene, straight))
    torch.testing.assert_close(a @ back[:3, :3].T, b, rtol=0, atol=1e-5)


def test_a_seed_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match=r"rotate: found -1, expected a seed from 0 to"):
        load_scene("procedural", rotate=-1)
