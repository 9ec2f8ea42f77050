"""Gaussians as ellipses of a picture, in plain torch (EWA, Zwicker et al. 2001; Kerbl et al. 2023).

Letters: n Gaussians, m of them that are drawn, k harmonics beyond the first; x, y, z of a centre in
the camera, z along its axis; a, b, c the inverse [[a, b], [b, c]] of a covariance in the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from polyfield.kernels.quaternions import rotation_from_quaternion
from polyfield.kernels.rasterize.records import (
    BEYOND,
    BLUR,
    LEAST_ALPHA,
    LONG,
    SHORT,
    PinholeView,
)
from polyfield.kernels.spherical_harmonics import spherical_harmonics_reference

MARGIN = 0.3  # of half a picture, beyond which the slope of a projection stays as it is at the edge


@dataclass(frozen=True)
class Projected:
    """m Gaussians as a picture shows them.

    Attributes:
        centers: [m,2] pixels, (0, 0) the corner of the picture.
        covariances: [m,3] xx, xy, yy, pixels squared, with the blur.
        conics: [m,3] a, b, c.
        opacities: [m] with the compensation of antialiasing, where asked.
        z: [m] world units.
        colors: [m,3] 0 or more.
    """

    centers: Float[Tensor, "m 2"]
    covariances: Float[Tensor, "m 3"]
    conics: Float[Tensor, "m 3"]
    opacities: Float[Tensor, " m"]
    z: Float[Tensor, " m"]
    colors: Float[Tensor, "m 3"]

    @property
    def reach(self) -> Float[Tensor, " m"]:
        """Squared distance, in standard deviations, at which alpha falls to the least drawn."""
        return (2 * (self.opacities / LEAST_ALPHA).log()).clamp(min=0)

    def boxes(self) -> tuple[Float[Tensor, "m 2"], Float[Tensor, "m 2"]]:
        """Corners of the boxes around what is drawn, pixels."""
        extents = (self.reach[:, None] * self.covariances[:, ::2]).sqrt()
        return self.centers - extents, self.centers + extents

    def seen(self, part: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Alpha [p,g] and z [g] of some at offsets [p,g,2] from their centres."""
        dx, dy = offsets.unbind(dim=2)
        a, b, c = self.conics[part].unbind(dim=1)
        power = -0.5 * (a * dx * dx + c * dy * dy) - b * dx * dy
        return self.opacities[part] * power.exp(), self.z[part]

    def radii(self) -> Float[Tensor, " m"]:
        """The longer half-axes of what is drawn, pixels."""
        return (self.reach * self.largest()).sqrt()

    def largest(self) -> Float[Tensor, " m"]:
        """The larger eigenvalues of the covariances, pixels squared."""
        xx, xy, yy = self.covariances.unbind(dim=1)
        mean, half = 0.5 * (xx + yy), 0.5 * (xx - yy)
        return mean + (half * half + xy * xy).sqrt()


