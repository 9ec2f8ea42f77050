"""Gaussians as surfels: disks whose normal is the third axis.

Letters: n Gaussians.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from polyfield.fields.gaussians import flattened
from polyfield.training.seeds.cloud import Seeds

ROUND = 1e-3  # of log-scales: Gaussians that differ by less are balls
# By which axis is the shortest: turns that make it the third, (w, x, y, z).
TURNS = [[0.5, 0.5, 0.5, 0.5], [0.5, -0.5, -0.5, -0.5], [1.0, 0.0, 0.0, 0.0]]


def as_disks(seeds: Seeds, generator: torch.Generator) -> Seeds:
    """The same Gaussians without their shortest axis; balls become disks that look anywhere."""
    quats, log_scales = seeds["quats"], seeds["log_scales"]
    spread = log_scales.amax(dim=1) - log_scales.amin(dim=1)
    shortest = log_scales.argmin(dim=1)
    turned = _times(quats, torch.tensor(TURNS).to(quats)[shortest])
    anyhow = torch.randn(quats.shape, generator=generator).to(quats)
    quats = torch.where((spread < ROUND)[:, None], anyhow, turned)
    return {**seeds, "quats": quats, "log_scales": flattened(_rolled(log_scales, shortest))}


def _rolled(scales: Float[Tensor, "n 3"], shortest: Int[Tensor, " n"]) -> Float[Tensor, "n 3"]:
    """Columns in the order in which the turns put them."""
    columns = (shortest[:, None] + torch.arange(1, 4)) % 3
    return torch.take_along_dim(scales, columns, dim=1)


def _times(p: Float[Tensor, "n 4"], q: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
    """Products of quaternions: first q, then p."""
    w, v, a, u = p[:, :1], p[:, 1:], q[:, :1], q[:, 1:]
    return torch.cat(
        [w * a - (v * u).sum(dim=1, keepdim=True), w * u + a * v + torch.linalg.cross(v, u)], dim=1
    )
