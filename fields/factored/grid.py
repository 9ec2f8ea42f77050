"""The one composition that all factored grids are: factors x projections x reduction.

Letters: n points, d coordinates, c features, F features of a part, t rotations, p parameters.

Penalties are those of the papers, in `penalties`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields.backbone import Backbone, Replacement
from polyfield.fields.factored.layout import Factor, Layout
from polyfield.fields.factored.penalties import motion, time_roughness, total_variation
from polyfield.fields.rising import Rising
from polyfield.fields.rotations import Rotations
from polyfield.kernels.encode import EncoderKernels

TINY = 1e-12  # keeps the slope of a root finite

Initial = Callable[[tuple[int, int], Factor, torch.Generator | None], Tensor]


class FactoredGrid(Backbone):
    """Features that are products and sums of lattices over some of the coordinates.

    Args:
        layout: by the share of the full resolution, in (0, 1]; only counts may depend on it.
        in_dim: coordinates.
        initial: what a factor holds at first, of the shape [vertices, w] that it is told.
        rotations: the frames that parts see points in, if any.
        coarse: share of the full resolution to begin with.
        upsample: shares of the training at which resolution rises, evenly in its logarithm.
        tv, l1, sparsity: weights of the penalties.
        time_smooth, still: weights of the penalties of factors that hold time, for fields of four
            coordinates, the last of which is time.
        density_parts: parts that alone the density needs, where it is their sum.
        rotation_lr: learning rate of the rotations relative to the optimiser's; 0: they are fixed.
        rotation_hold, rotation_end: shares of the training until which they learn at that rate, and
            after which they are fixed.
        generator: source of the initial values.
    """

    def __init__(
        self,
        layout: Callable[[float], Layout],
        in_dim: int,
        initial: Initial,
        *,
        rotations: Rotations | None = None,
        coarse: float = 1.0,
        upsample: Sequence[float] = (),
        tv: float = 0.0,
        l1: float = 0.0,
        sparsity: float = 0.0,
        time_smooth: float = 0.0,
        still: float = 0.0,
        density_parts: int | None = None,
        rotation_lr: float = 0.5,
        rotation_hold: float = 0.2,
        rotation_end: float = 0.5,
        generator: torch.Generator | None = None,
    ) -> None:
        if not 0 <= rotation_hold <= rotation_end <= 1:
            found = [rotation_hold, rotation_end]
            raise InputError(
                field="field.rotation_end", found=found, expected="0 <= hold <= end <= 1"
            )
        self._layout, self._rising = layout, Rising(coarse, upsample)
        made = layout(self._rising.share)
        super().__init__(in_dim=in_dim, out_dim=len(made.frame_of) * made.features)
        for place in made.places:
            if any(not 0 <= axis < in_dim for axis in place.factor.axes):
                raise InputError(
                    field="field", found=f"axes {place.factor.axes}", expected=f"below {in_dim}"
                )
        self.layout, self.density_parts = made, density_parts
        self.weights = {"tv": tv, "l1": l1, "sparsity": sparsity}
        self.weights.update(time_smooth=time_smooth, still=still)
        for name, weight in self.weights.items():
            if weight < 0:
                raise InputError(field=f"field.{name}", found=weight, expected="0 or more")
            if weight and name in ("time_smooth", "still") and in_dim < 4:
                expected = "0, or data with times"
                raise InputError(field=f"field.{name}", found=weight, expected=expected)
        values = [
            initial((place.factor.vertices, place.width), place.factor, generator).reshape(-1)
            for place in made.places
        ]
        self.table = nn.Parameter(torch.cat(values).float())
        self.rotations = rotations
        self._rotation_rate = (rotation_lr, rotation_hold, rotation_end)
        if rotations is not None and rotation_lr == 0:
            rotations.delta.requires_grad_(False)
        self.kernels = self._kernels()

    def _kernels(self) -> EncoderKernels:
        layout = self.layout
        return EncoderKernels(
            layout.blocks,
            layout.ints,
            layout.floats,
            len(layout.frame_of),
            self.out_dim,
            self.in_dim,
            None if self.rotations is None else np.array(layout.frame_of),
            n_params=layout.numbers,
        )

    @property
    def summed(self) -> int:
        """How many of the first features add up to the density; 0: none are its own."""
        return (self.density_parts or 0) * self.layout.features

    @property
    def params(self) -> nn.Parameter:
        return self.table

    @property
    def frames(self) -> Float[Tensor, "t d d"]:
        if self.rotations is None:
            return self.table.new_zeros(0, self.in_dim, self.in_dim)
        return self.rotations.frames().to(self.table.dtype)

    def reference(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        assert self.kernels is not None
        return self.layout.reference(x, self.table, self.frames, self.kernels)

    def grow(self, step: int, progress: float) -> list[Replacement]:
        """Fold what the rotations have learned; raise the resolution when due."""
        if self.rotations is not None:
            self.rotations.fold()
            rate, _, end = self._rotation_rate
            # A gradient that nothing follows costs as much as one that something does.
            self.rotations.delta.requires_grad_(rate > 0 and progress < end)
        if not self._rising.rises(progress):
            return []
        old, new = self.layout, self._layout(self._rising.share)
        before = self.table
        with torch.no_grad():
            self.table = nn.Parameter(old.resized(before, new).contiguous())
        self.layout = new
        self.kernels = self._kernels()

        def carry(moment: Tensor) -> Tensor:
            return old.resized(moment, new).contiguous()

        return [Replacement(before, self.table, carry)]

    def regularization(self) -> Tensor:
        """The weighted penalties."""
        total = torch.zeros((), dtype=self.table.dtype)
        if not any(self.weights.values()):
            return total
        views = [(place, place.view(self.table)) for place in self.layout.places]
        if self.weights["tv"]:
            total = total + self.weights["tv"] * total_variation(views)
        if self.weights["l1"]:
            parts = self.density_parts or len(self.layout.frame_of)
            own = [values for place, values in views if place.part < parts]
            magnitude = torch.stack([values.abs().mean() for values in own]).mean()
            total = total + self.weights["l1"] * magnitude
        if self.weights["sparsity"]:
            sizes = torch.stack([(values.square().mean() + TINY).sqrt() for _, values in views])
            total = total + self.weights["sparsity"] * sizes.mean()
        if self.weights["time_smooth"]:
            total = total + self.weights["time_smooth"] * time_roughness(views)
        if self.weights["still"]:
            total = total + self.weights["still"] * motion(views)
        return total

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The grid, and the rotations with a rate of their own."""
        # A penalty moves entries that no point has met.
        met = not any(self.weights.values())
        groups: list[dict[str, Any]] = [
            {"params": [self.table], "name": "grid", "lr_scale": 1.0, "sparse": met}
        ]
        rate, hold, end = self._rotation_rate
        if self.rotations is not None and rate > 0:
            group = {"params": [self.rotations.delta], "name": "rotations", "sparse": False}
            groups.append({**group, "lr_scale": rate, "hold": hold, "end": end})
        return groups
