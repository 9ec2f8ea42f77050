"""What a network says of a Gaussian beside its place, as columns of a table.

    opacity logit | shape, 6 (`shapes`) | constant harmonic, 3 | other harmonics, 3 k

Letters: n Gaussians, k harmonics beyond the first, a = 10 + 3 k columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.compression.shapes import pack_shapes, unpack_shapes
from polyfield.splats.splats import HARMONICS, Splats

OPACITY_LOGITS = (-5.6, 7.0)  # what is beyond is drawn as these: not at all, and as 0.999
FLATTEST = 4.6  # logarithm of the longest over the shortest scale: a disk is flat enough at 100
WIDTHS = (1, 6, 3)  # of the first three groups
SMALLEST = 1e-6  # size of a group in which all are the same


def count(degree: int) -> int:
    """a."""
    return 10 + 3 * HARMONICS[degree]


def table_of(splats: Splats) -> Float[Tensor, "n a"]:
    """The columns of Gaussians; extremes that draw no differently are cut."""
    n = len(splats)
    scales = torch.from_numpy(splats.log_scales)
    scales = torch.maximum(scales, scales.max(dim=1, keepdim=True).values - FLATTEST)
    return torch.cat(
        [
            torch.from_numpy(splats.opacity_logits).clamp(*OPACITY_LOGITS)[:, None],
            pack_shapes(torch.from_numpy(splats.quats), scales),
            torch.from_numpy(splats.sh_dc),
            torch.from_numpy(splats.sh_rest).reshape(n, -1),
        ],
        dim=1,
    )


def gaussians_of(table: Float[Tensor, "n a"]) -> dict[str, Tensor]:
    """The parameters of Gaussians, by name, without `means`; differentiable, once."""
    quats, log_scales = unpack_shapes(table[:, 1:7])
    return {
        "quats": quats,
        "log_scales": log_scales,
        "opacity_logits": table[:, 0].contiguous(),
        "sh_dc": table[:, 7:10].contiguous(),
        "sh_rest": table[:, 10:].reshape(len(table), -1, 3),
    }


@dataclass(frozen=True)
class Normalisation:
    """What makes groups of columns comparable: each counts as much as any other.

    Attributes:
        mean: [a] of each column.
        size: [a] root of the mean squared distance from it, one for all columns of a group, which
            so keep their proportions.
    """

    mean: Float[Tensor, " a"]
    size: Float[Tensor, " a"]

    def apply(self, table: Float[Tensor, "n a"]) -> Float[Tensor, "n a"]:
        """Columns about 0, groups of size 1."""
        return (table - self.mean) / self.size


def normalisation_of(table: Float[Tensor, "n a"]) -> Normalisation:
    """Means and sizes of a table's groups."""
    mean = table.mean(dim=0)
    groups = (table - mean).split([*WIDTHS, table.shape[1] - sum(WIDTHS)], dim=1)
    sizes = [group.square().sum(dim=1).mean().sqrt().clamp(min=SMALLEST) for group in groups]
    return Normalisation(mean, torch.cat([s.expand(g.shape[1]) for s, g in zip(sizes, groups)]))
