"""The public rasteriser: one signature, a twin for each device, and gsplat where it serves.

Letters: n Gaussians or surfels, k harmonics beyond the first, h, w pixels.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from jaxtyping import Float
from torch import Tensor

from polyfield.kernels.choice import plain
from polyfield.kernels.rasterize.arguments import (
    SURFEL_WANTS,
    WANTS,
    check_lengths,
    check_primitive,
    check_size,
    checked_degree,
)
from polyfield.kernels.rasterize.backends import by_gsplat
from polyfield.kernels.rasterize.composite_reference import mean_z
from polyfield.kernels.rasterize.gsplat_adapter import rasterize_gsplat
from polyfield.kernels.rasterize.operation import Rasterize, Settings
from polyfield.kernels.rasterize.primitives import GAUSSIANS, SURFELS
from polyfield.kernels.rasterize.records import NEAR, PinholeView, Rasterized, ScreenStatistics
from polyfield.kernels.rasterize.reference import rasterize_reference
from polyfield.kernels.rasterize.surfels_reference import rasterize_surfels_reference


def rasterize(
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
    primitive: str = "gaussians",
    backend: str = "auto",
) -> Rasterized:
    """A picture of Gaussians or surfels, differentiable to all of them, to pose and background.

    Left out are those whose centre is not beyond `near`, whose opacity is below 1/255, whose
    quaternion is zero, or of whom anything is not finite; see `records.BEYOND`.

    Args:
        means: centres, world; the others as `splats.Splats` has them.
        log_scales: of surfels, the third is ignored.
        view: the camera; its pose may need a gradient.
        background: sRGB behind everything; None for black.
        degree: of the spherical harmonics that count; None for all there are.
        antialiased: whether what the blur adds to a Gaussian's area is taken from its opacity; not
            for surfels.
        near: least z of a centre, and of where a ray meets a surfel, world units.
        wants: some of "z_depth", "median", "normals" and, of surfels, "distortion", which are not
            made otherwise.
        statistics: to be filled in.
        primitive: "gaussians" (3D, Kerbl et al. 2023) or "surfels" (2D, Huang et al. 2024).
        backend: "own" for the library's twins, "gsplat", or "auto": gsplat for what lies on CUDA,
            where it is installed and can, else our own.

    Raises:
        InputError: for arrays of different numbers of Gaussians, for what there is not, something
            else wanted, an empty picture, or gsplat where it cannot draw it.
    """
    check_primitive(primitive, antialiased)
    surfels = primitive == "surfels"
    degree = checked_degree(sh_rest, degree, wants, SURFEL_WANTS if surfels else WANTS)
    check_size(view)
    parameters = (means, quats, log_scales, opacity_logits, sh_dc, sh_rest)
    check_lengths(*parameters)
    options: dict[str, Any] = {
        "background": background,
        "degree": degree,
        "near": near,
        "wants": wants,
        "statistics": statistics,
    }
    if by_gsplat(backend, means.device, means.dtype, primitive, wants):
        return rasterize_gsplat(*parameters, view, antialiased=antialiased, **options)
    if plain(means):
        if surfels:
            return rasterize_surfels_reference(*parameters, view, **options)
        return rasterize_reference(*parameters, view, antialiased=antialiased, **options)
    distorted = "distortion" in wants
    settings = Settings(
        size=(view.width, view.height),
        intrinsics=view.intrinsics,
        near=near,
        degree=degree,
        antialiased=antialiased,
        depth=distorted or "z_depth" in wants or "median" in wants,
        normals="normals" in wants,
        distortion=distorted,
        statistics=statistics,
    )
    behind = means.new_zeros(3) if background is None else background
    pose = view.camera_from_world.to(means.dtype)
    rgb, opacity, depth, median, normals, distortion, radii = Rasterize.apply(
        SURFELS if surfels else GAUSSIANS, settings, *parameters, pose, behind
    )
    if statistics is not None:
        statistics.radii = radii
    return Rasterized(
        rgb,
        opacity,
        z_depth=depth if "z_depth" in wants else None,
        median_z_depth=median if "median" in wants else None,
        normals=normals if "normals" in wants else None,
        distortion=distortion * mean_z(depth, opacity) if distorted else None,
        visible=radii > 0,
    )
