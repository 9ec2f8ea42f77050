"""Rasterised Gaussians in plain torch, on any device and in any precision: what is right.

Letters: n Gaussians, m of them that are drawn, g of them in a tile, p its pixels, k harmonics
beyond the first, h, w pixels.

A picture is made in tiles, each from the Gaussians whose ellipses touch it, nearest centres first
and those at equal depth in their order. A pixel at d from a centre sees
alpha = min(0.999, opacity exp(-d' conic d / 2)), nothing of it below 1/255, and adds
weight = alpha x transmittance of the colour. The Gaussian that takes the transmittance below 1e-4
is the last of its pixel. Everything is differentiable through autograd, the camera included.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from polyfield.errors import InputError
from polyfield.kernels.quaternions import rotation_from_quaternion
from polyfield.kernels.rasterize.projection_reference import (
    Gaussians,
    Projected,
    degree_of,
    drawable,
    project,
)
from polyfield.kernels.rasterize.records import (
    LEAST_ALPHA,
    MOST_ALPHA,
    NEAR,
    OPAQUE,
    PinholeView,
    Rasterized,
    ScreenStatistics,
)

WANTS = ("z_depth", "median", "normals")
TILE = 32  # pixels along a side
CHUNK = 1024  # Gaussians at a time


def rasterize_reference(
    means: Float[Tensor, "n 3"],
    quats: Float[Tensor, "n 4"],
    log_scales: Float[Tensor, "n 3"],
    opacity_logits: Float[Tensor, " n"],
    sh_dc: Float[Tensor, "n 3"],
    sh_rest: Float[Tensor, "n k 3"],
    view: PinholeView,
    *,
    background: Float[Tensor, "3"] | None = None,
    degree: int | None = None,
    antialiased: bool = False,
    near: float = NEAR,
    wants: Collection[str] = (),
    statistics: ScreenStatistics | None = None,
) -> Rasterized:
    """A picture of Gaussians.

    Left out are those whose centre is not beyond `near`, whose opacity is below 1/255, whose
    quaternion is zero, or of whom anything is not finite.

    Args:
        means: centres, world; the others as `splats.Splats` has them.
        view: the camera; its pose may need a gradient.
        background: sRGB behind everything; None for black.
        degree: of the spherical harmonics that count; None for all there are.
        antialiased: whether what the blur adds to a Gaussian's area is taken from its opacity.
        near: least z of a centre, world units.
        wants: some of "z_depth", "median" and "normals", which are not made otherwise.
        statistics: to be filled in.
    """
    most = degree_of(sh_rest.shape[1])
    degree = most if degree is None else degree
    if not 0 <= degree <= most:
        raise InputError(field="degree", found=degree, expected=f"0 to {most}")
    unknown = set(wants) - set(WANTS)
    if unknown:
        raise InputError(field="wants", found=min(unknown), expected=", ".join(WANTS))
    everything = Gaussians(means, quats, log_scales, opacity_logits, sh_dc, sh_rest)
    kept = drawable(everything, view, degree, antialiased, near)
    gaussians = everything[kept]
    drawn = project(gaussians, view, degree, antialiased)
    seen = _in_picture(drawn, view)
    if statistics is not None:
        statistics.radii = means.new_zeros(len(means))
        statistics.radii[kept] = torch.where(seen, drawn.radii().detach(), 0.0)
        statistics.gradients = means.new_zeros(len(means), 2)
        statistics.absolute = means.new_zeros(len(means), 2)
    values = {"rgb": drawn.colors}
    if "z_depth" in wants:
        values["z_depth"] = drawn.z[:, None]
    if "normals" in wants:
        values["normals"] = _normals(gaussians, view)
    picture = _composite(drawn, values, view, kept, statistics, median="median" in wants)
    visible = torch.zeros(len(means), dtype=torch.bool, device=means.device)
    visible[kept] = seen
    if background is not None:
        rgb = picture.rgb + (1 - picture.opacity) * background[:, None, None]
        picture = replace(picture, rgb=rgb)
    return replace(picture, visible=visible)


def _in_picture(drawn: Projected, view: PinholeView) -> Tensor:
    """[m] whether the box around what is drawn of a Gaussian reaches into the picture."""
    with torch.no_grad():
        size = drawn.centers.new_tensor([view.width, view.height])
        extents = drawn.extents()
        return ((drawn.centers + extents > 0) & (drawn.centers - extents < size)).all(dim=1)


def _normals(g: Gaussians, view: PinholeView) -> Float[Tensor, "m 3"]:
    """The shortest axes, in the world, turned towards the camera."""
    shortest = g.log_scales.argmin(dim=1)
    axes = rotation_from_quaternion(g.quats)
    normals = torch.take_along_dim(axes, shortest[:, None, None], dim=2)[:, :, 0]
    turn, shift = view.camera_from_world[:, :3], view.camera_from_world[:, 3]
    away = ((g.means + turn.T @ shift) * normals).sum(dim=1, keepdim=True) > 0
    return torch.where(away, -normals, normals)


@dataclass
class _Tile:
    """What the pixels of a tile have gathered so far: [p] and, in `sums`, [p,c]."""

    pixels: Tensor
    transmittance: Tensor
    sums: Tensor
    median: Tensor


def _composite(
    drawn: Projected,
    values: dict[str, Tensor],
    view: PinholeView,
    kept: Int[Tensor, " m"],
    statistics: ScreenStatistics | None,
    median: bool,
) -> Rasterized:
    """Sum the values over Gaussians, in every pixel; without a background.

    Args:
        values: [m,c] each, "rgb" and what else is asked for.
        kept: the places of the m among all Gaussians.
        median: whether the depth at half of the transmittance is asked for.
    """
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
                _add(tile, drawn, channels, part, kept, statistics)
            gathered = [tile.sums, (1 - tile.transmittance)[:, None], tile.median[:, None]]
            tiles.append(torch.cat(gathered, dim=1).T.unflatten(1, shape))
        rows.append(torch.cat(tiles, dim=2))
    picture = torch.cat(rows, dim=1)
    parts = picture.split([*(v.shape[1] for v in values.values()), 1, 1])
    named = dict(zip(values, parts, strict=False))
    return Rasterized(
        rgb=named["rgb"],
        opacity=picture[-2],
        z_depth=named["z_depth"][0] if "z_depth" in named else None,
        median_z_depth=picture[-1] if median else None,
        normals=named.get("normals"),
    )


def _empty_tile(channels: Tensor, left: int, top: int, shape: tuple[int, int]) -> _Tile:
    y = torch.arange(top, top + shape[0]).to(channels) + 0.5
    x = torch.arange(left, left + shape[1]).to(channels) + 0.5
    pixels = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)
    p = len(pixels)
    sums = channels.new_zeros(p, channels.shape[1])
    return _Tile(pixels, channels.new_ones(p), sums, channels.new_zeros(p))


def _touching(drawn: Projected, left: int, top: int, shape: tuple[int, int]) -> Tensor:
    """[m] whether a Gaussian may reach a pixel centre of the tile; generous by rounding."""
    with torch.no_grad():
        extents = drawn.extents() * (1 + 1e-4) + 1e-3
        low = drawn.centers.new_tensor([left + 0.5, top + 0.5])
        high = low + drawn.centers.new_tensor([shape[1] - 1, shape[0] - 1])
        return ((drawn.centers + extents >= low) & (drawn.centers - extents <= high)).all(dim=1)


def _add(
    tile: _Tile,
    drawn: Projected,
    channels: Tensor,
    part: Int[Tensor, " g"],
    kept: Tensor,
    statistics: ScreenStatistics | None,
) -> None:
    """Lay some Gaussians, in order, behind what a tile has."""
    offsets = tile.pixels[:, None] - drawn.centers[part]  # [p,g,2]
    if statistics is not None and offsets.requires_grad:
        offsets.register_hook(_Gathering(statistics, kept[part]))
    dx, dy = offsets.unbind(dim=2)
    a, b, c = drawn.conics[part].unbind(dim=1)
    alpha = drawn.opacities[part] * (-0.5 * (a * dx * dx + c * dy * dy) - b * dx * dy).exp()
    alpha = torch.where(alpha < MOST_ALPHA, alpha, MOST_ALPHA)  # no gradient where it is held
    alpha = torch.where(alpha >= LEAST_ALPHA, alpha, 0.0)
    with torch.no_grad():
        is_open = _transmittance(tile.transmittance, alpha)[:, :-1] >= OPAQUE
    alpha = torch.where(is_open, alpha, 0.0)
    along = _transmittance(tile.transmittance, alpha)
    before, after = along[:, :-1], along[:, 1:]
    tile.sums = tile.sums + (alpha * before) @ channels[part]
    crossing = (after <= 0.5) & (before > 0.5)
    tile.median = tile.median + torch.where(crossing, drawn.z[part], 0.0).sum(dim=1)
    tile.transmittance = along[:, -1]


def _transmittance(start: Float[Tensor, " p"], alpha: Float[Tensor, "p g"]) -> Tensor:
    """[p,g+1] before the first of g Gaussians and after each."""
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
