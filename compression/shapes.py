"""Rotation and scales of a Gaussian as one symmetric matrix, which a network can learn.

    M = R diag(log scales) R^T,  packed as xx, yy, zz, xy, xz, yz, the last three times sqrt(2)

so that squared differences of the six numbers are those of matrices. Quaternions are no function of
place: q and -q turn alike, and axes may change places along with their scales. M is the same for
all of these, and neighbours that look alike have neighbouring M. Letters: n Gaussians.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.cameras.poses import quaternion_from_rotation, rotation_from_quaternion

ROWS, COLUMNS = (0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)
EQUAL = 1e-3  # difference of log-scales below which a turn between two axes is nearly none


def pack_shapes(quats: Float[Tensor, "n 4"], log_scales: Float[Tensor, "n 3"]) -> Tensor:
    """[n,6] of rotations (of any length but 0) and log-scales."""
    turn = rotation_from_quaternion(quats)
    return _packed(turn @ (log_scales[:, :, None] * turn.mT))


def unpack_shapes(packed: Float[Tensor, "n 6"]) -> tuple[Tensor, Tensor]:
    """Unit quaternions [n,4] and log-scales [n,3], ascending; differentiable, once.

    Which of several quaternions that draw the same comes out is open.
    """
    return _Unpack.apply(packed)


def _packed(matrices: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n 6"]:
    weights = matrices.new_tensor([1, 1, 1, math.sqrt(2), math.sqrt(2), math.sqrt(2)])
    return matrices[:, ROWS, COLUMNS] * weights


def _eigen(packed: Float[Tensor, "n 6"]) -> tuple[Tensor, Tensor]:
    """Log-scales and right-handed axes, as columns."""
    weights = packed.new_tensor([1, 1, 1, math.sqrt(0.5), math.sqrt(0.5), math.sqrt(0.5)])
    matrices = packed.new_empty(len(packed), 3, 3)
    matrices[:, ROWS, COLUMNS] = packed * weights
    matrices[:, COLUMNS, ROWS] = packed * weights
    values, axes = torch.linalg.eigh(matrices)
    return values, axes * torch.linalg.det(axes).sign()[:, None, None]


class _Unpack(torch.autograd.Function):
    """The eigenvalues and eigenvectors as an operation of autograd that equal ones do not break.

    A turn by w about the own axes changes M in its own frame by [w] S - S [w], S = diag(log
    scales): the gradient in M between axes i and j is that of the turn over s_j - s_i. Where the
    two are equal, the turn changes nothing that is drawn: 0 over 0, and 0 is what is said.
    """

    @staticmethod
    def forward(ctx: Any, packed: Tensor) -> tuple[Tensor, Tensor]:
        log_scales, axes = _eigen(packed)
        quats = quaternion_from_rotation(axes)
        ctx.save_for_backward(quats, log_scales, axes)
        return quats, log_scales

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_quats: Tensor, of_scales: Tensor) -> Tensor:
        quats, s, axes = ctx.saved_tensors
        w, x, y, z = quats.unbind(dim=1)
        turned = torch.stack([-x, w, z, -y, -y, -z, w, x, -z, y, -x, w], dim=1).view(-1, 3, 4)
        about_x, about_y, about_z = (0.5 * turned @ of_quats[:, :, None])[:, :, 0].unbind(dim=1)
        own = torch.diag_embed(of_scales)
        for i, j, of_turn in ((0, 1, -about_z), (0, 2, about_y), (1, 2, -about_x)):
            apart = s[:, j] - s[:, i]
            own[:, i, j] = own[:, j, i] = 0.5 * of_turn * apart / (apart * apart + EQUAL**2)
        return _packed(axes @ own @ axes.mT)
