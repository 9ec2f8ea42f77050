"""What is learned per photo: poses, codes, and the points that cameras saw."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from polyfield.cameras import Cameras, Rays
from polyfield.cameras.poses import look_at, rotation_from_axis_angle
from polyfield.datasets import Images, Scene
from polyfield.training.observation import (
    AppearanceCodes,
    Exposures,
    LearnedBackground,
    PoseRefinement,
)
from polyfield.training.sparse_points import SparsePoints


def ring(n: int, size: int = 12) -> Cameras:
    angle = torch.arange(n, dtype=torch.float64) * 2 * torch.pi / n
    place = torch.stack([3 * angle.cos(), 3 * angle.sin(), 1 + 0.3 * (2 * angle).sin()], dim=-1)
    up = torch.tensor([0.0, 0, 1], dtype=torch.float64)
    return Cameras(
        look_at(place, torch.zeros(1, 3, dtype=torch.float64), up),
        torch.tensor([[1.4 * size, 1.4 * size, size / 2, size / 2]]).expand(n, 4),
        torch.zeros(n, 1),
        torch.zeros(n),
        torch.full((n, 2), size),
    )


def test_a_motion_moves_rays_as_it_moves_the_camera() -> None:
    cameras = ring(3)
    refinement = PoseRefinement(3)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        refinement.rotations.normal_(0, 0.2, generator=generator)
        refinement.translations.normal_(0, 0.2, generator=generator)
    rotation = rotation_from_axis_angle(refinement.rotations.detach().double())
    pose = cameras.world_from_camera.clone()
    pose[:, :, :3] = rotation @ pose[:, :, :3]
    pose[:, :, 3] += refinement.translations.detach()
    moved = dataclasses.replace(cameras, world_from_camera=pose)
    index = torch.arange(30) % 3
    pixels = 12 * torch.rand(30, 2, generator=generator)
    rays, expected = cameras.rays(index, pixels), moved.rays(index, pixels)
    found = refinement(dataclasses.replace(rays, camera_index=index))
    assert torch.allclose(found.origins, expected.origins, atol=1e-5)
    assert torch.allclose(found.directions, expected.directions, atol=1e-5)
    assert torch.equal(found.axis_cosine, rays.axis_cosine)


def test_rays_are_differentiable_in_motions_from_rest_on() -> None:
    refinement = PoseRefinement(2).double()
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(
        torch.randn(4, 3, generator=generator, dtype=torch.float64), dim=-1
    )
    rays = Rays(torch.zeros(4, 3, dtype=torch.float64), directions, torch.tensor([0, 1, 1, 0]))
    assert torch.equal(refinement(rays).directions, directions)

    def moved(w: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        out = torch.func.functional_call(refinement, {"rotations": w, "translations": v}, (rays,))
        return out.origins, out.directions

    for scale in (0.0, 0.3):
        w = (scale * torch.randn(2, 3, generator=generator).double()).requires_grad_()
        assert gradcheck(moved, (w, torch.zeros_like(w).requires_grad_()))


def test_a_moved_camera_has_the_moved_rays() -> None:
    cameras, poses = ring(4), PoseRefinement(4)
    with torch.no_grad():
        poses.rotations.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
        poses.translations.normal_(std=0.2, generator=torch.Generator().manual_seed(1))
    moved = poses.pose(cameras.world_from_camera[2], 2).detach().double()
    places = cameras.world_from_camera.clone()
    places[2] = moved
    expected = poses(cameras.image_rays(2))
    rays = dataclasses.replace(cameras, world_from_camera=places).image_rays(2)
    assert torch.allclose(rays.origins, expected.origins, atol=1e-6)
    assert torch.allclose(rays.directions, expected.directions, atol=1e-6)


def test_exposures_change_nothing_at_first() -> None:
    exposures = Exposures(3)
    assert torch.equal(exposures(1), torch.eye(3, 4))
    assert exposures.distance(1).item() == 0
    with torch.no_grad():
        exposures.maps[0] += 0.3
    assert exposures.mean(torch.tensor([0, 2])).tolist() == pytest.approx(
        (torch.eye(3, 4) + 0.15).flatten().tolist()
    )
    assert exposures.distance(0).item() == pytest.approx(0.09)


def test_codes_are_those_of_the_image_and_the_mean_of_the_trained() -> None:
    codes = AppearanceCodes(4, 2)
    assert (codes.codes == 0).all()
    with torch.no_grad():
        codes.codes.copy_(torch.arange(8.0).view(4, 2))
    assert codes(torch.tensor([3, 0, 3])).tolist() == [[6, 7], [0, 1], [6, 7]]
    assert codes.mean(torch.tensor([0, 2])).tolist() == [2, 3]


def test_a_learned_background_begins_grey() -> None:
    assert LearnedBackground()().tolist() == pytest.approx([0.5] * 3)


def scene_with_points(views: list[list[int]]) -> Scene:
    cameras = ring(4)
    return Scene(
        cameras=cameras,
        images=Images.from_arrays(np.zeros((4, 12, 12, 3), dtype=np.uint8)),
        splits={"train": torch.tensor([0, 1, 2]), "test": torch.tensor([3])},
        source_from_world=torch.eye(4, dtype=torch.float64),
        background="none",
        bounds=torch.tensor([[-1.0] * 3, [1.0] * 3]),
        unbounded=False,
        near_far=(1.0, 5.0),
        points=torch.tensor([[0.1, 0.2, 0.3], [0.0, -0.4, 0.1]]),
        point_views=torch.tensor(views),
    )


def test_rays_go_through_points_at_their_distance() -> None:
    scene = scene_with_points([[0, 0], [0, 1], [1, 2], [1, 3]])
    points = SparsePoints.of(scene)
    assert points is not None
    assert len(points) == 3  # the test image's view is left out
    rays, distances = points.sample(64, torch.Generator().manual_seed(0))
    assert set(rays.camera_index.tolist()) == {0, 1, 2}
    reached = rays.origins + distances[:, None] * rays.directions
    expected = scene.points[(rays.camera_index == 2).long()]
    assert torch.allclose(reached, expected, atol=1e-5)
    assert torch.allclose(rays.directions.norm(dim=-1), torch.ones(64))
    standing = scene.cameras.positions[rays.camera_index].float()
    assert torch.allclose(rays.origins, standing)


def test_points_that_no_training_image_saw_give_nothing() -> None:
    assert SparsePoints.of(scene_with_points([[0, 3]])) is None
    assert SparsePoints.of(dataclasses.replace(scene_with_points([[0, 0]]), points=None)) is None
