"""The definition of right for clouds of tri-vector tensors, in plain torch, differentiable twice.

Every point is compared with every tensor: there is no voxel hash. Letters as in `kernels.strivec`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.kernels.strivec import AXES, EASE, NEAREST


class Cloud(NamedTuple):
    """A level.

    Args:
        centers: [m, 3] in the unit cube; half: h.
        vectors: per part [m, 3, V, w F].
    """

    centers: Float[Tensor, "m 3"]
    half: float
    vectors: Sequence[Float[Tensor, "m 3 v f"]]


def strivec_reference(
    x: Float[Tensor, "n 3"], clouds: Sequence[Cloud]
) -> list[list[Float[Tensor, "n f"]]]:
    """The features of every level's parts."""
    return [_features(x, cloud) for cloud in clouds]


def _features(x: Tensor, cloud: Cloud) -> list[Tensor]:
    point = x.clamp(0, 1)
    nothing = 0 * x.sum(dim=-1, keepdim=True)  # NaN stays
    if len(cloud.centers) == 0:
        return [nothing.expand(-1, vectors.shape[-1]) for vectors in cloud.vectors]
    with torch.no_grad():
        apart = point[:, None] - cloud.centers  # [n, m, 3]
        outside = ~(apart.abs() <= cloud.half).all(dim=-1)
        distance = apart.square().sum(dim=-1).masked_fill(outside, torch.inf)
        found, tensor = distance.topk(min(NEAREST, len(cloud.centers)), largest=False)
        seen = found.isfinite()
    apart = point[:, None] - cloud.centers[tensor]  # [n, k, 3]
    g = torch.where(seen, 1 / (torch.linalg.vector_norm(apart, dim=-1) + EASE), 0)
    weight = g / g.sum(dim=-1, keepdim=True).clamp(min=1)
    made = []
    for vectors in cloud.vectors:
        last = vectors.shape[2] - 1
        q = ((apart + cloud.half) / (2 * cloud.half) * last).nan_to_num()
        cell = q.detach().long().clamp(0, last - 1)
        upper = (q - cell)[..., None]
        axes = torch.arange(AXES, device=x.device)
        below = vectors[tensor[..., None], axes, cell]
        above = vectors[tensor[..., None], axes, cell + 1]
        product = (below + upper * (above - below)).prod(dim=2)  # [n, k, f]
        inside = torch.where(seen[..., None], product, 0)
        made.append(nothing + (weight[..., None] * inside).sum(dim=1))
    return made
