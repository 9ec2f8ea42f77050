"""Gaussians anywhere in a scene, for one of which nothing but its cameras is known."""

from __future__ import annotations

import numpy as np
import torch

from polyfield.datasets.scene import Scene
from polyfield.errors import InputError
from polyfield.training.seeds.cloud import Seeds, gaussians_from_points
from polyfield.training.seeds.extent import scene_extent

REACH = 3.0  # extents that the cube of a place without end reaches from its middle


def random_gaussians(
    scene: Scene,
    count: int,
    generator: torch.Generator,
    *,
    opacity: float = 0.1,
    scale: float = 1.0,
    degree: int = 3,
) -> Seeds:
    """Grey Gaussians, evenly in the scene's box; in a place without end in a cube around it.

    Args:
        count: how many.
        opacity, scale, degree: as in `gaussians_from_points`.

    Raises:
        InputError: for none.
    """
    if count < 1:
        raise InputError(field="count", found=count, expected="1 or more")
    low, high = scene.bounds.double()
    if scene.unbounded:
        middle, half = 0.5 * (low + high), REACH * scene_extent(scene)
        low, high = middle - half, middle + half
    where = torch.rand(count, 3, generator=generator, dtype=torch.float64)
    grey = torch.rand(count, 1, generator=generator, dtype=torch.float64)
    # Neighbours of even points differ little: nothing is an outlier.
    return gaussians_from_points(
        low + (high - low) * where,
        grey.expand(-1, 3),
        opacity=opacity,
        scale=scale,
        degree=degree,
        largest=np.inf,
        lone=0.1 * scene_extent(scene),
    )
