"""The multiresolution hash grid of instant-ngp (Mueller et al. 2022).

Letters: l levels, F features a level, T entries a hashed level at most, d dimensions. Level l has
scale s_l = base * b^l - 1 with growth b = (finest / base)^(1 / (l - 1)) and vertices where
x * s_l + 0.5 is whole: V_l = floor(s_l + 0.5) + 2 an axis, so that x = 1 lies in a cell (the paper
counts R_l = ceil(s_l) + 1 and lets its hash wrap). It is dense where V_l^d <= T, else hashed.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields.backbone import Backbone
from polyfield.kernels.encode import EncoderKernels
from polyfield.kernels.grid import grid_blocks
from polyfield.kernels.grid_reference import grid_reference


class HashGrid(Backbone):
    """Features interpolated in hashed lattices of growing resolution.

    Args:
        levels: number of resolutions.
        features: features a level.
        log2_entries: binary logarithm of the entries of a hashed level.
        base_resolution: R_1, of the coarsest level.
        max_resolution: R_l, of the finest level.
        time_resolution: of all levels along the fourth coordinate, where it is coarser than theirs;
            None: as along the others.
        in_dim: coordinates, 1 to 4.
        generator: source of the initial values, uniform in +-1e-4.

    Source: instant-ngp, section 3 and its public configuration.
    """

    def __init__(
        self,
        levels: int = 8,
        features: int = 4,
        log2_entries: int = 17,
        base_resolution: int = 16,
        max_resolution: int = 512,
        time_resolution: int | None = None,
        in_dim: int = 3,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(in_dim=in_dim, out_dim=levels * features)
        limits = {
            "levels": (levels, 1, 64),
            "features": (features, 1, 32),
            "log2_entries": (log2_entries, 3, 28),
            "in_dim": (in_dim, 1, 4),
            "base_resolution": (base_resolution, 2, 1 << 16),
            "max_resolution": (max_resolution, base_resolution, 1 << 20),
        }
        if time_resolution is not None:
            limits["time_resolution"] = (time_resolution, 2, 1 << 20)
        for name, (value, low, high) in limits.items():
            if not low <= value <= high:
                raise InputError(field=f"field.{name}", found=value, expected=f"{low} to {high}")
        growth = math.exp(math.log(max_resolution / base_resolution) / max(levels - 1, 1))
        ints, floats, first_row = [levels], [], 0
        self.resolutions: list[int] = []
        for level in range(levels):
            scale = base_resolution * growth**level - 1.0
            scales = [scale] * in_dim
            if time_resolution is not None:
                scales[3:] = [min(scale, time_resolution - 1.0)] * (in_dim - 3)
            vertices = [math.floor(s + 0.5) + 2 for s in scales]
            entries, cells = 1 << log2_entries, math.prod(vertices)
            hashed = cells > entries
            size = entries if hashed else -(-cells // 8) * 8
            ints += [int(hashed), size, first_row, level * features, *vertices]
            floats += [*scales, 0.5]
            first_row += size
            self.resolutions.append(math.ceil(round(scale, 6)) + 1)
        if first_row >= 1 << 32:
            raise InputError(
                field="field.log2_entries", found=f"{first_row} rows", expected="fewer than 2^32"
            )
        table = torch.empty(first_row * features).uniform_(-1e-4, 1e-4, generator=generator)
        self.table = nn.Parameter(table)
        self.features = features
        self.kernels = EncoderKernels(
            grid_blocks(in_dim, features),
            np.array(ints),
            np.array(floats),
            levels,
            self.out_dim,
            in_dim,
            n_params=len(table),
        )

    @property
    def params(self) -> nn.Parameter:
        return self.table

    def reference(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        assert self.kernels is not None
        return grid_reference(x, self.table, self.kernels, self.features)
