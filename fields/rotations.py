"""Rotations that are learned on their manifold (TILTED, Yi et al. 2023, section 3.2).

Letters: t rotations, d dimensions, q = d (d - 1) / 2 numbers of a tangent.

A step is taken in the tangent space at the current rotation: what is forwarded is R Exp(delta) with
delta = 0, the optimiser moves delta, and `fold` takes R <- R Exp(delta), delta <- 0, so that its
moments live in one space all along and R stays a rotation.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.errors import InputError


def skew(tangents: Float[Tensor, "t q"], d: int) -> Float[Tensor, "t d d"]:
    """The antisymmetric matrices whose entries above the diagonal these are, row by row."""
    rows, columns = torch.triu_indices(d, d, offset=1)
    upper = tangents.new_zeros(len(tangents), d, d)
    upper[:, rows, columns] = tangents
    return upper - upper.transpose(1, 2)


def random_rotations(
    t: int, d: int, generator: torch.Generator | None = None
) -> Float[Tensor, "t d d"]:
    """Rotations of SO(d), uniform (Haar): QR of Gaussians, signs made unique (Mezzadri 2007)."""
    q, r = torch.linalg.qr(torch.randn(t, d, d, generator=generator, dtype=torch.float64))
    q = q * torch.diagonal(r, dim1=1, dim2=2).sign()[:, None, :]
    q[:, :, 0] *= torch.linalg.det(q)[:, None]
    return q.float()


class Rotations(nn.Module):
    """t rotations of SO(d), each learnable.

    Args:
        t: how many; d: dimensions, 2 or 3, of the first d of `in_dim` coordinates.
        in_dim: coordinates of a point; those beyond d are left alone.
        reach: how far the turned cube reaches in the lattices it is read from: 1 keeps its scale
            and clamps the corners that stick out, sqrt(d) takes all of it in.
        generator: source of the initial rotations, uniform over SO(d).
    """

    base: Tensor

    def __init__(
        self,
        t: int,
        in_dim: int,
        reach: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        d = min(in_dim, 3)
        if d < 2:
            raise InputError(field="field.transforms", found=t, expected="0: nothing turns in 1-D")
        if t < 1:
            raise InputError(field="field.transforms", found=t, expected="0 or more")
        if not 0.5 <= reach <= 4:
            raise InputError(field="field.reach", found=reach, expected="0.5 to 4")
        self.d, self.in_dim, self.reach = d, in_dim, reach
        self.register_buffer("base", random_rotations(t, d, generator))
        self.delta = nn.Parameter(torch.zeros(t, d * (d - 1) // 2))

    def matrices(self) -> Float[Tensor, "t d d"]:
        """The rotations."""
        return self.base @ torch.matrix_exp(skew(self.delta, self.d))

    def frames(self) -> Float[Tensor, "t n n"]:
        """The matrices that `kernels.frames` reads, n = in_dim."""
        turned = self.matrices() / self.reach
        if self.in_dim == self.d:
            return turned
        whole = turned.new_zeros(len(turned), self.in_dim, self.in_dim)
        for a in range(self.d, self.in_dim):
            whole[:, a, a] = 1
        whole[:, : self.d, : self.d] = turned
        return whole

    @torch.no_grad()
    def fold(self) -> None:
        """Move the base to where the tangents point, and start anew from there."""
        if not bool(self.delta.any()):
            return
        turned = self.matrices().double()
        # One step of Newton's iteration towards the nearest orthogonal matrix: no drift.
        gram = turned.transpose(1, 2) @ turned
        self.base.copy_(turned @ (1.5 * torch.eye(self.d, dtype=gram.dtype) - 0.5 * gram))
        self.delta.zero_()

    def averaged(self) -> dict[str, Tensor]:
        """What a mean of rotations replaces."""
        return {"base": self.base, "delta": self.delta}

    @torch.no_grad()
    def average_into(self, mean: Mapping[str, Tensor], share: float) -> None:
        """Move mean rotations by a share towards these: the nearest to the mean of matrices.

        Tangents at a base that moves have no mean: that of a step's would be of steps.
        """
        between = torch.lerp(mean["base"].double(), self.matrices().double(), share)
        u, _, v = torch.linalg.svd(between)
        u[:, :, -1] *= torch.linalg.det(u @ v).sign()[:, None]  # of the nearest, no reflection
        mean["base"].copy_(u @ v)
        mean["delta"].zero_()

    @torch.no_grad()
    def set(self, rotations: Float[Tensor, "t d d"]) -> None:
        """Take these rotations."""
        self.base.copy_(rotations)
        self.delta.zero_()
