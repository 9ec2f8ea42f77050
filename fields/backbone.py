"""What every way of storing a scene has in common: points in the unit cube in, features out.

Letters: n points, d coordinates, c features.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.kernels.choice import plain
from polyfield.kernels.encode import EncoderKernels


class Backbone(nn.Module):
    """Points in the unit cube -> features.

    A backbone with block functions sets `kernels` and `params` and runs fused; one without
    overrides `forward` and runs through autograd alone.

    Args:
        in_dim: coordinates of a point, d.
        out_dim: features, c.
    """

    kernels: EncoderKernels | None = None
    density_parts: int | None = None  # parts whose features the density needs; None: all of them

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        if not 1 <= in_dim <= 4:
            raise InputError(field="field.in_dim", found=in_dim, expected="1 to 4")
        self.in_dim, self.out_dim = in_dim, out_dim

    @property
    def params(self) -> Tensor:
        """The one flat vector that the block functions read, [p]."""
        return torch.empty(0)

    def reference(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        """The plain torch twin: the definition of right, differentiable to second order."""
        raise TypeError(f"{type(self).__name__} has no reference twin")

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        """Features of points in [0, 1]^d, by the fastest twin that serves the device."""
        if self.kernels is None or plain(x):
            return self.reference(x)
        return self.kernels(x, self.params)

    def regularization(self) -> Tensor:
        """A penalty on the parameters, a scalar; none by default."""
        return torch.zeros(())

    def grow(self, step: int, progress: float) -> bool:
        """Change resolution or open levels; True when parameters were replaced."""
        return False

    def parameter_groups(self) -> list[dict]:
        """Groups for the optimiser: grids move only where a gradient arrives."""
        params = list(self.parameters())
        return (
            [{"params": params, "name": "grid", "lr_scale": 1.0, "sparse": True}] if params else []
        )
