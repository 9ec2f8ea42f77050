"""Rasterised Gaussians in plain torch, on any device and in any precision: what is right.

Letters: n Gaussians, m of them that are drawn, k harmonics beyond the first, h, w pixels.

A pixel at d from a centre sees alpha = opacity exp(-d' conic d / 2); `composite_reference` makes a
picture of it. Everything is differentiable through autograd, the camera included.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.kernels.quaternions import rotation_from_quaternion
from polyfield.kernels.rasterize.arguments import checked_degree
from polyfield.kernels.rasterize.composite_reference import Asked, picture_of
from polyfield.kernels.rasterize.projection_reference import (
    Gaussians,
    drawable,
    project,
)
from polyfield.kernels.rasterize.records import (
    NEAR,
    PinholeView,
    Rasterized,
    ScreenStatistics,
)


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
    quaternion is zero, or of whom anything is not finite; see `records.BEYOND`.

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
    degree = checked_degree(sh_rest, degree, wants)
    everything = Gaussians(means, quats, log_scales, opacity_logits, sh_dc, sh_rest)
    kept = drawable(everything, view, degree, antialiased, near)
    gaussians = everything[kept]
    drawn = project(gaussians, view, degree, antialiased)
    values = {"rgb": drawn.colors}
    if "normals" in wants:
        values["normals"] = shortest_axes(gaussians, view)
    return picture_of(drawn, values, view, background, Asked(wants, len(means), kept, statistics))


def shortest_axes(g: Gaussians, view: PinholeView) -> Float[Tensor, "m 3"]:
    """The shortest axes, in the world, turned towards the camera."""
    shortest = g.log_scales.argmin(dim=1)
    axes = rotation_from_quaternion(g.quats)
    normals = torch.take_along_dim(axes, shortest[:, None, None], dim=2)[:, :, 0]
    return turned_to_camera(normals, g.means, view)


def turned_to_camera(
    normals: Float[Tensor, "m 3"], means: Float[Tensor, "m 3"], view: PinholeView
) -> Float[Tensor, "m 3"]:
    """Normals at points, those that look away reversed; all in the world."""
    turn, shift = view.camera_from_world[:, :3], view.camera_from_world[:, 3]
    away = ((means + turn.T @ shift) * normals).sum(dim=1, keepdim=True) > 0
    return torch.where(away, -normals, normals)
