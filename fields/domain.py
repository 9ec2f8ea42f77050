"""The region of world space that a field covers, mapped to the unit cube of its backbone."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields.resampling import Box
from polyfield.kernels import domain as kernel

KINDS = {
    "box": kernel.BOX,
    "contract_l2": kernel.CONTRACT_L2,
    "contract_linf": kernel.CONTRACT_LINF,
}
Kind = Literal["box", "contract_l2", "contract_linf"]


class Domain(nn.Module):
    """A box, or all of space contracted around it (mip-NeRF 360, eq. 10).

    Args:
        bounds: [2, 3] lower and upper corner, world units. Under a contraction this box fills the
            middle half of the cube an axis and everything outside it the rest.
        kind: "box", "contract_l2" (round, for networks) or "contract_linf" (for grids).
    """

    bounds: Tensor

    def __init__(self, bounds: Float[Tensor, "2 3"], kind: Kind = "box") -> None:
        super().__init__()
        if kind not in KINDS:
            raise InputError(field="domain.kind", found=kind, expected=" or ".join(KINDS))
        bounds = torch.as_tensor(bounds, dtype=torch.float32)
        sizes = bounds[1] - bounds[0] if bounds.shape == (2, 3) else bounds.new_zeros(3)
        if not bool(((sizes > 0) & sizes.isfinite()).all()):
            raise InputError(
                field="domain.bounds",
                found=bounds.tolist(),
                expected="[lower, upper] corners, finite, lower below upper on every axis",
            )
        self.kind = kind
        self.register_buffer("bounds", bounds)

    @property
    def code(self) -> int:
        """The kernels' number for the kind."""
        return KINDS[self.kind]

    @torch.no_grad()
    def crop(self, box: Box) -> None:
        """Cover a part only, which becomes the whole unit cube.

        Args:
            box: the part of the unit cube; of a box, as a contraction has no outside to leave out.
        """
        if self.kind != "box":
            raise InputError(field="domain.kind", found=self.kind, expected="box, to be cropped")
        corners = torch.tensor([list(corner) for corner in box], dtype=torch.float64)
        lower, upper = self.bounds.double()
        self.bounds.copy_(lower + corners * (upper - lower))

    def to_unit(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """World points in the unit cube; under a box, points outside leave it."""
        lower, upper = self.bounds[0].to(x.dtype), self.bounds[1].to(x.dtype)
        u = (x - lower) / (upper - lower)
        if self.kind == "box":
            return u
        u = 2 * u - 1
        order = 2.0 if self.kind == "contract_l2" else float("inf")
        norm = torch.linalg.vector_norm(u, ord=order, dim=-1, keepdim=True)
        safe = norm.clamp(min=1.0)
        return 0.25 * torch.where(norm > 1, (2 - 1 / safe) / safe, torch.ones_like(norm)) * u + 0.5

    def to_world(self, u: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """The inverse of `to_unit` inside the open unit cube."""
        lower, upper = self.bounds[0].to(u.dtype), self.bounds[1].to(u.dtype)
        if self.kind != "box":
            y = 4 * u - 2
            order = 2.0 if self.kind == "contract_l2" else float("inf")
            norm = torch.linalg.vector_norm(y, ord=order, dim=-1, keepdim=True)
            safe = norm.clamp(min=1.0, max=2 - 1e-6)
            y = torch.where(norm > 1, y / (safe * (2 - safe)), y)
            u = 0.5 * (y + 1)
        return lower + u * (upper - lower)
