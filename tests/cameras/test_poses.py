"""Rotations in their three forms are one and the same, also where formulas divide by zero."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyfield.cameras import Cameras
from polyfield.cameras.poses import (
    cross_matrix,
    look_at,
    meeting_point,
    quaternion_from_rotation,
    rotation_from_axis_angle,
    rotation_from_quaternion,
)

ANGLES = [0.0, 1e-12, 1e-7, 1e-4, 0.00999, 0.01001, 0.5, 1.5, 3.0, math.pi - 1e-6]
vectors = st.lists(st.floats(-1, 1), min_size=3, max_size=3).filter(lambda v: math.hypot(*v) > 0.1)


def _axis_angle(angle: float, direction: list[float]) -> torch.Tensor:
    vector = torch.tensor(direction, dtype=torch.float64)
    return angle * vector / vector.norm()


@settings(deadline=None)
@given(angle=st.sampled_from(ANGLES), direction=vectors)
def test_exponential_is_the_matrix_exponential(angle: float, direction: list[float]) -> None:
    w = _axis_angle(angle, direction)
    rotation = rotation_from_axis_angle(w)
    assert torch.allclose(rotation, torch.linalg.matrix_exp(cross_matrix(w)), atol=1e-14)
    identity = torch.eye(3, dtype=torch.float64)
    assert torch.allclose(rotation.T @ rotation, identity, atol=1e-14)


@settings(deadline=None)
@given(q=st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: math.hypot(*q) > 0.1))
def test_quaternions_and_rotations(q: list[float]) -> None:
    unit = torch.nn.functional.normalize(torch.tensor(q, dtype=torch.float64), dim=0)
    rotation = rotation_from_quaternion(3 * unit)
    again = quaternion_from_rotation(rotation)
    assert float(torch.linalg.det(rotation)) == pytest.approx(1, abs=1e-12)
    assert again[0] >= 0
    assert (again @ unit).abs() == pytest.approx(1, abs=1e-12)


def test_half_turns_about_each_axis() -> None:
    for axis in torch.eye(3, dtype=torch.float64):
        rotation = 2 * torch.outer(axis, axis) - torch.eye(3, dtype=torch.float64)
        q = quaternion_from_rotation(rotation)
        assert torch.allclose(q.abs(), torch.cat([torch.zeros(1), axis]).double(), atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 0.003, 0.0099, 0.0101, 1.0, 3.0])
def test_gradients(angle: float) -> None:
    w = _axis_angle(angle, [0.3, -0.7, 0.5]).requires_grad_()
    assert torch.autograd.gradcheck(rotation_from_axis_angle, (w,), atol=1e-7)
    assert torch.autograd.gradgradcheck(rotation_from_axis_angle, (w,), atol=1e-5)


def test_gradients_are_finite_in_single_precision_at_zero() -> None:
    w = torch.zeros(4, 3, requires_grad=True)
    rotation_from_axis_angle(w)[:, 2, 1].sum().backward()
    assert torch.equal(w.grad, torch.tensor([[1.0, 0.0, 0.0]]).repeat(4, 1))


def test_cross_matrix() -> None:
    a, b = torch.randn(2, 5, 3)
    product = (cross_matrix(a) @ b[..., None])[..., 0]
    assert torch.allclose(product, torch.linalg.cross(a, b), atol=1e-6)


def test_look_at_is_level_and_looks_there() -> None:
    positions = torch.randn(20, 3, dtype=torch.float64)
    target = torch.tensor([[0.2, 0.1, -0.3]], dtype=torch.float64)
    up = torch.tensor([0.0, 0.0, 1.0])
    right, down, forward, where = look_at(positions, target, up).unbind(dim=2)
    assert torch.equal(where, positions)
    away = torch.nn.functional.normalize(target - positions, dim=1)
    assert torch.allclose(forward, away)
    assert right[:, 2].abs().max() < 1e-12
    assert (down[:, 2] < 0).all()
    assert torch.allclose(torch.linalg.cross(right, down), forward)


def test_look_at_straight_down_is_still_a_rotation() -> None:
    pose = look_at(torch.tensor([[0.0, 0.0, 2.0]]), torch.zeros(1, 3), torch.tensor([0.0, 0, 1]))
    rotation = pose[0, :, :3]
    assert torch.allclose(rotation.T @ rotation, torch.eye(3), atol=1e-6)
    assert float(torch.linalg.det(rotation)) == pytest.approx(1)


def test_meeting_point_of_axes_that_meet() -> None:
    target = torch.tensor([[0.5, -0.2, 0.3]], dtype=torch.float64)
    positions = torch.randn(8, 3, dtype=torch.float64)
    cameras = _cameras_at(look_at(positions, target, torch.tensor([0.0, 0.0, 1.0])))
    point, in_front = meeting_point(cameras)
    assert torch.allclose(point, target[0])
    assert in_front == 1.0


def test_meeting_point_of_parallel_axes_is_finite() -> None:
    poses = torch.eye(3, 4, dtype=torch.float64).repeat(4, 1, 1)
    poses[:, 0, 3] = torch.arange(4)
    point, _ = meeting_point(_cameras_at(poses))
    assert point.isfinite().all()
    assert float(point[0]) == pytest.approx(1.5)


def _cameras_at(poses: torch.Tensor) -> Cameras:
    n = len(poses)
    return Cameras(
        poses,
        torch.tensor([[50.0, 50.0, 32.0, 32.0]]).repeat(n, 1),
        torch.zeros(n, 0),
        torch.zeros(n),
        torch.tensor([[64, 64]]).repeat(n, 1),
    )
