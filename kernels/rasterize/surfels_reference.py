"""Rasterised surfels (2D Gaussians, Huang et al. 2024) in plain torch: what is right.

A surfel is a disk: a centre, two tangents u, v with standard deviations, the first two columns of
the rotation and the first two scales, and a normal, the third column turned to the camera. The
third scale counts for nothing; it is there so that parameters and files are those of Gaussians.

A ray of a pixel lies in two planes, x = px and y = py in the picture. In coordinates (u, v, 1) of
the disk each is a row of numbers, and both rows vanish where the ray meets the disk (equations 8
to 10). There alpha = opacity exp(-rho / 2) with rho = u^2 + v^2, or rho = 2 d^2 at d pixels from
the centre's projection where that is less: a low-pass of sigma = sqrt(2)/2 pixels, which keeps
disks that are far, or seen edge-on. The depth of a surfel in a pixel is that of the intersection,
where it decides, else that of the centre. Letters: n surfels, m of them drawn, g of them in a tile,
p its pixels, k harmonics beyond the first.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from polyfield.kernels.quaternions import rotation_from_quaternion
from polyfield.kernels.rasterize.arguments import SURFEL_WANTS, checked_degree
from polyfield.kernels.rasterize.composite_reference import Asked, picture_of
from polyfield.kernels.rasterize.projection_reference import Gaussians, colors_of, sound
from polyfield.kernels.rasterize.records import (
    BEYOND,
    EDGE,
    HORIZON,
    LEAST_ALPHA,
    NEAR,
    SHARPEST,
    PinholeView,
    Rasterized,
    ScreenStatistics,
)
from polyfield.kernels.rasterize.reference import turned_to_camera


def rasterize_surfels_reference(
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
    near: float = NEAR,
    wants: Collection[str] = (),
    statistics: ScreenStatistics | None = None,
) -> Rasterized:
    """A picture of surfels, as `reference.rasterize_reference` makes one of Gaussians.

    Left out are those whose centre is not beyond `near`, whose opacity is below 1/255, whose
    quaternion is zero, or of whom anything but the third scale is not finite; `records.BEYOND` says
    what counts as that.

    Args:
        log_scales: of which the third is ignored.
        near: least z of a centre and of an intersection, world units.
        wants: some of "z_depth", "median", "normals" and "distortion".
    """
    degree = checked_degree(sh_rest, degree, wants, SURFEL_WANTS)
    everything = Gaussians(means, quats, log_scales, opacity_logits, sh_dc, sh_rest)
    with torch.no_grad():
        kept = _drawable(everything, view, degree, near)
    surfels = everything[kept]
    drawn = disks_of(surfels, view, degree, near)
    values = {"rgb": drawn.colors}
    if "normals" in wants:
        values["normals"] = drawn.normals
    return picture_of(drawn, values, view, background, Asked(wants, len(means), kept, statistics))


@dataclass(frozen=True)
class Disks:
    """m surfels as a picture shows them.

    Attributes:
        centers: [m,2] pixels, (0, 0) the corner of the picture.
        across: [m,2,2] d (x - centre) z / d (u, v): pixels times world units.
        along: [m,2] dz / d (u, v), world units.
        edge_on: [m] whether no ray is taken to meet the disk.
        opacities, z: [m]; colors, normals: [m,3], the normals in the world.
        near: least z of an intersection.
    """

    centers: Float[Tensor, "m 2"]
    across: Float[Tensor, "m 2 2"]
    along: Float[Tensor, "m 2"]
    edge_on: Tensor
    opacities: Float[Tensor, " m"]
    z: Float[Tensor, " m"]
    colors: Float[Tensor, "m 3"]
    normals: Float[Tensor, "m 3"]
    near: float

    @property
    def reach(self) -> Float[Tensor, " m"]:
        """Greatest rho that is drawn."""
        return (2 * (self.opacities / LEAST_ALPHA).log()).clamp(min=0)

    def radii(self) -> Float[Tensor, " m"]:
        """The longer half-axes of what is drawn, pixels, as perspective is at the centre."""
        largest = torch.linalg.matrix_norm(self.across / self.z[:, None, None], ord=2)
        return self.reach.sqrt() * largest.clamp(min=0.5**0.5)

    def boxes(self) -> tuple[Tensor, Tensor]:
        """Corners of boxes around what is drawn; no ends where that nears the camera's plane.

        A line x = a touches the disk's rim where (a row) D (a row) = 0, D = diag(k, k, -1).
        """
        k, z = self.reach[:, None], self.z[:, None]
        left = 1 - k * (self.along / z).square().sum(dim=1, keepdim=True)
        rows = self.across / z[:, :, None]
        skew = k * (rows * (self.along / z)[:, None]).sum(dim=2)
        half = (skew.square() + k * rows.square().sum(dim=2) * left.clamp(min=0)).sqrt()
        disc = (0.5 * k).sqrt()
        ends = left >= HORIZON
        low = torch.where(ends, torch.minimum((-skew - half) / left, -disc), -torch.inf)
        high = torch.where(ends, torch.maximum((-skew + half) / left, disc), torch.inf)
        return self.centers + low, self.centers + high

    def seen(self, part: Int[Tensor, " g"], offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Alpha and z [p,g] at offsets [p,g,2] from the centres."""
        z, along, across = self.z[part], self.along[part], self.across[part]
        # Planes x = px and y = py: a (u, v) row and a constant each.
        rows = across - offsets[..., None] * along[:, None, :]  # [p,g,2,2]
        ends = -offsets * z[:, None]
        (a, b), (c, d) = (row.unbind(dim=-1) for row in rows.unbind(dim=-2))
        e, f = ends.unbind(dim=-1)
        determinant = a * d - b * c
        solvable = ~self.edge_on[part] & (determinant != 0)
        over = 1 / torch.where(solvable, determinant, 1.0)
        u, v = (b * f - d * e) * over, (c * e - a * f) * over
        met = z + u * along[:, 0] + v * along[:, 1]
        square, flat = u * u + v * v, 2 * offsets.square().sum(dim=-1)
        hit = solvable & (met > self.near) & (square <= flat)
        rho = torch.where(hit, torch.where(hit, square, 0.0), flat)
        depth = torch.where(hit, torch.where(hit, met, 1.0), z)
        return self.opacities[part] * (-0.5 * rho).exp(), depth


