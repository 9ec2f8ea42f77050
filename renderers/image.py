"""Whole pictures from a renderer of rays, chunk by chunk.

Letters: h, w pixels; r rays of a chunk.
"""

from __future__ import annotations

from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.cameras import Cameras, Rays
from polyfield.errors import InputError
from polyfield.kernels.choice import plain
from polyfield.renderers.render import Render

MODES = ("rgb", "depth", "normal", "opacity")
REFERENCE_CHUNK = 1 << 10  # rays a call at most through plain torch, which keeps every step
SURFACE = 0.5  # opacity above which a ray has met something that has a normal


class RayRenderer(Protocol):
    """What renders rays, and knows the normals of what they hit."""

    def __call__(
        self, rays: Rays, background: Tensor | None = None, *, appearance: Tensor | None = None
    ) -> Render: ...

    def surface_normals(self, rays: Rays, depth: Float[Tensor, " r"]) -> Float[Tensor, "r 3"]: ...


@torch.no_grad()
def render_image(
    renderer: RayRenderer,
    cameras: Cameras,
    i: int,
    background: Float[Tensor, "3"] | None = None,
    modes: tuple[str, ...] = ("rgb",),
    appearance: Float[Tensor, " a"] | None = None,
    chunk: int = 1 << 16,
) -> Render:
    """The whole picture of camera i, [h, w, ...], with normals when `modes` asks for "normal".

    Args:
        background: sRGB behind everything; None leaves rgb premultiplied.
        modes: what the picture is for, of `MODES`.
        appearance: one code for all rays.
        chunk: rays a call.

    Returns:
        all that the renderer returns for its rays, rgb in [0, 1]; normals are zero where opacity
        is at most one half; extras are "distortion" [h, w] and "n_samples".

    Raises:
        InputError: for a mode that there is not.
    """
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown:
        raise InputError(
            field="modes", found=", ".join(unknown), expected=f"some of {', '.join(MODES)}"
        )
    rays = cameras.image_rays(i)
    width, height = cameras.size[i].tolist()
    chunk = min(chunk, REFERENCE_CHUNK) if plain(rays.origins) else chunk
    pieces, normals = [], []
    for start in range(0, len(rays), chunk):
        part = rays[start : start + chunk]
        codes = None if appearance is None else appearance.expand(len(part), -1)
        piece = renderer(part, background, appearance=codes)
        pieces.append(piece)
        if "normal" in modes:
            normals.append(_normals(renderer, part, piece))

    def whole(parts: list[Tensor]) -> Tensor:
        return torch.cat(parts).view(height, width, *parts[0].shape[1:])

    return Render(
        rgb=whole([piece.rgb for piece in pieces]).clamp_(0, 1),
        opacity=whole([piece.opacity for piece in pieces]),
        depth=whole([piece.depth for piece in pieces]),
        normals=whole(normals) if normals else None,
        extras={
            "distortion": whole([piece.extras["distortion"] for piece in pieces]),
            "n_samples": sum(piece.extras["n_samples"] for piece in pieces),
        },
    )


def _normals(renderer: RayRenderer, rays: Rays, render: Render) -> Float[Tensor, "r 3"]:
    """Normals of the rays that have met a surface, zero for the others."""
    normals = torch.zeros_like(render.rgb)
    hit = render.opacity > SURFACE
    if bool(hit.any()):
        normals[hit] = renderer.surface_normals(rays[hit], render.depth[hit])
    return normals
