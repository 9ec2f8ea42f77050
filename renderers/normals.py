"""Normals of a density: which way a surface looks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def density_normals(
    density: Callable[[Tensor], Tensor], x: Float[Tensor, "n 3"], width: Float[Tensor, " n"]
) -> Float[Tensor, "n 3"]:
    """Unit normals at world points: minus the density's direction of growth.

    By central differences, which a hash grid's piecewise gradient needs anyway (its own changes
    sign from cell to cell).

    Args:
        density: world points [n, 3] -> density [n].
        width: half the distance between the two points of a difference, world units.
    """
    slopes = []
    for axis in range(3):
        offset = torch.zeros_like(x)
        offset[:, axis] = width
        slopes.append(density(x - offset) - density(x + offset))
    return torch.nn.functional.normalize(torch.stack(slopes, dim=-1), dim=-1)
