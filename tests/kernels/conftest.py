"""What kernel tests march through: random rays, and cells that are occupied or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from polyfield.fields import Domain, FrequencyEncoding, RadianceDecoder, RadianceField
from polyfield.kernels.volume import Geometry
from polyfield.renderers import OccupancyGrid, VolumeRenderer

BOUNDS = torch.tensor([[-1.0, -0.75, -1.25], [1.125, 0.875, 1.0]], dtype=torch.float64)
CELLS = 16


class Beam(NamedTuple):
    """r rays: origins and unit directions [r,3], jitter [r]."""

    origins: Tensor
    directions: Tensor
    jitter: Tensor

    def to(self, dtype: torch.dtype) -> Beam:
        """In another floating type."""
        return Beam(*(tensor.to(dtype) for tensor in self))


def beam(n: int, seed: int = 0) -> Beam:
    """Rays in double precision from around and within the box, most of them towards it."""
    generator = torch.Generator().manual_seed(seed)
    origins = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    origins = origins * torch.where(torch.arange(n) % 4 == 0, 0.3, 2.0)[:, None]
    targets = torch.rand(n, 3, generator=generator, dtype=torch.float64)
    targets = targets * (BOUNDS[1] - BOUNDS[0]) * 1.3 + BOUNDS[0]
    directions = torch.nn.functional.normalize(targets - origins, dim=-1)
    return Beam(origins, directions, torch.rand(n, generator=generator, dtype=torch.float64))


def march_geometry(
    occupied: Tensor,
    kind: Literal["box", "contract_l2", "contract_linf"] = "box",
    near: float = 0.05,
    far: float = 12.0,
    step: float = 0.07,
    cone: float = 0.0,
    dtype: torch.dtype = torch.float64,
) -> Geometry:
    """What a renderer hands to the kernels when the cells [R,R,R] that hold are occupied."""
    domain = Domain(BOUNDS, kind)
    grid = OccupancyGrid(domain, resolution=len(occupied))
    grid.values.copy_(occupied.flatten())
    grid.refresh()
    field = RadianceField(domain, FrequencyEncoding(0), RadianceDecoder(3, ()))
    renderer = VolumeRenderer(field, grid, step=step, cone=cone, near=near, far=far)
    return renderer.geometry(np.dtype(str(dtype).removeprefix("torch.")))


@pytest.fixture(scope="session")
def bounds() -> Tensor:
    """The corners [2,3] of the box that all marching here is in."""
    return BOUNDS


@pytest.fixture(scope="session")
def make_beam() -> Callable[..., Beam]:
    """Rays by number and seed."""
    return beam


@pytest.fixture(scope="session")
def make_geometry() -> Callable[..., Geometry]:
    """Marching arrays by occupied cells."""
    return march_geometry


@pytest.fixture(params=["random", "full", "single"])
def cells(request: pytest.FixtureRequest) -> Tensor:
    """Occupied cells [R,R,R]: scattered in a few blocks, all, or one."""
    occupied = torch.ones(CELLS, CELLS, CELLS, dtype=torch.bool)
    if request.param == "single":
        occupied[:] = False
        occupied[9, 6, 7] = True
    if request.param == "random":
        generator = torch.Generator().manual_seed(3)
        blocks = torch.rand(4, 4, 4, generator=generator) < 0.3
        for axis in range(3):
            blocks = blocks.repeat_interleave(CELLS // 4, axis)
        occupied = (torch.rand(occupied.shape, generator=generator) < 0.4) & blocks
    return occupied
