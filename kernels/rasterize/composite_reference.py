"""What lies in order of depth, summed into pictures, in plain torch, whatever its shape is.

Letters: m things that are drawn, g of them in a tile, p its pixels, c channels, h, w pixels.

A picture is made in tiles, each from what may touch it, nearest centres first and those at equal
depth in their order. A pixel takes alpha = min(0.999, alpha) of each, nothing of it below 1/255,
and adds weight = alpha x transmittance of its values. The one that takes the transmittance below
1e-4 is the last of its pixel. Everything is differentiable through autograd.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from polyfield.kernels.rasterize.records import (
    LEAST_ALPHA,
    MOST_ALPHA,
    OPAQUE,
    PinholeView,
    Rasterized,
    ScreenStatistics,
)

TILE = 32  # pixels along a side
CHUNK = 1024  # things at a time


class Drawn(Protocol):
    """m things in a picture.

    Attributes:
        centers: [m,2] pixels, (0, 0) the corner of the picture.
        z: [m] of centres, by which they are ordered.
    """

    @property
    def centers(self) -> Tensor: ...

    @property
    def z(self) -> Tensor: ...

    def radii(self) -> Tensor:
        """[m] the longer half-axes of what is drawn, pixels."""

    def boxes(self) -> tuple[Tensor, Tensor]:
        """[m,2] twice: corners of boxes outside of which nothing is drawn, pixels."""

    def seen(self, part: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Alpha [p,g], neither held nor cut, and z [p,g] or [g], of some at offsets [p,g,2]."""


class Asked(NamedTuple):
    """What is asked for.

    Attributes:
        wants: see `rasterize`.
        n: how many there are at all.
        kept: [m] the places among them of what is drawn.
        statistics: to be filled in, the gradients by the backward pass.
    """

    wants: Collection[str]
    n: int
    kept: Int[Tensor, " m"]
    statistics: ScreenStatistics | None


@dataclass
class _Tile:
    """What the pixels of a tile have gathered so far: [p] and, in `sums`, [p,c]."""

    pixels: Tensor
    transmittance: Tensor
    sums: Tensor
    depth: Tensor
    median: Tensor
    disparity: Tensor
    distortion: Tensor

    def picture(self, shape: tuple[int, int]) -> Tensor:
        """All of it, [c+5, *shape]."""
        others = [1 - self.transmittance, self.depth, self.median, self.distortion, self.disparity]
        return torch.cat([self.sums, torch.stack(others, dim=1)], dim=1).T.unflatten(1, shape)


def picture_of(
    drawn: Drawn,
    values: dict[str, Tensor],
    view: PinholeView,
    background: Float[Tensor, "3"] | None,
    asked: Asked,
) -> Rasterized:
    """A picture, and what `asked.statistics` asks of it.

    Args:
        values: [m,c] each: "rgb", and "normals" if wanted.
        background: sRGB behind everything; None for black.
    """
    seen, statistics = in_picture(drawn, view), asked.statistics
    if statistics is not None:
        statistics.radii = drawn.z.new_zeros(asked.n)
        statistics.radii[asked.kept] = torch.where(seen, drawn.radii().detach(), 0.0)
        statistics.gradients = drawn.z.new_zeros(asked.n, 2)
        statistics.absolute = drawn.z.new_zeros(asked.n, 2)
    picture = _composite(drawn, values, view, asked)
    visible = torch.zeros(asked.n, dtype=torch.bool, device=drawn.z.device)
    visible[asked.kept] = seen
    if background is not None:
        rgb = picture.rgb + (1 - picture.opacity) * background[:, None, None]
        picture = replace(picture, rgb=rgb)
    return replace(picture, visible=visible)


def _composite(
    drawn: Drawn, values: dict[str, Tensor], view: PinholeView, asked: Asked
) -> Rasterized:
    """Sums of values over what is drawn, in every pixel; without a background."""
    channels = torch.cat(list(values.values()), dim=1)
    order = torch.sort(drawn.z.detach(), stable=True).indices
    h, w = view.height, view.width
    rows = []
    for top in range(0, h, TILE):
        tiles = []
        for left in range(0, w, TILE):
            shape = (min(TILE, h - top), min(TILE, w - left))
            tile = _empty_tile(channels, left, top, shape)
            near_tile = order[_touching(drawn, left, top, shape)[order]]
            for part in near_tile.split(CHUNK):
                if bool((tile.transmittance < OPAQUE).all()):
                    break
                _add(tile, drawn, channels, part, asked)
            tiles.append(tile.picture(shape))
        rows.append(torch.cat(tiles, dim=2))
    picture = torch.cat(rows, dim=1)
    parts = picture.split([*(v.shape[1] for v in values.values()), 1, 1, 1, 1, 1])
    named = dict(zip(values, parts, strict=False))
    opacity, depth, median, distortion = picture[-5:-1]
    wants = asked.wants
    return Rasterized(
        rgb=named["rgb"],
        opacity=opacity,
        z_depth=depth if "z_depth" in wants else None,
        median_z_depth=median if "median" in wants else None,
        normals=named.get("normals"),
        distortion=distortion * mean_z(depth, opacity) if "distortion" in wants else None,
    )


