"""The cells that a renderer takes to hold something, as points.

Letters: n cells.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float

MOST = 200_000  # points that a page draws with ease


def cell_points(renderer: Any) -> tuple[Float[np.ndarray, "n 3"], float] | None:
    """Middles of occupied cells in the world and the edge of one; None where there are none.

    Of more than `MOST` cells, some that are drawn at random.

    Args:
        renderer: with `occupancy` or without.
    """
    occupancy = getattr(renderer, "occupancy", None)
    if occupancy is None:
        return None
    cells = occupancy.occupied.nonzero().flatten()
    if not len(cells):
        return None
    if len(cells) > MOST:
        generator = torch.Generator().manual_seed(0)
        cells = cells[torch.randperm(len(cells), generator=generator)[:MOST]]
    with torch.no_grad():
        points = occupancy.cell_points(cells, torch.full((len(cells), 3), 0.5))
    bounds = occupancy.domain.bounds
    edge = float((bounds[1] - bounds[0]).mean()) / int(occupancy.resolution)
    found = points.float().numpy()
    return found[np.isfinite(found).all(axis=1)], edge
