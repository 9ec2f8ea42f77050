"""The distance field that rays skip by: Chebyshev's, to the nearest occupied cell, capped."""

from __future__ import annotations

import pytest
import torch
from scipy.ndimage import distance_transform_cdt
from torch import Tensor

from polyfield.kernels.distances import FARTHEST, cell_distances, cell_distances_reference


def scattered(size: int, fraction: float, seed: int = 0) -> Tensor:
    """Occupied cells, flat uint8, at least one."""
    generator = torch.Generator().manual_seed(seed)
    occupied = torch.rand(size**3, generator=generator) < fraction
    occupied[int(torch.randint(size**3, (1,), generator=generator))] = True
    return occupied.to(torch.uint8)


@pytest.mark.parametrize("fraction", [0.0, 1e-3, 0.1, 0.9, 1.0])
@pytest.mark.parametrize("size", [2, 3, 16, 40])
def test_distances_are_those_of_scipy_up_to_the_cap(size: int, fraction: float) -> None:
    occupied = scattered(size, fraction)
    right = distance_transform_cdt(1 - occupied.view(size, size, size).numpy(), "chessboard")
    right = torch.from_numpy(right).clamp(max=FARTHEST).flatten().to(torch.uint8)
    assert torch.equal(cell_distances(occupied, size), right)
    assert torch.equal(cell_distances_reference(occupied, size), right)


def test_nothing_occupied_is_far_from_everywhere() -> None:
    empty = torch.zeros(4**3, dtype=torch.uint8)
    assert (cell_distances(empty, 4) == FARTHEST).all()
    assert (cell_distances_reference(empty, 4) == FARTHEST).all()
