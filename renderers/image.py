"""Whole pictures from a renderer of rays, chunk by chunk.

Letters: h, w pixels; r rays of a chunk.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from polyfield.cameras import Cameras, Rays
from polyfield.errors import InputError
from polyfield.kernels.choice import plain
from polyfield.renderers.render import Render

MODES = ("rgb", "depth", "median", "normal", "opacity", "samples")
REFERENCE_CHUNK = 1 << 10  # rays a call at most through plain torch, which keeps every step
TILE = 8  # pixels, a power of two
SURFACE = 0.5  # opacity above which a ray has met something that has a normal


class RayRenderer(Protocol):
    """What renders rays, and knows the normals of what they hit."""

    def __call__(
        self, rays: Rays, background: Tensor | None = None, *, appearance: Tensor | None = None
    ) -> Render: ...

    def surface_normals(self, rays: Rays, depth: Float[Tensor, " r"]) -> Float[Tensor, "r 3"]: ...

    def sample_counts(self, rays: Rays) -> Float[Tensor, " r"]: ...


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
    """The whole picture of camera i, [h, w, ...], with what `modes` asks for besides colours.

    Args:
        background: sRGB behind everything; None leaves rgb premultiplied.
        modes: what the picture is for, of `MODES`; "normal" and "median" are not made otherwise.
        appearance: one code for all rays.
        chunk: rays a call.

    Returns:
        all that the renderer returns for its rays, rgb in [0, 1]; normals are zero where opacity
        is at most one half; extras are "distortion" [h, w], "n_samples", and "samples" [h, w] of
        each ray when `modes` asks for them.

    Raises:
        InputError: for a mode that there is not.
    """
    check_modes(modes)
    width, height = cameras.size[i].tolist()
    order, pixels = _by_tiles(width, height)
    rays = cameras.rays(torch.full((len(order),), i), pixels)
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
        if "median" in modes and piece.median_depth is not None:
            columns["median_depth"] = piece.median_depth
        if "normal" in modes:
            columns["normals"] = _normals(renderer, part, piece)
        if "samples" in modes:
            columns["samples"] = renderer.sample_counts(part)
        for name, values in columns.items():
            if name not in picture:
                picture[name] = values.new_empty(len(rays), *values.shape[1:])
            picture[name].index_copy_(0, order[start : start + chunk], values)
    whole = {
        name: values.view(height, width, *values.shape[1:]) for name, values in picture.items()
    }
    counted = {"samples": whole["samples"]} if "samples" in whole else {}
    return Render(
        rgb=whole["rgb"].clamp_(0, 1),
        opacity=whole["opacity"],
        depth=whole["depth"],
        median_depth=whole.get("median_depth"),
        normals=whole.get("normals"),
        extras={"distortion": whole["distortion"], "n_samples": n_samples, **counted},
    )


def check_modes(modes: tuple[str, ...]) -> None:
    """InputError for a mode that there is not."""
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown:
        raise InputError(
            field="modes", found=", ".join(unknown), expected=f"some of {', '.join(MODES)}"
        )


@lru_cache(maxsize=16)
def _by_tiles(width: int, height: int) -> tuple[Int[Tensor, " r"], Float[Tensor, "r 2"]]:
    """All pixels, tile after tile and within one along a Z-shaped curve: numbers and centres.

    So rays that follow each other are neighbours, and those of a bundle are a square. The numbers
    count row by row.
    """
    x, y = torch.arange(width), torch.arange(height)[:, None]
    key = (y // TILE * (-(-width // TILE)) + x // TILE) * TILE * TILE
    for bit in range(TILE.bit_length() - 1):
        key = key + ((x >> bit & 1) << 2 * bit) + ((y >> bit & 1) << 2 * bit + 1)
    order = key.flatten().argsort()
    return order, torch.stack([order % width, order // width], dim=1).double() + 0.5


def _normals(renderer: RayRenderer, rays: Rays, render: Render) -> Float[Tensor, "r 3"]:
    """Normals of the rays that have met a surface, zero for the others."""
    normals = torch.zeros_like(render.rgb)
    hit = render.opacity > SURFACE
    if bool(hit.any()):
        normals[hit] = renderer.surface_normals(rays[hit], render.depth[hit])
    return normals