def disks_of(g: Gaussians, view: PinholeView, degree: int, near: float) -> Disks:
    """Surfels in a picture; those behind the camera give numbers without meaning."""
    turn, shift = view.camera_from_world[:, :3], view.camera_from_world[:, 3]
    at = g.means @ turn.T + shift
    x, y, z = at.unbind(dim=1)
    axes = rotation_from_quaternion(g.quats)
    tangents = turn @ axes[:, :, :2] * g.log_scales[:, None, :2].exp()  # [m,3,2]
    fx, fy, cx, cy = view.intrinsics
    along = tangents[:, 2]
    across_x = fx * (tangents[:, 0] - (x / z)[:, None] * along)
    across_y = fy * (tangents[:, 1] - (y / z)[:, None] * along)
    across = torch.stack([across_x, across_y], dim=1)
    centers = torch.stack([fx * x / z + cx, fy * y / z + cy], dim=1)
    colors = colors_of(g.means, g.sh_dc, g.sh_rest, -turn.T @ shift, degree)
    normals = turned_to_camera(axes[:, :, 2], g.means, view)
    with torch.no_grad():
        facing = (normals @ turn.T * at).sum(dim=1) / at.norm(dim=1)
        sharpest = torch.linalg.inv_ex(across / z[:, None, None])[0].abs().sum(dim=(1, 2))
        edge_on = (facing.abs() < EDGE) | ~(sharpest < SHARPEST)
    opacities = torch.sigmoid(g.opacity_logits)
    return Disks(centers, across, along, edge_on, opacities, z, colors, normals, near)


def _drawable(g: Gaussians, view: PinholeView, degree: int, near: float) -> Int[Tensor, " m"]:
    """Which surfels are drawn: before the camera, not too faint, and numbers all through."""
    d = disks_of(g, view, degree, near)
    numbers = [d.centers, d.across.flatten(1), d.along, d.opacities[:, None], d.colors, d.normals]
    largest = (d.across.abs().sum(dim=(1, 2)) + d.along.abs().sum(dim=1)) / d.z
    ok = (d.z > near) & (d.opacities >= LEAST_ALPHA) & (largest < BEYOND)
    ok &= torch.cat(numbers, dim=1).isfinite().all(dim=1)
    return torch.nonzero(ok & sound(g, view, degree, scales=2))[:, 0]
