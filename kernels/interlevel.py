"""What ties a proposal to the field that it proposes for: histograms of weights and their bound.

Letters: r rays, m bins of the proposal, k bins of the field. w_i = T_i (1 - exp(-density_i dt_i)).
The bound of a final bin is the sum of the proposal's weights over the bins that overlap it: if the
proposal saw all of what the field sees, no final weight would exceed its bound, however the mass
lies within the proposal's bins. The loss is what does exceed it,

    sum_i max(0, w_i - bound_i)^2 / (w_i + eps),                     (Barron et al. 2022, eq. 13)

with gradient to the proposal alone.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numba import prange
from torch import Tensor

from polyfield.kernels import resample_reference as reference
from polyfield.kernels.blocks import specialise
from polyfield.kernels.choice import plain
from polyfield.kernels.launch import launch

EPS = 1e-7


def _weights(density, dt, weights):  # type: ignore[no-untyped-def]
    one = density.dtype.type(1)
    for ray in prange(density.shape[0]):
        light = one
        for i in range(density.shape[1]):
            w = light * (one - math.exp(-density[ray, i] * dt[ray, i]))
            weights[ray, i] = w
            light -= w


def _weights_backward(weights, dt, d_weights, d_density):  # type: ignore[no-untyped-def]
    one, zero = weights.dtype.type(1), weights.dtype.type(0)
    for ray in prange(weights.shape[0]):
        behind, light = zero, one
        for i in range(weights.shape[1]):
            behind += weights[ray, i] * d_weights[ray, i]
        for i in range(weights.shape[1]):
            light -= weights[ray, i]
            behind -= weights[ray, i] * d_weights[ray, i]
            d_density[ray, i] = dt[ray, i] * (light * d_weights[ray, i] - behind)


class _RayWeights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, density: Tensor, dt: Tensor) -> Tensor:  # type: ignore[override]
        lengths = dt.detach().contiguous()
        weights = torch.empty_like(density, memory_format=torch.contiguous_format)
        run = specialise(_weights)
        with launch():
            run(density.detach().contiguous().numpy(), lengths.numpy(), weights.numpy())
        ctx.save_for_backward(weights, lengths)
        return weights

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_weights: Tensor) -> tuple[Tensor, None]:
        weights, dt = ctx.saved_tensors
        d_density = torch.empty_like(weights)
        run = specialise(_weights_backward)
        with launch():
            run(weights.numpy(), dt.numpy(), d_weights.contiguous().numpy(), d_density.numpy())
        return d_density, None


def ray_weights(density: Float[Tensor, "r m"], dt: Float[Tensor, "r m"]) -> Float[Tensor, "r m"]:
    """The share of a ray's light that each of its intervals stops; differentiable in the density.

    Args:
        density: 1 / world unit; dt: lengths of the intervals, world units, a constant.
    """
    if plain(density):
        return reference.ray_weights_reference(density, dt.detach())
    return _RayWeights.apply(density, dt)


def _interlevel(edges, weights, final_edges, final_weights, eps, loss, slope):  # type: ignore[no-untyped-def]
    m, zero, two = weights.shape[1], weights.dtype.type(0), weights.dtype.type(2)
    for ray in prange(weights.shape[0]):
        cdf = np.empty(m + 1, weights.dtype)
        step = np.zeros(m + 1, weights.dtype)  # how the slope changes from bin to bin
        cdf[0] = zero
        for i in range(m):
            cdf[i + 1] = cdf[i] + weights[ray, i]
        low, high, total = 0, 0, zero
        for j in range(final_weights.shape[1]):
            left, right, w = final_edges[ray, j], final_edges[ray, j + 1], final_weights[ray, j]
            while low < m and edges[ray, low + 1] <= left:
                low += 1
            high = max(high, low)
            while high < m and edges[ray, high] < right:
                high += 1
            excess = w - (cdf[high] - cdf[low])
            if excess > zero:
                total += excess * excess / (w + eps)
                step[low] -= two * excess / (w + eps)
                step[high] += two * excess / (w + eps)
        loss[ray] = total
        running = zero
        for i in range(m):
            running += step[i]
            slope[ray, i] = running


class _Interlevel(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, *constants: Any) -> Tensor:  # type: ignore[override]
        edges, final_edges, final_weights, eps = constants
        loss = torch.empty(len(weights), dtype=weights.dtype)
        slope = torch.empty_like(weights, memory_format=torch.contiguous_format)
        arrays = [
            tensor.detach().contiguous().numpy()
            for tensor in (edges, weights, final_edges, final_weights)
        ]
        run = specialise(_interlevel)
        with launch():
            run(*arrays, arrays[1].dtype.type(eps), loss.numpy(), slope.numpy())
        ctx.save_for_backward(slope)
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:
        (slope,) = ctx.saved_tensors
        return slope * d_loss[:, None], None, None, None, None


def interlevel(
    edges: Float[Tensor, "r m+1"],
    weights: Float[Tensor, "r m"],
    final_edges: Float[Tensor, "r k+1"],
    final_weights: Float[Tensor, "r k"],
    eps: float = EPS,
) -> Float[Tensor, " r"]:
    """By how much a proposal fails to bound the final histogram, for every ray.

    Args:
        edges, weights: the proposal's, edges ascending; differentiable in the weights.
        final_edges, final_weights: the field's, within the proposal's edges; constants.
    """
    if plain(weights):
        return reference.interlevel_reference(edges, weights, final_edges, final_weights, eps)
    return _Interlevel.apply(weights, edges, final_edges, final_weights, eps)
