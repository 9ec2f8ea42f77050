"""A dense voxel grid of features, as in DVGO (Sun et al. 2022) and Plenoxels (Fridovich-Keil 2022).

Letters: R vertices an axis, c channels, d dimensions, g channels a group. Vertices span the unit
cube corner to corner; the density is activated after interpolation, which keeps edges sharp
(DVGO, section 4.2). Channels are stored in groups of g, each a lattice of its own, so that density
is read without touching colour and groups are differentiated in parallel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields.backbone import Backbone, Replacement
from polyfield.fields.resampling import Box, resampled, spread
from polyfield.kernels.encode import EncoderKernels
from polyfield.kernels.grid import grid_blocks
from polyfield.kernels.grid_reference import grid_reference

GROUP = 4
LEAST = 2  # vertices an axis


class DenseGrid(Backbone):
    """Channels interpolated in one dense lattice.

    Args:
        resolution: R for all axes, or one number an axis.
        channels: c, a multiple of 4; with a decoder that has no trunk the first is the density.
        time_resolution: vertices along the fourth coordinate, where `resolution` is one number.
        in_dim: coordinates, 1 to 4.
        initial: standard deviation of the initial values.
        generator: source of the initial values.
    """

    density_parts = 1
    croppable = True

    def __init__(
        self,
        resolution: int | Sequence[int] = 96,
        channels: int = 12,
        time_resolution: int | None = None,
        in_dim: int = 3,
        initial: float = 1e-2,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(in_dim=in_dim, out_dim=channels)
        counts = [resolution] if isinstance(resolution, int) else list(resolution)
        if len(counts) == 1:
            counts = counts * in_dim
            if time_resolution is not None:
                counts[3:] = [time_resolution] * (in_dim - 3)
        if len(counts) != in_dim or any(not 2 <= n <= 1024 for n in counts):
            raise InputError(
                field="field.resolution", found=resolution, expected=f"{in_dim} numbers, 2 to 1024"
            )
        if channels < GROUP or channels % GROUP:
            raise InputError(
                field="field.channels", found=channels, expected=f"a multiple of {GROUP}"
            )
        groups, rows = channels // GROUP, int(np.prod(counts))
        if groups * rows >= 1 << 32:
            raise InputError(
                field="field.resolution", found=f"{groups * rows} rows", expected="fewer than 2^32"
            )
        self.counts, self._first_counts = counts, list(counts)
        self._extent = [1.0] * in_dim  # edges of what is covered, of what was at first
        self.grid = nn.Parameter(
            torch.empty(groups * rows * GROUP).normal_(0, initial, generator=generator)
        )
        self.kernels = self._kernels()

    def _kernels(self) -> EncoderKernels:
        groups, rows = self.out_dim // GROUP, int(np.prod(self.counts))
        ints: list[int] = [groups]
        floats: list[float] = []
        for group in range(groups):
            ints += [0, rows, group * rows, group * GROUP, *self.counts]
            floats += [*(n - 1.0 for n in self.counts), 0.0]
        return EncoderKernels(
            grid_blocks(self.in_dim, GROUP),
            np.array(ints),
            np.array(floats),
            groups,
            self.out_dim,
            self.in_dim,
            n_params=len(self.grid),
        )

    @property
    def params(self) -> nn.Parameter:
        return self.grid

    @property
    def cells(self) -> Sequence[int]:
        return [count - 1 for count in self.counts]

    def reference(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        assert self.kernels is not None
        return grid_reference(x, self.grid, self.kernels, GROUP)

    def crop(self, box: Box) -> list[Replacement]:
        self._extent = [
            edge * (upper - lower) for edge, lower, upper in zip(self._extent, *box, strict=True)
        ]
        old = self.counts
        times = spread(self._extent)
        new = [max(round(n * t), LEAST) for n, t in zip(self._first_counts, times)]
        within = (list(box[0])[::-1], list(box[1])[::-1])

        def carry(values: Tensor) -> Tensor:
            lattices = values.view(-1, *old[::-1], GROUP)
            pieces = [resampled(lattice, new[::-1], within) for lattice in lattices]
            return torch.cat([piece.reshape(-1) for piece in pieces])

        before, self.counts = self.grid, new
        with torch.no_grad():
            self.grid = nn.Parameter(carry(before))
        self.kernels = self._kernels()
        return [Replacement(before, self.grid, carry)]
