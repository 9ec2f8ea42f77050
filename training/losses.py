"""What a batch of rendered rays is held to. Every loss is a mean over rays, a scalar.

Letters: r rays.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

Scalar = Float[Tensor, ""]


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
