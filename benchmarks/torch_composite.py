"""Compositing in plain torch, written to be fast: what `kernels.packed` is measured against.

Letters: r rays, n samples, s the most samples of a ray. Samples are padded to [r, s]; prefix sums
take the place of the sum over pairs in the distortion loss (Sun et al. 2022, DVGO version 2).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.kernels.packed import Samples


def composite(
    density: Float[Tensor, " n"], rgb: Float[Tensor, "n 3"], samples: Samples, stop: float
) -> Float[Tensor, "r 6"]:
    """What `kernels.packed.composite` gives."""
    counts = samples.offsets.diff()
    r, s = len(counts), int(counts.max())
    place = samples.ray * s + torch.arange(len(density)) - samples.offsets[samples.ray]

    def padded(values: Tensor) -> Tensor:
        shape = (r * s, *values.shape[1:])
        return values.new_zeros(shape).index_copy(0, place, values).view(r, s, *values.shape[1:])

    thickness = padded(density * samples.dt)
    light = torch.exp(-thickness.cumsum(dim=1))
    before = torch.cat([light.new_ones(r, 1), light[:, :-1]], dim=1)
    weight = (before - light) * (before >= stop)
    begin, end = samples.t - samples.dt / 2, samples.t + samples.dt / 2
    near, far = begin / (1 + begin), end / (1 + end)
    distance, length = padded((near + far) / 2), padded(far - near)
    opacity, moment = weight.cumsum(dim=1), (weight * distance).cumsum(dim=1)
    pairs = 2 * (weight * (distance * opacity - moment)).sum(dim=1)
    distortion = pairs + (weight.square() * length).sum(dim=1) / 3
    color = torch.einsum("rs,rsc->rc", weight, padded(rgb))
    depth = (weight * padded(samples.t)).sum(dim=1)
    columns = torch.stack([weight.sum(dim=1), depth, distortion], dim=1)
    return torch.cat([color, columns], dim=1)
