"""Which rays meet something: those that have a sample in an occupied cell.

Letters: r rays.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from numba import prange
from torch import Tensor

from polyfield.kernels.blocks import specialise
from polyfield.kernels.launch import launch
from polyfield.kernels.march import CONE, STEP, march_ray, ray_span
from polyfield.kernels.volume import Geometry


def _meets(origins, directions, grid, march, distances, met):  # type: ignore[no-untyped-def]
    half = march.dtype.type(0.5)
    for ray in prange(origins.shape[0]):
        start, stop = ray_span(grid, march, origins, directions, ray)
        if start < stop:
            start += half * max(march[STEP], march[CONE] * start)
            state, place, x = (
                np.zeros((1, 2), march.dtype),
                np.empty(2, march.dtype),
                np.empty((1, 3), march.dtype),
            )
            state[0, 1] = start
            taken = march_ray(
                grid, march, distances, origins, directions, ray, start, stop, state, 0, 1,
                place[:1], place[1:], x, 0,
            )  # fmt: skip
            met[ray] = taken > 0


def meets(
    origins: Float[Tensor, "r 3"], directions: Float[Tensor, "r 3"], geometry: Geometry
) -> Bool[Tensor, " r"]:
    """Which rays have a sample, on a lattice of intervals shifted by half a step.

    Args:
        origins, directions: world, unit directions.
        geometry: of the same floating type.
    """
    met = torch.zeros(len(origins), dtype=torch.bool)
    o, d = (x.detach().contiguous().numpy() for x in (origins, directions))
    with launch():
        specialise(_meets)(o, d, *geometry, met.numpy())
    return met
