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
    picture: dict[str, Tensor] = {}
    n_samples = 0
    for start in range(0, len(rays), chunk):
        part = rays[start : start + chunk]
        codes = None if appearance is None else appearance.expand(len(part), -1)
        piece = renderer(part, background, appearance=codes)
        n_samples += piece.extras["n_samples"]
        columns = {
            "rgb": piece.rgb,
            "opacity": piece.opacity,
            "depth": piece.depth,
            "distortion": piece.extras["distortion"],
        }
        if "normal" in modes:
            columns["normals"] = _normals(renderer, part, piece)
        for name, values in columns.items():
            if name not in picture:
                picture[name] = values.new_empty(len(rays), *values.shape[1:])
            picture[name][start : start + chunk] = values
    whole = {
        name: values.view(height, width, *values.shape[1:]) for name, values in picture.items()
    }
    return Render(
        rgb=whole["rgb"].clamp_(0, 1),
        opacity=whole["opacity"],
        depth=whole["depth"],
        normals=whole.get("normals"),
        extras={"distortion": whole["distortion"], "n_samples": n_samples},
    )


def _normals(renderer: RayRenderer, rays: Rays, render: Render) -> Float[Tensor, "r 3"]:
    """Normals of the rays that have met a surface, zero for the others."""
    normals = torch.zeros_like(render.rgb)
    hit = render.opacity > SURFACE
    if bool(hit.any()):
        normals[hit] = renderer.surface_normals(rays[hit], render.depth[hit])
    return normals
