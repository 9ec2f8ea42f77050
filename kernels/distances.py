"""How far every cell of a cube is from the nearest occupied one: what lets rays skip empty space.

Distances are Chebyshev's, in cells, and stop at `FARTHEST`: a cube is dilated by one cell again and
again, and a cell's distance is the round in which it is reached. Letters: R cells an axis.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import UInt8
from numba import prange
from torch import Tensor
from torch.nn import functional as F

from polyfield.kernels.blocks import specialise
from polyfield.kernels.choice import plain
from polyfield.kernels.launch import launch

FARTHEST = 8


def _distances(occupied, distance):  # type: ignore[no-untyped-def]
    R = occupied.shape[0]
    reached, spread = occupied.copy(), np.empty_like(occupied)
    for i in prange(R):
        for j in range(R):
            for k in range(R):
                distance[i, j, k] = 0 if occupied[i, j, k] else FARTHEST
    for n in range(1, FARTHEST):
        for i in prange(R):
            for j in range(R):
                row, out = reached[i, j], spread[i, j]
                out[0] = row[0] | row[1]
                out[R - 1] = row[R - 2] | row[R - 1]
                for k in range(1, R - 1):
                    out[k] = row[k - 1] | row[k] | row[k + 1]
        for i in prange(R):
            for j in range(R):
                below, above = spread[i, max(j - 1, 0)], spread[i, min(j + 1, R - 1)]
                row, out = spread[i, j], reached[i, j]
                for k in range(R):
                    out[k] = below[k] | row[k] | above[k]
        changed = 0
        for i in prange(R):
            for j in range(R):
                below, above = reached[max(i - 1, 0), j], reached[min(i + 1, R - 1), j]
                row, out, d = reached[i, j], spread[i, j], distance[i, j]
                new = np.uint8(0)
                for k in range(R):
                    out[k] = below[k] | row[k] | above[k]
                    first = np.uint8(out[k] != 0 and d[k] == FARTHEST)
                    d[k] = n if first else d[k]
                    new |= first
                changed += new
        reached, spread = spread, reached
        if changed == 0:
            break


def cell_distances(occupied: UInt8[Tensor, " c"], resolution: int) -> UInt8[Tensor, " c"]:
    """Distances of all cells of a flat cube (R^3 cells), capped at `FARTHEST`."""
    if plain(occupied):
        return cell_distances_reference(occupied, resolution)
    cube = (resolution,) * 3
    out = torch.empty_like(occupied)
    run = specialise(_distances)
    with launch():
        run(occupied.numpy().reshape(cube), out.numpy().reshape(cube))
    return out


def cell_distances_reference(occupied: UInt8[Tensor, " c"], resolution: int) -> UInt8[Tensor, " c"]:
    """The same by max pooling."""
    reached = occupied.view(1, 1, resolution, resolution, resolution).float()
    distance = torch.where(reached > 0, 0, FARTHEST)
    for n in range(1, FARTHEST):
        reached = F.max_pool3d(reached, 3, stride=1, padding=1)
        distance = torch.where((reached > 0) & (distance == FARTHEST), n, distance)
    return distance.flatten().to(torch.uint8)
