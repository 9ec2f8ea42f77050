"""Whole pictures from a renderer of rays, chunk by chunk.

Letters: h, w pixels.
"""

from __future__ import annotations

from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.cameras import Cameras, Rays
from polyfield.renderers.render import Render


class RayRenderer(Protocol):
    """What renders rays, and knows the normals of what they hit."""

    def __call__(
        self, rays: Rays, background: Tensor | None = None, *, appearance: Tensor | None = None
    ) -> Render: ...

    def surface_normals(self, rays: Rays, depth: Tensor) -> Tensor: ...


@torch.no_grad()
def render_image(
    renderer: RayRenderer,
    cameras: Cameras,
    i: int,
    background: Tensor | None = None,
    modes: tuple[str, ...] = ("rgb",),
    appearance: Float[Tensor, " a"] | None = None,
    chunk: int = 1 << 16,
) -> Render:
    """The whole picture of camera i, [h, w, ...], with normals when `modes` asks for "normal".

    Args:
        background: [3] sRGB behind everything.
        appearance: one code for all rays.
        chunk: rays a call.
    """
    rays = cameras.image_rays(i)
    width, height = cameras.size[i].tolist()
    pieces = []
    for start in range(0, len(rays), chunk):
        part = rays[start : start + chunk]
        codes = None if appearance is None else appearance.expand(len(part), -1)
        pieces.append(renderer(part, background, appearance=codes))
    rgb = torch.cat([p.rgb for p in pieces]).view(height, width, 3).clamp_(0, 1)
    opacity = torch.cat([p.opacity for p in pieces]).view(height, width)
    depth = torch.cat([p.depth for p in pieces]).view(height, width)
    normals = None
    if "normal" in modes:
        normals = renderer.surface_normals(rays, depth.flatten()).view(height, width, 3)
        normals = normals * (opacity > 0.5)[..., None]
    samples = sum(p.extras["n_samples"] for p in pieces)
    return Render(rgb, opacity, depth, normals, {"n_samples": samples})
