"""The rasteriser of gsplat (Ye et al. 2025) under our signature, for Gaussians on CUDA.

gsplat projects, sorts and composites as `reference` does, with the same blur and cut-offs, but for
one: the Gaussian that would take a pixel's transmittance to 1e-4 or below is the last one of ours,
and left out by gsplat. Which Gaussians are drawn at all, which of them show and how far they reach
is found here, as the reference finds it: gsplat has other rules, and none for what is no number.
Letters: n Gaussians, m of them that show, k harmonics beyond the first, c channels, h, w pixels.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from polyfield.kernels.rasterize.arguments import checked_degree
from polyfield.kernels.rasterize.composite_reference import in_picture
from polyfield.kernels.rasterize.projection_reference import Gaussians, are_drawn, project
from polyfield.kernels.rasterize.records import (
    BLUR,
    LONG,
    NEAR,
    PinholeView,
    Rasterized,
    ScreenStatistics,
)
from polyfield.kernels.rasterize.reference import rasterize_reference, shortest_axes

KNOWN = ("z_depth", "normals")


def rasterize_gsplat(
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
    """A picture of Gaussians, as `reference.rasterize_reference` makes one, but by gsplat.

    Args:
        wants: some of "z_depth" and "normals"; gsplat knows no median depth of Gaussians.
    """
    degree = checked_degree(sh_rest, degree, wants, KNOWN)
    view = replace(view, camera_from_world=view.camera_from_world.to(means))
    everything = Gaussians(means, quats, log_scales, opacity_logits, sh_dc, sh_rest)
    visible, radii = _shown(everything, view, degree, antialiased, near)
    kept = torch.nonzero(visible)[:, 0]
    if len(kept) == 0:  # gsplat is not made for none
        return rasterize_reference(
            means, quats, log_scales, opacity_logits, sh_dc, sh_rest, view,
            background=background, degree=degree, antialiased=antialiased, near=near, wants=wants,
            statistics=statistics,
        )  # fmt: skip
    gaussians = everything[kept]
    channels = [_colors(gaussians, view, degree)]
    if "normals" in wants:
        channels.append(shortest_axes(gaussians, view))
    camera = _Camera(view, near, antialiased)
    noting = None if statistics is None else _Noting(statistics, radii, kept)
    picture, opacity = _drawn(gaussians, channels, camera, "z_depth" in wants, noting)
    rgb = picture[:3]
    if background is not None:
        rgb = rgb + (1 - opacity) * background.to(rgb)[:, None, None]
    return Rasterized(
        rgb,
        opacity,
        z_depth=picture[-1] if "z_depth" in wants else None,
        normals=picture[3:6] if "normals" in wants else None,
        visible=visible,
    )


@torch.no_grad()
def _shown(
    g: Gaussians, view: PinholeView, degree: int, antialiased: bool, near: float
) -> tuple[Bool[Tensor, " n"], Float[Tensor, " n"]]:
    """Which Gaussians show, and their radii in pixels, 0 for the others."""
    p = project(g, view, degree, antialiased)
    visible = are_drawn(p, g, view, degree, near) & in_picture(p, view)
    return visible, torch.where(visible, p.radii(), 0.0)


def _colors(g: Gaussians, view: PinholeView, degree: int) -> Float[Tensor, "m 3"]:
    """As the camera sees them, 0 or more.

    Made here and not by `rasterization`, which takes harmonics or other channels, but not both.
    """
    import gsplat

    turn, shift = view.camera_from_world[:, :3], view.camera_from_world[:, 3]
    rest = g.sh_rest[:, : (degree + 1) ** 2 - 1]
    harmonics = torch.cat([g.sh_dc[:, None], rest], dim=1)
    lights: Tensor = gsplat.spherical_harmonics(degree, g.means + turn.T @ shift, harmonics)
    return (lights + 0.5).clamp(min=0)


@dataclass(frozen=True)
class _Camera:
    """A view, the least z of a centre, and whether the blur is taken from opacities."""

    view: PinholeView
    near: float
    antialiased: bool


class _Noting:
    """Fills in the statistics of a step: radii at once, the others when the picture's backward ran.

    Args:
        radii: [n] pixels.
        kept: [m] the places of what shows among the n.
    """

    def __init__(
        self, statistics: ScreenStatistics, radii: Float[Tensor, " n"], kept: Int[Tensor, " m"]
    ) -> None:
        self.statistics, self.kept = statistics, kept
        self.centers: Tensor | None = None
        statistics.radii = radii
        statistics.gradients = radii.new_zeros(len(radii), 2)
        statistics.absolute = radii.new_zeros(len(radii), 2) if statistics.magnitudes else None

    def watch(self, centers: Float[Tensor, "1 m 2"]) -> None:
        """Wait for the gradient of centres in the picture, where gsplat leaves its magnitudes."""
        if centers.requires_grad:
            self.centers = centers
            centers.register_hook(self)

    def __call__(self, gradient: Float[Tensor, "1 m 2"]) -> None:
        centers, self.centers = self.centers, None  # else it would hold the picture's graph
        if centers is None:
            return
        assert self.statistics.gradients is not None
        self.statistics.gradients[self.kept] = gradient[0].detach()
        if self.statistics.absolute is not None:
            self.statistics.absolute[self.kept] = centers.absgrad[0]  # type: ignore[attr-defined]


def _drawn(
    g: Gaussians, channels: list[Tensor], camera: _Camera, depth: bool, noting: _Noting | None
) -> tuple[Float[Tensor, "c h w"], Float[Tensor, "h w"]]:
    """Sums of weight x channels, with z behind them if `depth`; and opacities."""
    import gsplat

    view = camera.view
    pose = view.camera_from_world
    fx, fy, cx, cy = view.intrinsics
    picture, opacity, info = gsplat.rasterization(
        g.means,
        g.quats,
        g.log_scales.exp(),
        torch.sigmoid(g.opacity_logits),
        torch.cat(channels, dim=1),
        torch.cat([pose, pose.new_tensor([[0.0, 0.0, 0.0, 1.0]])])[None],
        pose.new_tensor([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])[None],
        view.width,
        view.height,
        near_plane=camera.near,
        far_plane=LONG,
        eps2d=BLUR,
        packed=False,  # all of them show
        render_mode="RGB+D" if depth else "RGB",
        absgrad=noting is not None and noting.statistics.magnitudes,
        rasterize_mode="antialiased" if camera.antialiased else "classic",
    )
    if noting is not None:
        noting.watch(info["means2d"])
    return picture[0].permute(2, 0, 1).contiguous(), opacity[0, :, :, 0]
