"""Occupied cells cut in two along each axis, for pictures: the halves that hold nothing go.

While training the field changes faster than a fine grid could follow. A picture is of a field that
stands still, so that looking once at every half pays off: of the samples that rays take in coarse
cells a good part lies beside the matter.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from polyfield.kernels.distances import cell_distances
from polyfield.renderers.occupancy import Cells, OccupancyGrid

LOOKS = 2  # along each axis of a half
MOST = 1 << 21  # looks in all, beyond which they would cost more than pictures gain
CHUNK = 1 << 18  # looks at once
FINEST = 256  # cells an axis, beyond which distances leave the caches


@torch.no_grad()
def halved(
    grid: OccupancyGrid,
    density: Callable[[Tensor], Tensor],
    step_size: Callable[[Tensor], Tensor],
) -> Cells:
    """The cells of a grid twice as fine that are occupied in both; the grid's own if that costs
    too much, or nothing is left.

    Args:
        density: world points [n, 3] -> density [n], 1 / world unit.
        step_size: world points [n, 3] -> length of a marching step there [n], world units.
    """
    coarse = grid.occupied.nonzero().flatten()
    per_axis = 2 * LOOKS
    R = 2 * grid.resolution
    if len(coarse) * per_axis**3 > MOST or R > FINEST:
        return grid.cells
    lattice = torch.arange(per_axis)
    looks = torch.cartesian_prod(lattice, lattice, lattice)
    at_once = CHUNK // len(looks)
    limit = grid.limits(step_size(grid.cell_points(coarse, torch.full((len(coarse), 3), 0.5))))
    occupied = torch.zeros(R, R, R, dtype=torch.uint8)
    for first in range(0, len(coarse), at_once):
        cells = coarse[first : first + at_once]
        jitter = ((looks + 0.5) / per_axis).repeat(len(cells), 1)
        seen = density(grid.cell_points(cells.repeat_interleave(len(looks)), jitter))
        empty = seen.view(len(cells), -1) <= limit[first : first + at_once, None]
        r = grid.resolution
        corner = torch.stack([cells // (r * r), cells // r % r, cells % r], dim=-1)
        half = 2 * corner[:, None] + looks // LOOKS
        full = half[~empty]  # no number: looked at, not hidden
        occupied[full[:, 0], full[:, 1], full[:, 2]] = 1
    if not bool(occupied.any()):
        return grid.cells
    flat = occupied.flatten()
    return Cells(R, cell_distances(flat, R), grid.clip_of(flat, R))
