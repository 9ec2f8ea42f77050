"""What rendered rays and pictures are held to. Every loss is a mean, a scalar.

Letters: r rays, h, w pixels.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.kernels.rasterize.records import PinholeView

Scalar = Float[Tensor, ""]
SOLID = 0.1  # opacity from which the depth of a pixel tells where a surface is


def mse(rgb: Float[Tensor, "r 3"], truth: Float[Tensor, "r 3"]) -> Scalar:
    """Mean squared error."""
    return (rgb - truth).square().mean()


def huber(rgb: Float[Tensor, "r 3"], truth: Float[Tensor, "r 3"], delta: float = 0.1) -> Scalar:
    """Half the squared error up to `delta`, then linear, over `delta`: outliers pull less."""
    return torch.nn.functional.huber_loss(rgb, truth, delta=delta) / delta


def opacity_entropy(opacity: Float[Tensor, " r"]) -> Scalar:
    """Entropy of a ray being stopped, in nats: low where rays hit something or nothing."""
    o = opacity.clamp(1e-5, 1 - 1e-5)
    return -(o * o.log() + (1 - o) * (1 - o).log()).mean()


def depth_error(
    depth: Float[Tensor, " r"], opacity: Float[Tensor, " r"], truth: Float[Tensor, " r"]
) -> Scalar:
    """Mean error relative to the true distance; rays whose truth is 0 (unknown) do not count.

    Args:
        depth, truth: in the same measure, both along the ray or both along the axis.
        opacity: weighs the errors, without gradient: the expected distance along a ray that meets
            nothing is a quotient of small numbers, and so is its slope.
    """
    known = (truth > 0) * opacity.detach()
    relative = (depth - truth).abs() / truth.clamp(min=1e-6)
    return (relative * known).sum() / (truth > 0).sum().clamp(min=1)


def normal_error(normals: Float[Tensor, "r 3"], truth: Float[Tensor, "r 3"]) -> Scalar:
    """Mean of 1 - cosine between unit normals; rays whose truth is the zero vector do not count."""
    known = truth.square().sum(dim=-1) > 0
    return ((1 - (normals * truth).sum(dim=-1)) * known).sum() / known.sum().clamp(min=1)


def normal_consistency(
    normals: Float[Tensor, "3 h w"],
    z_depth: Float[Tensor, "h w"],
    opacity: Float[Tensor, "h w"],
    view: PinholeView,
) -> Scalar:
    """Mean over pixels of the sum over i of w_i (1 - n_i . N), N the normal of the surface of the
    depths, by central differences (2DGS, Huang et al. 2024, equation 14).

    Pixels at the border, and those beside one of an opacity up to a tenth, do not count.

    Args:
        normals: sums of weight x unit normal, in the world, towards the camera.
        z_depth: of the surface, world units: not a sum of weights.
        opacity: the sum of weights.
    """
    x, y = z_depth.new_tensor(view.intrinsics[2:])
    columns = (torch.arange(view.width).to(z_depth) + 0.5 - x) / view.intrinsics[0]
    lines = (torch.arange(view.height).to(z_depth) + 0.5 - y) / view.intrinsics[1]
    points = torch.stack([columns * z_depth, lines[:, None] * z_depth, z_depth])
    across = points[:, 1:-1, 2:] - points[:, 1:-1, :-2]
    down = points[:, 2:, 1:-1] - points[:, :-2, 1:-1]
    surface = torch.nn.functional.normalize(torch.linalg.cross(down, across, dim=0), dim=0)
    turn = view.camera_from_world[:, :3].to(normals)
    seen = torch.einsum("ij,jhw->ihw", turn, normals[:, 1:-1, 1:-1])
    solid = opacity.detach() > SOLID
    known = solid[1:-1, 2:] & solid[1:-1, :-2] & solid[2:, 1:-1] & solid[:-2, 1:-1]
    error = opacity[1:-1, 1:-1] - (seen * surface).sum(dim=0)
    return torch.where(known, error, 0.0).sum() / opacity.numel()
