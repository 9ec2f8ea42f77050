"""Rays and projection undo each other, whatever the lens, the pose and the frame of the world."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from polyfield.cameras import Cameras, Model, concatenate
from polyfield.cameras.poses import rotation_from_axis_angle
from polyfield.errors import InputError

CameraMaker = Callable[[Any, torch.Tensor], Cameras]


def _points_before(
    cameras: Cameras, lens: Any, i: int, n: int = 500
) -> tuple[torch.Tensor, torch.Tensor]:
    """Points [n,3] within the lens's reach of camera i, and their depths along its axis."""
    generator = torch.Generator().manual_seed(2)
    uniform = torch.rand(3, n, generator=generator, dtype=torch.float64)
    off_axis = (0.99 * lens.reach) * uniform[0]
    around, distance = 2 * math.pi * uniform[1], 0.2 + 5 * uniform[2]
    radial = off_axis.sin()
    local = torch.stack([radial * around.cos(), radial * around.sin(), off_axis.cos()], dim=1)
    local = local * distance[:, None]
    pose = cameras.world_from_camera[i]
    return local @ pose[:, :3].T + pose[:, 3], local[:, 2]


def test_rays_of_projected_points_pass_through_the_points(
    lens: Any, poses: torch.Tensor, cameras_of: CameraMaker
) -> None:
    cameras = cameras_of(lens, poses)
    for i in range(len(cameras)):
        points, z = _points_before(cameras, lens, i)
        pixels, z_depth, valid = cameras.project(i, points)
        inside = ((pixels >= 0) & (pixels <= cameras.size[i])).all(dim=1)
        assert torch.equal(valid, inside)
        assert valid.sum() > 20
        assert torch.allclose(z_depth, z, atol=1e-12)
        rays = cameras.rays(torch.full((len(points),), i), pixels)
        depth = (points - cameras.positions[i]).norm(dim=1)
        reached = rays.origins + depth[:, None] * rays.directions
        assert (reached - points).norm(dim=1).max() < 1e-5
        assert (depth * rays.axis_cosine - z).abs().max() < 1e-5


def test_image_rays_are_the_rays_of_pixel_centres_row_by_row(
    lens: Any, poses: torch.Tensor, cameras_of: CameraMaker
) -> None:
    cameras = cameras_of(lens, poses).scaled(0.25)
    rays = cameras.image_rays(3)
    assert len(rays) == 160 * 120
    chosen = torch.tensor([0, 1, 159, 160, 160 * 119 + 7])
    pixels = torch.tensor([[0.5, 0.5], [1.5, 0.5], [159.5, 0.5], [0.5, 1.5], [7.5, 119.5]])
    few = cameras.rays(torch.full((5,), 3), pixels)
    assert torch.equal(rays[chosen].directions, few.directions)
    assert torch.equal(rays[chosen].axis_cosine, few.axis_cosine)
    assert (rays.camera_index == 3).all()
    assert (rays.directions.norm(dim=1) - 1).abs().max() < 1e-6


def test_scaled_cameras_see_the_same_at_scaled_pixels(
    lens: Any, poses: torch.Tensor, cameras_of: CameraMaker
) -> None:
    cameras = cameras_of(lens, poses)
    small = cameras.scaled(1 / 3)
    assert small.size[0].tolist() == [213, 160]
    ratio = small.size[0] / cameras.size[0]
    index = torch.randint(len(cameras), (200,), generator=torch.Generator().manual_seed(0))
    # The middle of the image: corners may show nothing, where rays are as good as arbitrary.
    pixels = (0.2 + 0.6 * torch.rand(200, 2, dtype=torch.float64)) * cameras.size[0]
    apart = cameras.rays(index, pixels).directions - small.rays(index, pixels * ratio).directions
    assert apart.abs().max() < 1e-6
    assert torch.equal(small.scaled(1.0).intrinsics, small.intrinsics)


def test_a_change_of_the_world_keeps_pixels(
    lens: Any, poses: torch.Tensor, cameras_of: CameraMaker
) -> None:
    cameras = cameras_of(lens, poses)
    similarity = torch.eye(4, dtype=torch.float64)
    axis_angle = torch.tensor([0.3, -1.2, 0.8], dtype=torch.float64)
    similarity[:3, :3] = 2.5 * rotation_from_axis_angle(axis_angle)
    similarity[:3, 3] = torch.tensor([1.0, -2.0, 0.5])
    moved = cameras.transformed(similarity)
    rotation = moved.world_from_camera[:, :, :3]
    identity = torch.eye(3, dtype=torch.float64).expand_as(rotation)
    assert torch.allclose(rotation.mT @ rotation, identity, atol=1e-12)
    points, _ = _points_before(cameras, lens, 1)
    before, z_before, valid_before = cameras.project(1, points)
    after, z_after, valid_after = moved.project(
        1, points @ similarity[:3, :3].T + similarity[:3, 3]
    )
    assert (before - after).abs().max() < 1e-8
    assert torch.allclose(z_after, 2.5 * z_before)
    assert torch.equal(valid_before, valid_after)
    back = moved.transformed(torch.linalg.inv(similarity))
    assert torch.allclose(back.world_from_camera, cameras.world_from_camera, atol=1e-12)


@pytest.mark.parametrize(
    "linear", [-torch.eye(3), torch.diag(torch.tensor([1.0, 1.0, -2.0])), torch.zeros(3, 3)]
)
def test_what_is_no_similarity_moves_no_camera(linear: torch.Tensor) -> None:
    """A mirrored world would make left-handed cameras."""
    matrix = torch.eye(4)
    matrix[:3, :3] = linear
    with pytest.raises(InputError, match=r"similarity: .* one scale above 0"):
        _one_camera(Model.PINHOLE).transformed(matrix)


