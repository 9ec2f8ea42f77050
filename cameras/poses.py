"""Rotations, poses and the places that cameras look at.

Letters: q a quaternion (w, x, y, z); w an axis-angle vector, its length the angle in radians; R a
rotation matrix; n cameras. Leading dimensions are free. Torch functions are differentiable, also at
angle zero.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.cameras.cameras import Cameras
from polyfield.kernels.quaternions import rotation_from_quaternion

__all__ = [
    "look_at",
    "meeting_point",
    "quaternion_from_rotation",
    "rotation_from_axis_angle",
    "rotation_from_quaternion",
]

SMALL_SQUARE = 1e-4  # below this squared angle, series to its square are exact in float64


def rotation_from_axis_angle(w: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3 3"]:
    """The exponential of SO(3), by Rodrigues' formula: I + A [w] + B [w]^2."""
    square = (w * w).sum(dim=-1)
    is_small = square < SMALL_SQUARE
    angle = torch.where(is_small, torch.ones_like(square), square).sqrt()
    half_sine = torch.sin(0.5 * angle)
    a = torch.where(is_small, 1 - square / 6 + square**2 / 120, torch.sin(angle) / angle)
    # 2 sin^2(angle/2) is 1 - cos(angle) without the cancellation.
    b = torch.where(
        is_small, 0.5 - square / 24 + square**2 / 720, 2 * half_sine * half_sine / angle**2
    )
    cross = cross_matrix(w)
    identity = torch.eye(3, dtype=w.dtype, device=w.device)
    return identity + a[..., None, None] * cross + b[..., None, None] * (cross @ cross)


def cross_matrix(w: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3 3"]:
    """[w] with [w] v = w x v."""
    x, y, z = w.unbind(dim=-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))


def quaternion_from_rotation(rotation: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 4"]:
    """The unit quaternion of a rotation, with w >= 0.

    The matrix gives q q^T four times over; its row of largest diagonal is taken, so that nothing is
    divided by a small number.
    """
    r = rotation
    diagonal = torch.diagonal(r, dim1=-2, dim2=-1)
    xx, yy, zz = diagonal.unbind(dim=-1)
    wx, wy, wz = (
        r[..., 2, 1] - r[..., 1, 2],
        r[..., 0, 2] - r[..., 2, 0],
        r[..., 1, 0] - r[..., 0, 1],
    )
    xy, xz, yz = (
        r[..., 0, 1] + r[..., 1, 0],
        r[..., 0, 2] + r[..., 2, 0],
        r[..., 1, 2] + r[..., 2, 1],
    )
    outer = torch.stack(
        [
            *(1 + xx + yy + zz, wx, wy, wz),
            *(wx, 1 + xx - yy - zz, xy, xz),
            *(wy, xy, 1 - xx + yy - zz, yz),
            *(wz, xz, yz, 1 - xx - yy + zz),
        ],
        dim=-1,
    ).unflatten(-1, (4, 4))
    largest = torch.diagonal(outer, dim1=-2, dim2=-1).argmax(dim=-1)
    row = torch.take_along_dim(outer, largest[..., None, None], dim=-2).squeeze(-2)
    q = torch.nn.functional.normalize(row, dim=-1)
    return torch.where(q[..., :1] < 0, -q, q)


def look_at(
    positions: Float[Tensor, "n 3"], targets: Float[Tensor, "n 3"], up: Float[Tensor, "3"]
) -> Float[Tensor, "n 3 4"]:
    """world_from_camera of cameras that look at targets with the horizon level.

    Args:
        positions: world.
        targets: world; one may stand for all as [1,3].
        up: a direction in the world; where a camera looks along it, any roll is right.
    """
    normalize = torch.nn.functional.normalize
    forward = normalize(targets - positions, dim=-1)
    right = torch.linalg.cross(forward, up.to(forward).expand_as(forward))
    least = torch.nn.functional.one_hot(forward.abs().argmin(dim=-1), 3).to(forward)
    is_level = right.norm(dim=-1, keepdim=True) > 1e-6
    right = normalize(torch.where(is_level, right, torch.linalg.cross(forward, least)), dim=-1)
    down = torch.linalg.cross(forward, right)
    return torch.stack([right, down, forward, positions], dim=-1)


def meeting_point(cameras: Cameras) -> tuple[Float[Tensor, "3"], float]:
    """The point nearest to all optical axes, and the part of the cameras that have it in front."""
    p, d = cameras.positions, cameras.world_from_camera[:, :, 2]
    across = torch.eye(3, dtype=d.dtype) - d[:, :, None] * d[:, None, :]
    # Least squares, so that parallel axes give a point too.
    solution = torch.linalg.lstsq(
        across.sum(dim=0), (across @ p[:, :, None]).sum(dim=0), rcond=1e-9, driver="gelsd"
    )
    point = solution.solution[:, 0]
    in_front = ((point - p) * d).sum(dim=-1) > 0
    return point, float(in_front.double().mean())
