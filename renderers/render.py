"""The record that every renderer returns, whatever the scene is stored in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass
class Render:
    """Pixels or rays, [...] being [r] or [h, w].

    Args:
        rgb: [..., 3] sRGB in [0, 1], background included where one was given.
        opacity: [...] in [0, 1].
        depth: [...] expected distance along the ray, world units; 0 where nothing was hit.
        normals: [..., 3] world, unit length, zero where nothing was hit; None when not asked for.
        extras: whatever else a renderer has to tell: "distortion" [...], "n_samples", "losses".
        median_depth: [...] distance along the ray at which transmittance falls to one half, world
            units; 0 where it never does; no gradient. None in pictures that were not asked for it.
    """

    rgb: Tensor
    opacity: Tensor
    depth: Tensor
    normals: Tensor | None = None
    extras: dict[str, Any] = field(default_factory=dict)
    median_depth: Tensor | None = None