@dataclass(frozen=True)
class Gaussians:
    """The parameters, as `rasterize` takes them."""

    means: Float[Tensor, "n 3"]
    quats: Float[Tensor, "n 4"]
    log_scales: Float[Tensor, "n 3"]
    opacity_logits: Float[Tensor, " n"]
    sh_dc: Float[Tensor, "n 3"]
    sh_rest: Float[Tensor, "n k 3"]

    def __getitem__(self, which: Int[Tensor, " m"]) -> Gaussians:
        return Gaussians(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


def project(g: Gaussians, view: PinholeView, degree: int, antialiased: bool) -> Projected:
    """Gaussians in a picture; those behind the camera give numbers without meaning.

    Args:
        g: all before the camera.
        degree: of the spherical harmonics.
        antialiased: whether what the blur adds to a Gaussian's area is taken from its opacity.
    """
    turn, shift = view.camera_from_world[:, :3], view.camera_from_world[:, 3]
    at = g.means @ turn.T + shift
    axes = rotation_from_quaternion(g.quats) * g.log_scales.exp()[:, None, :]
    across = _slopes(at, view) @ turn @ axes  # [m,2,3]; the covariance is its square
    sharp = torch.stack(
        [(across[:, i] * across[:, j]).sum(dim=1) for i, j in ((0, 0), (0, 1), (1, 1))], dim=1
    )
    blurred = sharp + sharp.new_tensor([BLUR, 0.0, BLUR])
    # Of needles the determinants would be differences of large products.
    sharp_area = torch.linalg.cross(across[:, 0], across[:, 1]).square().sum(dim=1)
    area = sharp_area + BLUR * (sharp[:, 0] + sharp[:, 2] + BLUR)
    opacities = torch.sigmoid(g.opacity_logits)
    if antialiased:
        ratio = sharp_area / area
        drawn = ratio > torch.finfo(ratio.dtype).tiny  # the root's slope has no end at 0
        opacities = opacities * torch.where(drawn, ratio, 1.0).sqrt() * drawn
    fx, fy, cx, cy = view.intrinsics
    centers = at[:, :2] / at[:, 2:] * at.new_tensor([fx, fy]) + at.new_tensor([cx, cy])
    conics = torch.stack([blurred[:, 2], -blurred[:, 1], blurred[:, 0]], dim=1) / area[:, None]
    colors = colors_of(g.means, g.sh_dc, g.sh_rest, -turn.T @ shift, degree)
    return Projected(centers, blurred, conics, opacities, at[:, 2], colors)


def drawable(
    g: Gaussians, view: PinholeView, degree: int, antialiased: bool, near: float
) -> Int[Tensor, " m"]:
    """Which Gaussians are drawn: before the camera, not too faint, and numbers all through."""
    with torch.no_grad():
        p = project(g, view, degree, antialiased)
        return torch.nonzero(are_drawn(p, g, view, degree, near))[:, 0]


@torch.no_grad()
def are_drawn(
    p: Projected, g: Gaussians, view: PinholeView, degree: int, near: float
) -> Bool[Tensor, " n"]:
    """What `drawable` asks, of Gaussians that are projected already."""
    numbers = [p.centers, p.covariances, p.conics, p.opacities[:, None], p.colors]
    ok = (p.z > near) & (p.opacities >= LEAST_ALPHA) & (p.largest() < BEYOND)
    ok &= torch.cat(numbers, dim=1).isfinite().all(dim=1)
    return ok & sound(g, view, degree)


def sound(g: Gaussians, view: PinholeView, degree: int, scales: int = 3) -> Bool[Tensor, " m"]:
    """Which have a rotation and parameters that count as finite, see `records.BEYOND`.

    Args:
        scales: of which so many count.
    """
    turn, shift = view.camera_from_world[:, :3], view.camera_from_world[:, 3]
    away = (g.means @ turn.T + shift).abs().sum(dim=1)
    lights = signed_colors(g.means, g.sh_dc, g.sh_rest, -turn.T @ shift, degree) - 0.5
    squares = g.quats.square().sum(dim=1)
    return (
        (away < LONG)
        & (squares > SHORT * SHORT)
        & (squares < LONG * LONG)
        & (g.log_scales[:, :scales].abs().sum(dim=1) < BEYOND)
        & g.opacity_logits.isfinite()
        & (lights.abs().sum(dim=1) < BEYOND)
    )


def colors_of(
    means: Float[Tensor, "m 3"],
    sh_dc: Float[Tensor, "m 3"],
    sh_rest: Float[Tensor, "m k 3"],
    camera: Float[Tensor, "3"],
    degree: int,
) -> Float[Tensor, "m 3"]:
    """Colours as a camera at `camera` sees them, 0 or more."""
    return signed_colors(means, sh_dc, sh_rest, camera, degree).clamp(min=0)


def signed_colors(
    means: Float[Tensor, "m 3"],
    sh_dc: Float[Tensor, "m 3"],
    sh_rest: Float[Tensor, "m k 3"],
    camera: Float[Tensor, "3"],
    degree: int,
) -> Float[Tensor, "m 3"]:
    """Colours before what is below 0 is cut off."""
    directions = torch.nn.functional.normalize(means - camera, dim=1)
    basis = spherical_harmonics_reference(directions, degree)
    seen = basis[:, :1] * sh_dc + (basis[:, 1:, None] * sh_rest[:, : basis.shape[1] - 1]).sum(dim=1)
    return seen + 0.5


def _slopes(at: Float[Tensor, "m 3"], view: PinholeView) -> Float[Tensor, "m 2 3"]:
    """Derivatives of a position in the picture by one in the camera."""
    rows = []
    for axis, size in ((0, view.width), (1, view.height)):
        focal, center = view.intrinsics[axis], view.intrinsics[2 + axis]
        margin = MARGIN * 0.5 * size / focal
        z = at[:, 2]
        tangent = (at[:, axis] / z).clamp(
            -center / focal - margin, (size - center) / focal + margin
        )
        row = [torch.zeros_like(z), torch.zeros_like(z), -focal * tangent / z]
        row[axis] = focal / z
        rows.append(torch.stack(row, dim=1))
    return torch.stack(rows, dim=1)


def degree_of(k: int) -> int:
    """The degree of k harmonics beyond the first."""
    return math.isqrt(k + 1) - 1
