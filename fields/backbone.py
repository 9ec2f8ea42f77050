"""What every way of storing a scene has in common: points in the unit cube in, features out.

Letters: n points, d coordinates, c features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields.resampling import Box
from polyfield.kernels.choice import plain
from polyfield.kernels.encode import EncoderKernels


class Replacement(NamedTuple):
    """A parameter that took another's place.

    Args:
        old, new: the two.
        carry: what the optimiser remembers of the old one, as of the new one.
    """

    old: nn.Parameter
    new: nn.Parameter
    carry: Callable[[Tensor], Tensor]


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
    head: Sequence[int] | None = None  # hidden layers of the signal decoder that suits; None: usual
    separable = False  # whether `on_grid` is there, and far quicker than points
    croppable = False  # whether `crop` works

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        if not 1 <= in_dim <= 4:
            raise InputError(field="field.in_dim", found=in_dim, expected="1 to 4")
        self.in_dim, self.out_dim = in_dim, out_dim

    @property
    def params(self) -> Tensor:
        """The one flat vector that the block functions read, [p]."""
        return torch.empty(0)

    @property
    def frames(self) -> Float[Tensor, "t d d"]:
        """Matrices by which its parts see points turned (`kernels.frames`); none by default."""
        return self.params.new_zeros(0, self.in_dim, self.in_dim)

    def reference(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        """The plain torch twin: the definition of right, differentiable to second order."""
        raise TypeError(f"{type(self).__name__} has no reference twin")

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        """Features of points in [0, 1]^d, by the fastest twin that serves the device."""
        if self.kernels is None or plain(x):
            return self.reference(x)
        return self.kernels(x, self.params, self.frames)

    def on_grid(
        self, axes: Sequence[Float[Tensor, " n"]], mix: Float[Tensor, "c k"]
    ) -> Float[Tensor, "*n k"]:
        """A linear map of the features at all combinations of coordinates, where `separable`.

        Args:
            axes: coordinates in [0, 1] along each axis.
            mix: the map.
        """
        raise TypeError(f"{type(self).__name__} is not separable")

    def regularization(self) -> Tensor:
        """A penalty on the parameters, a scalar; none by default."""
        return torch.zeros(())

    def grow(self, step: int, progress: float) -> list[Replacement]:
        """Change resolution or open levels; called before every step. What was replaced."""
        return []

    def take_structure(self, tensors: Mapping[str, Tensor]) -> None:
        """Make room for saved tensors of this backbone whose shapes follow from no setting.

        Called before `grow` and the tensors themselves come back; nothing to do by default.
        """

    def crop(self, box: Box) -> list[Replacement]:
        """Spend all vertices on a part of the unit cube, which becomes the whole of it.

        Args:
            box: the part, within [0, 1]^d.

        Returns:
            What was replaced. Only lattices along the axes can do this: see `croppable`.
        """
        raise InputError(
            field="field",
            found=type(self).__name__,
            expected="a lattice along the axes, where it is to be cropped",
        )

    @property
    def cells(self) -> Sequence[int] | None:
        """How many cells its finest lattice has along each coordinate; None where it has none."""
        return None

    def parameter_groups(self) -> list[dict]:
        """Groups for the optimiser: grids move only where a gradient arrives."""
        params = list(self.parameters())
        return (
            [{"params": params, "name": "grid", "lr_scale": 1.0, "sparse": True}] if params else []
        )
