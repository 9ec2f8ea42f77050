"""Small fields of a density, and nothing else that matters: what proposals are.

Letters: n points.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.fields.decoder import RadianceDecoder
from polyfield.fields.domain import Domain
from polyfield.fields.field import RadianceField
from polyfield.fields.hash_grid import HashGrid
from polyfield.kernels.density import density_at

COARSEST = 16  # vertices an axis of the first level
LOG2_ENTRIES, WITH_TIME = 15, 17  # of a hashed level; moments need entries of their own


def trained_density(field: RadianceField, u: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """Density at points of the unit cube, 1 / world unit.

    Differentiable in the parameters, not in the points.
    """
    kernels = field.kernels
    framed = kernels is not None and kernels.encoder.n_frames > 0
    if kernels is None or framed or not torch.is_grad_enabled():
        return field.density_at(u)
    return density_at(kernels, u, field.backbone.params, field.decoder.trunk)


def density_field(
    domain: Domain,
    resolution: int,
    generator: torch.Generator | None = None,
    levels: int = 5,
    log2_entries: int | None = None,
    hidden: int = 16,
    in_dim: int = 3,
    time_resolution: int | None = None,
) -> RadianceField:
    """A small hash grid with a small network: a proposal. Its colour is of no use.

    Args:
        domain: the region of space.
        resolution: vertices an axis of the finest level, at least `COARSEST`.
        generator: source of the initial values.
        levels, log2_entries: of the hash grid; None: 15, or 17 for space and time.
        hidden: width of the network.
        in_dim: 3, or 4 for space and time.
        time_resolution: vertices along time at most, at each level; None: as along the others.
    """
    if log2_entries is None:
        log2_entries = LOG2_ENTRIES if in_dim < 4 else WITH_TIME
    grid = HashGrid(
        levels=levels,
        features=2,
        log2_entries=log2_entries,
        base_resolution=COARSEST,
        max_resolution=resolution,
        time_resolution=time_resolution,
        in_dim=in_dim,
        generator=generator,
    )
    decoder = RadianceDecoder(grid.out_dim, trunk=(hidden,), sh_degree=0, generator=generator)
    return RadianceField(domain, grid, decoder)
