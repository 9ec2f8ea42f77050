"""A backbone's block functions as an operation of autograd: points in, features out.

The cpu twin of any backbone: forward parallel over blocks of points, the parameters' gradient
parallel over parts, the points' gradient over blocks again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numba import get_num_threads, prange
from torch import Tensor

from polyfield.errors import InputError
from polyfield.kernels.blocks import Block, specialise, unbound
from polyfield.kernels.gradients import direct_gradient
from polyfield.kernels.launch import launch

POINTS = 2048  # a task: few enough to stay in cache, enough to pay for a level's table


class EncoderBlocks(NamedTuple):
    """What makes a backbone run fused: see `docs/adding_a_backbone.md` for the contract."""

    encode: Block
    encode_backward: Block
    encode_gradient: Block


encode: Block = unbound
encode_backward: Block = unbound
encode_gradient: Block = unbound


def _forward(x, params, ints, floats, n_parts, out):  # type: ignore[no-untyped-def]
    n = x.shape[0]
    for task in prange((n + POINTS - 1) // POINTS):
        i0, i1 = task * POINTS, min((task + 1) * POINTS, n)
        columns = np.ascontiguousarray(x[i0:i1].T)
        for part in range(n_parts):
            encode(part, columns, params, ints, floats, out[i0:i1])


def _backward(x, d_out, params, ints, floats, n_parts, n_threads, d_params):  # type: ignore[no-untyped-def]
    columns = np.ascontiguousarray(x.T)
    for thread in prange(n_threads):
        for part in range(thread, n_parts, n_threads):
            encode_backward(part, columns, d_out, params, ints, floats, d_params)


def _gradient(x, d_out, params, ints, floats, n_parts, d_x):  # type: ignore[no-untyped-def]
    n = x.shape[0]
    for task in prange((n + POINTS - 1) // POINTS):
        i0, i1 = task * POINTS, min((task + 1) * POINTS, n)
        columns = np.ascontiguousarray(x[i0:i1].T)
        d_columns = np.zeros_like(columns)
        for part in range(n_parts):
            encode_gradient(part, columns, d_out[i0:i1], params, ints, floats, d_columns)
        d_x[i0:i1] = d_columns.T


class EncoderKernels:
    """The compiled kernels of one backbone and the description they run on.

    Args:
        blocks: the block functions.
        ints, floats: [*] what the block functions read (see their module).
        n_parts: independent parts; width: features in all, c.
        in_dim: coordinates of a point, d.
    """

    def __init__(
        self,
        blocks: EncoderBlocks,
        ints: np.ndarray,
        floats: np.ndarray,
        n_parts: int,
        width: int,
        in_dim: int,
    ) -> None:
        self.blocks, self.n_parts, self.width, self.in_dim = blocks, n_parts, width, in_dim
        self.ints = np.ascontiguousarray(ints, np.int64)
        self.floats = np.ascontiguousarray(floats, np.float64)
        self.floats32 = self.floats.astype(np.float32)

    def floats_as(self, dtype: np.dtype) -> np.ndarray:
        return self.floats32 if dtype == np.float32 else self.floats

    def __call__(self, x: Float[Tensor, "n d"], params: Float[Tensor, " p"]) -> Tensor:
        """Features [n, width] of points x in the unit cube; differentiable in both."""
        if x.ndim != 2 or x.shape[1] != self.in_dim:
            raise InputError(field="points", found=tuple(x.shape), expected=f"[n, {self.in_dim}]")
        return _Encode.apply(x.to(params.dtype), params, self)


class _Encode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, params: Tensor, kernels: EncoderKernels) -> Tensor:
        ctx.kernels = kernels
        ctx.save_for_backward(x, params)
        out = torch.empty(x.shape[0], kernels.width, dtype=params.dtype)
        if x.shape[0] == 0:
            return out
        run = specialise(_forward, encode=kernels.blocks.encode)
        points, values = x.detach().contiguous().numpy(), params.detach().numpy()
        with launch():
            floats = kernels.floats_as(values.dtype)
            run(points, values, kernels.ints, floats, kernels.n_parts, out.numpy())
        return out

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, params = ctx.saved_tensors
        want_x, want_params = ctx.needs_input_grad[:2]
        direct = direct_gradient(params, want_params)
        if direct is not None:
            params_backward(ctx.kernels, x, params, d_out, direct)
            want_params = False
        wanted = (want_x, want_params)
        return (*_EncodeBackward.apply(x, params, d_out, ctx.kernels, wanted), None)


def params_backward(
    kernels: EncoderKernels, x: Tensor, params: Tensor, d_out: Tensor, d_params: np.ndarray
) -> None:
    """Add the parameters' gradient [p] to `d_params`, for d_out [n, c] at points x [n, d]."""
    values = params.detach().numpy()
    run = specialise(_backward, encode_backward=kernels.blocks.encode_backward)
    threads = min(get_num_threads(), kernels.n_parts)
    points, d_values = x.detach().contiguous().numpy(), d_out.detach().contiguous().numpy()
    floats = kernels.floats_as(values.dtype)
    with launch():
        run(points, d_values, values, kernels.ints, floats, kernels.n_parts, threads, d_params)


class _EncodeBackward(torch.autograd.Function):
    """The first derivative; it refuses to be differentiated again, not to pass for a constant."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, x: Tensor, params: Tensor, d_out: Tensor, kernels: EncoderKernels, wanted: tuple
    ) -> tuple[Tensor | None, Tensor | None]:
        d_x = d_params = None
        if wanted[1]:
            d_params = torch.zeros_like(params)
            params_backward(kernels, x, params, d_out, d_params.numpy())
        if wanted[0]:
            d_x = torch.zeros_like(x, memory_format=torch.contiguous_format)
            run = specialise(_gradient, encode_gradient=kernels.blocks.encode_gradient)
            points, values = x.detach().contiguous().numpy(), params.detach().numpy()
            d_values, floats = d_out.detach().contiguous().numpy(), kernels.floats_as(values.dtype)
            with launch():
                run(points, d_values, values, kernels.ints, floats, kernels.n_parts, d_x.numpy())
        return d_x, d_params

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        raise RuntimeError(
            "second derivatives need the reference twin: call the backbone's `reference`, "
            "or set POLYFIELD_KERNELS=reference"
        )
