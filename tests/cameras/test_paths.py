"""Paths go where they say, look where they say, and stay level."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from polyfield.cameras import Cameras, Model, concatenate, interpolate, orbit, spiral
from polyfield.cameras.poses import look_at, meeting_point
from polyfield.errors import InputError

UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
TARGET = torch.tensor([0.3, -0.1, 0.2], dtype=torch.float64)


def _cameras(poses: torch.Tensor, model: Model = Model.OPENCV) -> Cameras:
    n = len(poses)
    return Cameras(
        poses,
        torch.tensor([[50.0, 51.0, 32.0, 24.0]]).repeat(n, 1),
        torch.full((n, 1), 0.1),
        torch.full((n,), int(model)),
        torch.tensor([[64, 48]]).repeat(n, 1),
    )


@pytest.fixture
def ring() -> Cameras:
    """12 cameras at distance 3 around TARGET, at elevations of 20 to 40 degrees."""
    around = torch.arange(12, dtype=torch.float64) * 2 * math.pi / 12
    elevation = torch.deg2rad(torch.linspace(20, 40, 12, dtype=torch.float64))
    arms = torch.stack(
        [elevation.cos() * around.cos(), elevation.cos() * around.sin(), elevation.sin()], dim=1
    )
    return _cameras(look_at(TARGET + 3 * arms, TARGET[None], UP))


@pytest.fixture
def wall() -> Cameras:
    """15 cameras on a wall, looking ahead along +y."""
    x, z = torch.meshgrid(torch.linspace(-1, 1, 5), torch.linspace(-0.5, 0.5, 3), indexing="ij")
    positions = torch.stack([x, torch.zeros_like(x), z], dim=-1).reshape(-1, 3).double()
    ahead = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    return _cameras(look_at(positions, positions + ahead, UP))


def test_orbit_keeps_distance_height_and_target(ring: Cameras) -> None:
    path = orbit(ring, 40)
    arms = path.positions - TARGET
    assert len(path) == 40
    assert torch.allclose(arms.norm(dim=1), torch.full((40,), 3.0, dtype=torch.float64))
    assert arms[:, 2].std() < 1e-9
    point, in_front = meeting_point(path)
    assert torch.allclose(point, TARGET)
    assert in_front == 1
    assert path.world_from_camera[:, 2, 0].abs().max() < 1e-9
    steps = (path.positions - path.positions.roll(1, dims=0)).norm(dim=1)
    assert steps.std() < 1e-9
    first = ring.positions[0] - TARGET
    assert torch.atan2(arms[0, 1], arms[0, 0]) == pytest.approx(float(torch.atan2(*first[[1, 0]])))


def test_orbit_follows_the_axis_it_is_given(ring: Cameras) -> None:
    center = torch.tensor([1.0, 1.0, 1.0])
    path = orbit(ring, 10, center=center, up=(0.0, 1.0, 0.0))
    heights = path.positions[:, 1]
    assert heights.std() < 1e-9
    assert torch.allclose(meeting_point(path)[0], center.double())


def test_orbit_of_cameras_that_look_outwards_turns_on_the_spot(ring: Cameras) -> None:
    positions = ring.positions
    outward = _cameras(look_at(positions, 2 * positions - TARGET, UP))
    path = orbit(outward, 8)
    assert path.positions.std(dim=0).max() < 1e-9
    assert path.world_from_camera[:, :, 2].mean(dim=0).norm() < 1e-9


def test_spiral_sways_within_the_cameras_and_closes(wall: Cameras) -> None:
    path = spiral(wall, 60)
    spread = wall.positions.abs().amax(dim=0)
    assert (path.positions.abs() <= spread + 1e-9).all()
    assert path.positions[:, 0].max() > 0.3
    assert (path.world_from_camera[:, 1, 2] > 0.9).all()
    steps = (path.positions - path.positions.roll(1, dims=0)).norm(dim=1)
    assert steps.max() < 3 * steps.median()


def test_interpolation_passes_through_its_cameras(ring: Cameras) -> None:
    path = interpolate(ring, 4 * 11 + 1)
    assert torch.allclose(path.world_from_camera[::4], ring.world_from_camera, atol=1e-9)
    rotation = path.world_from_camera[:, :, :3]
    identity = torch.eye(3, dtype=torch.float64).expand_as(rotation)
    assert torch.allclose(rotation.mT @ rotation, identity, atol=1e-9)


@pytest.mark.parametrize("make", [orbit, spiral, interpolate])
def test_one_camera_and_one_frame_are_enough(make, ring: Cameras) -> None:
    for cameras, n in ((ring[0], 5), (ring, 1), (ring[:2], 5)):
        path = make(cameras, n)
        assert len(path) == n
        assert path.world_from_camera.isfinite().all()


@pytest.mark.parametrize("make", [orbit, spiral, interpolate])
def test_the_lens_is_the_first_cameras_with_square_pixels_and_no_distortion(
    make, ring: Cameras
) -> None:
    path = make(ring, 3)
    assert path.model.tolist() == [Model.PINHOLE] * 3
    assert not path.distortion.any()
    focal = math.sqrt(50.0 * 51.0)
    for row in path.intrinsics.tolist():
        assert row == pytest.approx([focal, focal, 32.0, 24.0], rel=1e-12)
    assert path.size.tolist() == [[64, 48]] * 3
    sphere = _cameras(ring.world_from_camera, Model.EQUIRECTANGULAR)
    assert make(sphere, 3).model.tolist() == [Model.EQUIRECTANGULAR] * 3
    assert torch.equal(make(sphere, 3).intrinsics, sphere.intrinsics[:3])


def test_interpolation_zooms_as_its_cameras_do(ring: Cameras) -> None:
    """Focal lengths pass through those given, stay between, and know a zoom from a resize."""
    zoom = torch.linspace(1.0, 4.0, 12, dtype=torch.float64)[:, None]
    factors = torch.cat([zoom, zoom, torch.ones(12, 2)], dim=1)
    zoomed = replace(ring, intrinsics=ring.intrinsics * factors)
    focal = interpolate(zoomed, 4 * 11 + 1).intrinsics[:, 0]
    expected = math.sqrt(50.0 * 51.0) * zoom[:, 0]
    assert torch.allclose(focal[::4], expected, rtol=1e-12)
    assert (focal.diff() > 0).all()
    resized = concatenate([ring[:6], ring[6:].scaled(0.5)])
    sideways = replace(
        ring,
        size=torch.where(torch.arange(12)[:, None] % 2 == 0, ring.size, ring.size.flip(1)),
        intrinsics=torch.tensor([[50.0, 51.0, 32.0, 24.0], [51.0, 50.0, 24.0, 32.0]]).repeat(6, 1),
    )
    for same in (resized, sideways):
        path = interpolate(same, 30)
        assert torch.allclose(path.intrinsics, interpolate(ring, 30).intrinsics, rtol=1e-12)
        assert path.size.tolist() == [[64, 48]] * 30


def test_nothing_lies_between_a_sphere_and_a_plane(ring: Cameras) -> None:
    mixed = concatenate([ring[:3], _cameras(ring.world_from_camera[3:], Model.EQUIRECTANGULAR)])
    with pytest.raises(InputError, match="EQUIRECTANGULAR, OPENCV"):
        interpolate(mixed, 5)