def mean_z(depth: Float[Tensor, "h w"], opacity: Float[Tensor, "h w"]) -> Float[Tensor, ""]:
    """Of all a picture shows, without a gradient: the length by which distortion is free of scale.

    Args:
        depth: sums of weight x z.
    """
    return (depth.sum() / opacity.sum().clamp(min=torch.finfo(opacity.dtype).tiny)).detach()


def in_picture(drawn: Drawn, view: PinholeView) -> Tensor:
    """[m] whether the box around what is drawn of something reaches into the picture."""
    with torch.no_grad():
        size = drawn.centers.new_tensor([view.width, view.height])
        low, high = drawn.boxes()
        return ((high > 0) & (low < size)).all(dim=1)


def _empty_tile(channels: Tensor, left: int, top: int, shape: tuple[int, int]) -> _Tile:
    y = torch.arange(top, top + shape[0]).to(channels) + 0.5
    x = torch.arange(left, left + shape[1]).to(channels) + 0.5
    pixels = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)
    p = len(pixels)
    sums, none = channels.new_zeros(p, channels.shape[1]), channels.new_zeros(p)
    return _Tile(pixels, channels.new_ones(p), sums, none, none, none, none)


def _touching(drawn: Drawn, left: int, top: int, shape: tuple[int, int]) -> Tensor:
    """[m] whether a box may reach a pixel centre of the tile; generous by rounding."""
    with torch.no_grad():
        low, high = drawn.boxes()
        slack = 1e-4 * (high - low) + 1e-3
        corner = drawn.centers.new_tensor([left + 0.5, top + 0.5])
        other = corner + drawn.centers.new_tensor([shape[1] - 1, shape[0] - 1])
        return ((high + slack >= corner) & (low - slack <= other)).all(dim=1)


def _add(
    tile: _Tile, drawn: Drawn, channels: Tensor, part: Int[Tensor, " g"], asked: Asked
) -> None:
    """Lay some, in order, behind what a tile has."""
    offsets = tile.pixels[:, None] - drawn.centers[part]  # [p,g,2]
    if asked.statistics is not None and offsets.requires_grad:
        offsets.register_hook(_Gathering(asked.statistics, asked.kept[part]))
    alpha, z = drawn.seen(part, offsets)
    alpha = torch.where(alpha < MOST_ALPHA, alpha, MOST_ALPHA)  # no gradient where it is held
    alpha = torch.where(alpha >= LEAST_ALPHA, alpha, 0.0)
    with torch.no_grad():
        is_open = _transmittance(tile.transmittance, alpha)[:, :-1] >= OPAQUE
    alpha = torch.where(is_open, alpha, 0.0)
    along = _transmittance(tile.transmittance, alpha)
    before, after = along[:, :-1], along[:, 1:]
    weights = alpha * before
    tile.sums = tile.sums + weights @ channels[part]
    tile.depth = tile.depth + (weights * z).sum(dim=1)
    crossing = (after <= 0.5) & (before > 0.5)
    tile.median = tile.median + torch.where(crossing, z, 0.0).sum(dim=1)
    if "distortion" in asked.wants:
        so_far = tile.disparity[:, None] + torch.cumsum(weights / z, dim=1)
        pairs = (so_far - weights / z) - (1 - before) / z
        tile.distortion = tile.distortion + 2 * (weights * pairs).sum(dim=1)
        tile.disparity = tile.disparity + (weights / z).sum(dim=1)
    tile.transmittance = along[:, -1]


def _transmittance(start: Float[Tensor, " p"], alpha: Float[Tensor, "p g"]) -> Tensor:
    """[p,g+1] before the first of g and after each."""
    return torch.cumprod(torch.cat([start[:, None], 1 - alpha], dim=1), dim=1)


@dataclass(frozen=True)
class _Gathering:
    """Adds what the offsets [p,g,2] of pixels from centres got to the statistics of a step."""

    statistics: ScreenStatistics
    which: Int[Tensor, " g"]

    def __call__(self, gradient: Tensor) -> None:
        assert self.statistics.gradients is not None
        assert self.statistics.absolute is not None
        slopes = gradient.detach()
        self.statistics.gradients.index_add_(0, self.which, -slopes.sum(dim=0))
        self.statistics.absolute.index_add_(0, self.which, slopes.abs().sum(dim=0))
