"""Occupied cells cut in two along each axis, for pictures: the halves that hold nothing go.

While training the field changes faster than a fine grid could follow. A picture is of a field that
stands still, so that looking once at every half pays off: of the samples that rays take in coarse
cells a good part lies beside the matter.

A half is looked at about once a marching step along each axis. What is thinner may lie between the
looks; a field that interpolates is still denser there than where nothing is, so that a smaller
density than training's counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from polyfield.kernels.distances import cell_distances
from polyfield.renderers.occupancy import Cells, OccupancyGrid

LEAST = 2  # looks along each axis of a half
WARY = 0.5  # of the density that makes a cell occupied in training
MOST = 1 << 20  # looks in all, beyond which they would cost more than pictures gain
CHUNK = 1 << 18  # looks at once
FINEST = 256  # cells an axis, beyond which distances leave the caches


@torch.no_grad()
def halved(
    grid: OccupancyGrid,
    density: Callable[[Tensor], Tensor],
    step_size: Callable[[Tensor], Tensor],
) -> Cells:
    """The cells of a grid twice as fine that are occupied in both; the grid's own under a
    contraction, where cells are of many sizes, where looking costs too much, or nothing is left.

    Args:
        density: world points [n, 3] -> density [n], 1 / world unit.
        step_size: world points [n, 3] -> length of a marching step there [n], world units.
    """
    coarse = grid.occupied.nonzero().flatten()
    r, R = grid.resolution, 2 * grid.resolution
    if grid.domain.kind != "box" or R > FINEST or not len(coarse):
        return grid.cells
    steps = step_size(grid.cell_points(coarse, torch.full((len(coarse), 3), 0.5)))
    edge = float((grid.domain.bounds[1] - grid.domain.bounds[0]).max()) / R
    looks = max(LEAST, math.ceil(edge / float(steps.min()) - 1e-3))
    per_axis = 2 * looks
    if len(coarse) * per_axis**3 > MOST:
        return grid.cells
    lattice = torch.cartesian_prod(*[torch.arange(per_axis)] * 3)
    at_once = max(CHUNK // len(lattice), 1)
    limit = WARY * grid.limits(steps)
    occupied = torch.zeros(R, R, R, dtype=torch.uint8)
    for first in range(0, len(coarse), at_once):
        cells = coarse[first : first + at_once]
        jitter = ((lattice + 0.5) / per_axis).repeat(len(cells), 1)
        seen = density(grid.cell_points(cells.repeat_interleave(len(lattice)), jitter))
        empty = seen.view(len(cells), -1) <= limit[first : first + at_once, None]
        corner = torch.stack([cells // (r * r), cells // r % r, cells % r], dim=-1)
        half = 2 * corner[:, None] + lattice // looks
        full = half[~empty]  # no number: looked at, not hidden
        occupied[full[:, 0], full[:, 1], full[:, 2]] = 1
    if not bool(occupied.any()):
        return grid.cells
    flat = occupied.flatten()
    return Cells(R, cell_distances(flat, R), grid.clip_of(flat, R))
