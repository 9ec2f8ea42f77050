"""Density at points as one operation of autograd: encode, trunk and activation a block at a time.

What `kernels.sweep` computes, with gradients of the parameters (not of the points): what proposals
are asked for in every step, at many more points than a field is. Letters: n points, c features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numba import get_num_threads, prange
from torch import Tensor

from polyfield.kernels.blocks import specialise
from polyfield.kernels.frames import BACKWARD, backward_of_part
from polyfield.kernels.launch import launch
from polyfield.kernels.mlp import mlp_backward
from polyfield.kernels.samples import density_of, encode_rows, raw_density, trunk_rows
from polyfield.kernels.volume import VolumeKernels

POINTS = 1024  # a block, small enough for its activations to stay in cache


def _forward(  # type: ignore[no-untyped-def]
    xs, encoding, n_parts, summed, trunk_params, trunk_shape, kind, shift, scale, features, acts,
    density, slope,
):  # fmt: skip
    n = xs.shape[0]
    for task in prange((n + POINTS - 1) // POINTS):
        i0, i1 = task * POINTS, min((task + 1) * POINTS, n)
        block = features[i0:i1]
        encode_rows(xs[i0:i1], 0, i1 - i0, 0, n_parts, encoding, block)
        rows = trunk_rows(block, summed, trunk_params, trunk_shape, acts[task], POINTS, 0, i1 - i0)
        raw_density(rows, summed, density[i0:i1])
        for i in range(i0, i1):
            density[i], slope[i] = density_of(density[i], kind, shift, scale)


def _backward(  # type: ignore[no-untyped-def]
    xs, encoding, n_parts, summed, trunk_params, trunk_shape, features, acts, slope, d_density,
    n_threads, d_params, d_trunk,
):  # fmt: skip
    n, width = features.shape
    tasks = (n + POINTS - 1) // POINTS
    d_features = np.zeros((n, width), features.dtype)
    columns = np.ascontiguousarray(xs.T)
    for thread in prange(n_threads):
        d_out = np.zeros((POINTS, trunk_shape[2 + trunk_shape[0]]), features.dtype)
        for task in range(thread, tasks, n_threads):
            i0, i1 = task * POINTS, min((task + 1) * POINTS, n)
            for i in range(i0, i1):
                d_raw = d_density[i] * slope[i]
                d_out[i - i0, 0] = d_raw
                for c in range(summed):
                    d_features[i, c] = d_raw
            if summed == 0:
                mlp_backward(
                    features[i0:i1], trunk_params, trunk_shape, acts[task], POINTS, 0, i1 - i0,
                    d_out[: i1 - i0], d_trunk[thread], d_features[i0:i1],
                )  # fmt: skip
    for thread in prange(n_threads):
        for part in range(thread, n_parts, n_threads):
            backward_of_part(columns, part, d_features, encoding, d_params)


class _Density(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, x: Tensor, params: Tensor, trunk: Tensor, kernels: VolumeKernels
    ) -> Tensor:
        encoder, decoder = kernels.encoder, kernels.decoder
        points, values, weights = (a.detach().contiguous().numpy() for a in (x, params, trunk))
        n, dtype = len(points), values.dtype
        features = np.empty((n, encoder.width), dtype)
        acts = np.empty((-(-n // POINTS), POINTS * decoder.trunk_width), dtype)
        density, slope = np.empty(n, dtype), np.empty(n, dtype)
        run = specialise(_forward)
        frames = np.zeros((0, points.shape[1], points.shape[1]), dtype)
        encoding = encoder.encoding(values, frames, BACKWARD)
        network = (encoding, kernels.density_parts, decoder.summed, weights, decoder.trunk_shape)
        with launch():
            run(
                points, *network, decoder.activation, dtype.type(decoder.shift),
                dtype.type(decoder.scale), features, acts, density, slope,
            )  # fmt: skip
        ctx.save_for_backward(params, trunk)
        ctx.arguments = (points, *network, features, acts, slope)
        return torch.from_numpy(density)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_density: Tensor) -> tuple[Tensor | None, ...]:
        params, trunk = ctx.saved_tensors
        threads = get_num_threads()
        d_params = torch.zeros_like(params)
        d_trunk = trunk.new_zeros(threads, len(trunk))
        run = specialise(_backward)
        with launch():
            run(
                *ctx.arguments, d_density.contiguous().numpy(), threads, d_params.numpy(),
                d_trunk.numpy(),
            )  # fmt: skip
        return None, d_params, d_trunk.sum(dim=0), None


def density_at(
    kernels: VolumeKernels, x: Float[Tensor, "n d"], params: Tensor, trunk: Tensor
) -> Float[Tensor, " n"]:
    """Density at points of the unit cube, differentiable in the parameters alone.

    Args:
        params, trunk: the encoder's and the trunk's flat parameters; the encoder has no frames.
    """
    if len(x) == 0:
        return torch.cat([params[:0], trunk[:0]])  # with gradients to both, of zero
    return _Density.apply(x, params, trunk, kernels)