def test_a_number_of_any_integer_type_takes_one_camera(
    lens: Any, poses: torch.Tensor, cameras_of: CameraMaker
) -> None:
    cameras = cameras_of(lens, poses)
    for number in (2, np.int64(2), np.uint8(2), torch.tensor(2), np.int64(2 - len(cameras))):
        assert torch.equal(cameras[number].positions, cameras.positions[2:3])
    with pytest.raises(IndexError):
        cameras[np.int64(len(cameras))]
    with pytest.raises(TypeError):
        cameras[1.0]  # type: ignore[index]


def test_points_behind_a_camera_are_not_seen(poses: torch.Tensor, cameras_of: CameraMaker) -> None:
    from_behind = torch.tensor([[0.0, 0.0, -1.0], [0.1, 0.1, -2.0], [0.0, 0.0, 0.0]])
    camera = _one_camera(Model.PINHOLE)
    assert not camera.project(0, from_behind)[2].any()


def test_points_beyond_the_fold_of_a_polynomial_are_not_seen() -> None:
    # r' = r - 0.3 r^3 comes back to 0 at r = 1.83: such points would show at the centre.
    camera = _one_camera(Model.OPENCV, -0.3)
    points = torch.tensor([[0.5, 0.0, 1.0], [1.7, 0.0, 1.0], [1.83, 0.0, 1.0]])
    pixels, _, valid = camera.project(0, points)
    assert ((pixels >= 0) & (pixels <= 100)).all()
    assert valid.tolist() == [True, False, False]


def test_not_a_number_passes_through() -> None:
    nan, infinity = float("nan"), float("inf")
    for model in Model:
        camera = _one_camera(model)
        pixels = torch.tensor([[nan, 1.0], [infinity, 1.0], [-1e30, 1e30], [5.0, 5.0]])
        rays = camera.rays(torch.zeros(4, dtype=torch.int64), pixels)
        assert rays.directions[0].isnan().any()
        assert rays.directions[2:].isfinite().all()
        points = torch.tensor([[nan, 0.0, 1.0], [infinity, 0.0, 1.0], [0.0, 0.0, 0.0]])
        assert not camera.project(0, points)[2].any()


def test_a_camera_that_is_not_there_is_an_error() -> None:
    camera = _one_camera(Model.PINHOLE)
    for wrong in (1, -1):
        with pytest.raises(IndexError):
            camera.rays(torch.tensor([wrong]), torch.zeros(1, 2))
    with pytest.raises(IndexError):
        camera.image_rays(1)
    with pytest.raises(ValueError, match="pixels"):
        camera.rays(torch.tensor([0]), torch.zeros(1, 3))


def test_shapes_are_checked() -> None:
    with pytest.raises(InputError, match="intrinsics"):
        Cameras(
            torch.eye(3, 4)[None],
            torch.zeros(1, 3),
            torch.zeros(1, 0),
            torch.zeros(1),
            torch.ones(1, 2),
        )


def test_selection_and_concatenation(poses: torch.Tensor) -> None:
    camera = _one_camera(Model.PINHOLE)
    many = concatenate([camera, _one_camera(Model.FISHEYE, 0.125), camera])
    assert len(many) == 3
    assert many[1].model.tolist() == many[-2].model.tolist() == [Model.FISHEYE]
    assert many[torch.tensor([1, 1])].distortion[:, 0].tolist() == [0.125, 0.125]
    assert len(many[1:]) == 2
    with pytest.raises(IndexError):
        many[3]


def test_times_go_with_their_cameras_and_rays() -> None:
    camera = _one_camera(Model.PINHOLE)
    early, late = (replace(camera, times=torch.tensor([time])) for time in (0.25, 0.75))
    both = concatenate([early, late])
    assert both.times is not None
    assert both.times.tolist() == [0.25, 0.75]
    assert both[1].times.tolist() == both.scaled(0.5)[-1].times.tolist() == [0.75]  # type: ignore[union-attr]
    rays = both.rays(torch.tensor([1, 0, 1]), torch.zeros(3, 2))
    assert rays.times is not None
    assert rays.times.tolist() == [0.75, 0.25, 0.75]
    assert rays[1:].times.tolist() == rays.to("cpu")[1:].times.tolist() == [0.25, 0.75]  # type: ignore[union-attr]
    assert camera.image_rays(0)[:2].times is None
    with pytest.raises(InputError, match="times: found 1 of 2"):
        concatenate([camera, late])
    for bad in ([1.5], [float("nan")], [0.1, 0.2]):
        with pytest.raises(InputError, match="times"):
            replace(camera, times=torch.tensor(bad))


def test_no_rays_and_no_points() -> None:
    camera = _one_camera(Model.OPENCV)
    assert len(camera.rays(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 2))) == 0
    assert camera.project(0, torch.zeros(0, 3))[0].shape == (0, 2)


def test_non_contiguous_and_single_precision_input() -> None:
    camera = _one_camera(Model.PINHOLE)
    pixels = (torch.rand(2, 50) * 100).T
    index = torch.zeros(100, dtype=torch.int32)[::2]
    assert torch.equal(
        camera.rays(index, pixels).directions,
        camera.rays(index.long().contiguous(), pixels.double().contiguous()).directions,
    )
    assert camera.project(0, torch.rand(7, 3))[0].dtype == torch.float32


def _one_camera(model: Model, *distortion: float) -> Cameras:
    return Cameras(
        torch.eye(3, 4)[None],
        torch.tensor([[50.0, 50.0, 50.0, 50.0]]),
        torch.tensor([distortion]),
        torch.tensor([int(model)]),
        torch.tensor([[100, 100]]),
    )
