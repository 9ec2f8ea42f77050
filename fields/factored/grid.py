"""The one composition that all factored grids are: factors x projections x reduction.

Letters: n points, d coordinates, c features, F features of a part, t rotations, p parameters.
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
from polyfield.fields.factored import penalties
from polyfield.fields.factored.layout import Factor, Layout, Place
from polyfield.fields.resampling import Box, spread
from polyfield.fields.rising import Rising
from polyfield.fields.rotations import Rotations
from polyfield.kernels.encode import EncoderKernels

Initial = Callable[[tuple[int, int], Factor, torch.Generator | None], Tensor]


class FactoredGrid(Backbone):
    """Features that are products and sums of lattices over some of the coordinates.

    Args:
        layout: by the share of the full resolution along each coordinate; only counts may depend
            on it.
        in_dim: coordinates.
        initial: what a factor holds at first, of the shape [vertices, w] that it is told.
        rotations: the frames that parts see points in, if any.
        coarse: share of the full resolution to begin with.
        upsample: shares of the training at which resolution rises, evenly in its logarithm.
        tv, l1, sparsity, ortho: weights of the penalties, see `penalties`.
        l1_first, l1_until: another weight in the place of `l1`, and the share of the training until
            which it is that.
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
        layout: Callable[[Sequence[float]], Layout],
        in_dim: int,
        initial: Initial,
        *,
        rotations: Rotations | None = None,
        coarse: float = 1.0,
        upsample: Sequence[float] = (),
        tv: float = 0.0,
        l1: float = 0.0,
        l1_first: float = 0.0,
        l1_until: float = 0.0,
        sparsity: float = 0.0,
        time_smooth: float = 0.0,
        still: float = 0.0,
        ortho: float = 0.0,
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
        self._extent = [1.0] * in_dim  # edges of what is covered, of what was at first
        made = layout([self._rising.share] * in_dim)
        super().__init__(in_dim=in_dim, out_dim=len(made.frame_of) * made.features)
        for place in made.places:
            if any(not 0 <= axis < in_dim for axis in place.factor.axes):
                raise InputError(
                    field="field", found=f"axes {place.factor.axes}", expected=f"below {in_dim}"
                )
        self.layout, self.density_parts = made, density_parts
        self.weights = {"tv": tv, "l1": l1, "sparsity": sparsity, "ortho": ortho}
        self.weights.update(time_smooth=time_smooth, still=still)
        self._l1 = (l1_first, l1_until, l1)
        if not 0 <= l1_until <= 1:
            raise InputError(field="field.l1_until", found=l1_until, expected="0 to 1")
        for name, weight in {**self.weights, "l1_first": l1_first}.items():
            if weight < 0:
                raise InputError(field=f"field.{name}", found=weight, expected="0 or more")
            if weight and name in ("time_smooth", "still") and in_dim < 4:
                expected = "0, or data with times"
                raise InputError(field=f"field.{name}", found=weight, expected=expected)
        self._weigh(progress=0.0)
        values = [
            initial((place.factor.vertices, place.width), place.factor, generator).reshape(-1)
            for place in made.places
        ]
        self.table = nn.Parameter(torch.cat(values).float())
        if ortho and not penalties.modes(
            penalties.views(made.places, self.table), made, density_parts or 0
        ):
            raise InputError(
                field="field.ortho", found=ortho, expected="0, where no two lines are of one mode"
            )
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
        self._weigh(progress)
        if self.rotations is not None:
            self.rotations.fold()
            rate, _, end = self._rotation_rate
            # A gradient that nothing follows costs as much as one that something does.
            self.rotations.delta.requires_grad_(rate > 0 and progress < end)
        if not self._rising.rises(progress):
            return []
        return [self._laid_out_anew()]

    def _weigh(self, progress: float) -> None:
        first, until, rest = self._l1
        self.weights["l1"] = first if progress < until else rest

    @property
    def cells(self) -> Sequence[int]:
        finest = [2] * self.in_dim
        for place in self.layout.places:
            for axis, count in zip(place.factor.axes, place.factor.counts):
                finest[axis] = max(finest[axis], count)
        return [count - 1 for count in finest]

    @property
    def croppable(self) -> bool:  # type: ignore[override]
        """Not in turned frames: a box along the axes is none there."""
        return self.rotations is None

    def crop(self, box: Box) -> list[Replacement]:
        if not self.croppable:
            raise InputError(
                field="field.transforms", found=self.frames.shape[0], expected="0, to be cropped"
            )
        self._extent = [
            edge * (upper - lower) for edge, lower, upper in zip(self._extent, *box, strict=True)
        ]
        return [self._laid_out_anew(box)]

    def _laid_out_anew(self, box: Box | None = None) -> Replacement:
        """Take the resolution that is due, over a part of what was covered.

        Args:
            box: the part, in the unit cube; all of it by default.
        """
        old = self.layout
        new = self._layout([self._rising.share * times for times in spread(self._extent)])
        before = self.table

        def carry(values: Tensor) -> Tensor:
            return old.resized(values, new, box).contiguous()

        with torch.no_grad():
            self.table = nn.Parameter(carry(before))
        self.layout = new
        self.kernels = self._kernels()
        return Replacement(before, self.table, carry)

    def regularization(self) -> Tensor:
        """The weighted penalties."""
        if not any(self.weights.values()):
            return torch.zeros((), dtype=self.table.dtype)
        # The density's factors come first: where they alone are penalised, nothing else is read.
        own = self.density_parts or len(self.layout.frame_of)
        all_of_it = any(weight for name, weight in self.weights.items() if name != "l1")
        places = [p for p in self.layout.places if all_of_it or p.part < own]
        end = places[-1].first + places[-1].numbers
        return penalties.penalty(self.table, end, lambda held: self._weighted(places, held, own))

    def _weighted(self, places: Sequence[Place], held: Tensor, own: int) -> Tensor:
        """The sum of the penalties.

        Args:
            places: the first of the layout's; held: the numbers of the table that they are.
            own: how many parts are the density's.
        """
        factors = penalties.views(places, held)
        measures: dict[str, Callable[[], Tensor]] = {
            "tv": lambda: penalties.total_variation(factors),
            "l1": lambda: penalties.magnitude([f for f in factors if f[0].part < own]),
            "sparsity": lambda: penalties.group_sparsity(factors),
            "ortho": lambda: penalties.parallelism(
                penalties.modes(factors, self.layout, self.density_parts or 0)
            ),
            "time_smooth": lambda: penalties.time_roughness(factors),
            "still": lambda: penalties.motion(factors),
        }
        terms = [weight * measures[name]() for name, weight in self.weights.items() if weight]
        return torch.stack(terms).sum()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The grid, and the rotations with a rate of their own."""
        # A penalty moves entries that no point has met.
        met = not any((*self.weights.values(), *self._l1))
        groups: list[dict[str, Any]] = [
            {"params": [self.table], "name": "grid", "lr_scale": 1.0, "sparse": met, "kept": True}
        ]
        rate, hold, end = self._rotation_rate
        if self.rotations is not None and rate > 0:
            group = {"params": [self.rotations.delta], "name": "rotations", "sparse": False}
            groups.append({**group, "lr_scale": rate, "hold": hold, "end": end})
        return groups
