"""Where a surface may be: near what a run knows to be occupied, or near samples that say so.

Letters: n boxes, R cells an axis.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from polyfield.export.meshes.implicit import Near, Value
from polyfield.renderers.occupancy import OccupancyGrid

COARSE = 16  # boxes across, from which on samples decide
SAMPLES = 4  # an axis of a box


def near_occupied(occupancy: OccupancyGrid) -> Near:
    """Whether boxes have a part of an occupied cell.

    Args:
        occupancy: over a domain that is a box.
    """
    R = occupancy.resolution
    sums = torch.zeros(R + 1, R + 1, R + 1, dtype=torch.int32)
    cells = occupancy.occupied.view(R, R, R).to(torch.int32)
    for axis in range(3):
        cells = cells.cumsum(axis, dtype=torch.int32)
    sums[1:, 1:, 1:] = cells
    lower, upper = occupancy.domain.bounds
    edge = (upper - lower) / R

    def near(middles: Float[Tensor, "n 3"], half: Float[Tensor, "3"]) -> Bool[Tensor, " n"]:
        first = ((middles - half - lower) / edge).floor().clamp(0, R).long()
        last = ((middles + half - lower) / edge).ceil().clamp(0, R).long()
        total = torch.zeros(len(middles), dtype=torch.int32)
        for corner in range(8):
            picks = [corner >> axis & 1 for axis in range(3)]
            at = [last[:, a] if pick else first[:, a] for a, pick in enumerate(picks)]
            total += (-1) ** (3 - sum(picks)) * sums[at[0], at[1], at[2]]
        return total > 0

    return near


def near_samples(value: Value, size: float) -> Near:
    """Whether samples in boxes lie on both sides of the surface.

    Args:
        size: of the whole; what is finer than a 64th of it may be missed.
    """
    steps = (torch.arange(SAMPLES) / (SAMPLES - 1)) * 2 - 1
    offsets = torch.cartesian_prod(steps, steps, steps)

    def near(middles: Float[Tensor, "n 3"], half: Float[Tensor, "3"]) -> Bool[Tensor, " n"]:
        if 2 * float(half.max()) > 1.01 * size / COARSE:
            return torch.ones(len(middles), dtype=torch.bool)
        found = torch.empty(len(middles), dtype=torch.bool)
        for first in range(0, len(middles), 2048):
            part = slice(first, first + 2048)
            points = middles[part, None] + half * offsets
            inside = value(points.view(-1, 3)).view(points.shape[:-1]) > 0
            found[part] = inside.any(dim=1) & ~inside.all(dim=1)
        return found

    return near
