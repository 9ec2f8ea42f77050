"""A backbone's block functions as an operation of autograd: points in, features out.

The cpu twin of any backbone: forward parallel over blocks of points, the parameters' gradient
parallel over parts, the points' gradient over blocks again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numba import get_num_threads, prange
from torch import Tensor

from polyfield.errors import InputError
from polyfield.kernels import frames as turning
from polyfield.kernels.blocks import Block, specialise, variant
from polyfield.kernels.frames import (
    Encoding,
    backward_of_part,
    encode_points,
    gradient_of_points,
)
from polyfield.kernels.gradients import direct_gradient
from polyfield.kernels.launch import launch
from polyfield.kernels.links import Link

POINTS = 2048  # a task: few enough to stay in cache, enough to pay for a level's table


class EncoderBlocks(NamedTuple):
    """What makes a backbone run fused: see `docs/adding_a_backbone.md` for the contract."""

    encode: Block
    encode_backward: Block
    encode_gradient: Block


def _forward(x, encoding, n_parts, out):  # type: ignore[no-untyped-def]
    n = x.shape[0]
    for task in prange((n + POINTS - 1) // POINTS):
        i0, i1 = task * POINTS, min((task + 1) * POINTS, n)
        columns = np.ascontiguousarray(x[i0:i1].T)
        encode_points(columns, 0, n_parts, encoding, out[i0:i1])


def _backward(x, d_out, encoding, n_parts, n_threads, d_params):  # type: ignore[no-untyped-def]
    columns = np.ascontiguousarray(x.T)
    for thread in prange(n_threads):
        for part in range(thread, n_parts, n_threads):
            backward_of_part(columns, part, d_out, encoding, d_params)


def _gradient(x, d_out, encoding, n_parts, d_x, d_frames):  # type: ignore[no-untyped-def]
    n = x.shape[0]
    for task in prange((n + POINTS - 1) // POINTS):
        i0, i1 = task * POINTS, min((task + 1) * POINTS, n)
        columns = np.ascontiguousarray(x[i0:i1].T)
        d_columns = np.zeros_like(columns)
        gradient_of_points(columns, d_out[i0:i1], n_parts, encoding, d_columns, d_frames[task])
        d_x[i0:i1] = d_columns.T


class EncoderKernels:
    """The compiled kernels of one backbone and the description they run on.

    Args:
        blocks: the block functions.
        ints, floats: [*] what the block functions read (see their module).
        n_parts: independent parts; width: features in all, c.
        in_dim: coordinates of a point, d.
        frame_of: [parts] in which of its frames a part sees points; None: there are no frames.
        n_params: numbers that the block functions read, p; None where nobody says.
        ends: [parts] the column behind the last of each part, ascending; None: all are as wide.
    """

    def __init__(
        self,
        blocks: EncoderBlocks,
        ints: np.ndarray,
        floats: np.ndarray,
        n_parts: int,
        width: int,
        in_dim: int,
        frame_of: np.ndarray | None = None,
        n_params: int | None = None,
        ends: Sequence[int] | None = None,
    ) -> None:
        self.ends = [width * (i + 1) // n_parts for i in range(n_parts)] if ends is None else ends
        self.blocks, self.n_parts, self.width, self.in_dim = blocks, n_parts, width, in_dim
        self.n_params = n_params
        self.ints = np.ascontiguousarray(ints, np.int64)
        self.floats = np.ascontiguousarray(floats, np.float64)
        self.floats32 = self.floats.astype(np.float32)
        self.frame_of = np.zeros(n_parts, np.int64) if frame_of is None else frame_of
        self.n_frames = 0 if frame_of is None else int(frame_of.max()) + 1
        self._links = (
            Link(variant(turning.encode_parts, encode=blocks.encode), turning.encode_prototype),
            Link(
                variant(turning.backward_part, encode_backward=blocks.encode_backward),
                turning.backward_prototype,
            ),
            Link(
                variant(turning.gradient_parts, encode_gradient=blocks.encode_gradient),
                turning.gradient_prototype,
            ),
        )
        self._addresses: dict[np.dtype, np.ndarray] = {}

    def columns(self, parts: int) -> int:
        """How many columns the first parts fill."""
        return self.ends[parts - 1] if parts else 0

    def parts(self, columns: int) -> int:
        """How many parts, the first, fill so many columns."""
        return bisect_left(self.ends, columns) + 1 if columns else 0

    def encoding(self, params: np.ndarray, frames: np.ndarray, *more: int) -> Encoding:
        """The backbone as the templates read it.

        Args:
            params, frames: of one floating type.
            more: which of its links the template needs, beside `frames.ENCODE`.
        """
        addresses = self._addresses.setdefault(params.dtype, np.zeros(len(self._links), np.int64))
        for link in (turning.ENCODE, *more):
            if addresses[link] == 0:
                addresses[link] = self._links[link].address(params.dtype)
        if frames.shape != (self.n_frames, self.in_dim, self.in_dim):
            expected = (self.n_frames, self.in_dim, self.in_dim)
            raise InputError(field="frames", found=frames.shape, expected=expected)
        if self.n_params is not None and len(params) != self.n_params:
            raise InputError(field="parameters", found=len(params), expected=self.n_params)
        floats = self.floats32 if params.dtype == np.float32 else self.floats
        return Encoding(params, frames, self.frame_of, self.ints, floats, addresses)

    def __call__(
        self,
        x: Float[Tensor, "n d"],
        params: Float[Tensor, " p"],
        frames: Float[Tensor, "t d d"] | None = None,
    ) -> Tensor:
        """Features [n, width] of points x in the unit cube; differentiable in all three."""
        if x.ndim != 2 or x.shape[1] != self.in_dim:
            raise InputError(field="points", found=tuple(x.shape), expected=f"[n, {self.in_dim}]")
        if frames is None:
            frames = params.new_zeros(0, self.in_dim, self.in_dim)
        return _Encode.apply(x.to(params.dtype), params, frames.to(params.dtype), self)


class _Encode(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, params: Tensor, frames: Tensor, kernels: EncoderKernels
    ) -> Tensor:
        ctx.kernels = kernels
        ctx.save_for_backward(x, params, frames)
        out = torch.empty(x.shape[0], kernels.width, dtype=params.dtype)
        points, encoding = _arrays(kernels, x, params, frames)
        if x.shape[0] == 0:
            return out
        run = specialise(_forward)
        with launch():
            run(points, encoding, kernels.n_parts, out.numpy())
        return out

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        x, params, frames = ctx.saved_tensors
        want_x, want_params, want_frames = ctx.needs_input_grad[:3]
        direct = direct_gradient(params, want_params)
        if direct is not None:
            params_backward(ctx.kernels, x, params, frames, d_out, direct)
            want_params = False
        wanted = (want_x, want_params, want_frames)
        return (*_EncodeBackward.apply(x, params, frames, d_out, ctx.kernels, wanted), None)


def _arrays(
    kernels: EncoderKernels, x: Tensor, params: Tensor, frames: Tensor, *links: int
) -> tuple[np.ndarray, Encoding]:
    points, values, matrices = (a.detach().contiguous().numpy() for a in (x, params, frames))
    return points, kernels.encoding(values, matrices, *links)


def params_backward(
    kernels: EncoderKernels,
    x: Tensor,
    params: Tensor,
    frames: Tensor,
    d_out: Tensor,
    d_params: np.ndarray,
) -> None:
    """Add the parameters' gradient [p] to `d_params`, for d_out [n, c] at points x [n, d]."""
    run = specialise(_backward)
    threads = min(get_num_threads(), kernels.n_parts)
    points, encoding = _arrays(kernels, x, params, frames, turning.BACKWARD)
    d_values = d_out.detach().contiguous().numpy()
    with launch():
        run(points, d_values, encoding, kernels.n_parts, threads, d_params)


class _EncodeBackward(torch.autograd.Function):
    """The first derivative; it refuses to be differentiated again, not to pass for a constant."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        x: Tensor,
        params: Tensor,
        frames: Tensor,
        d_out: Tensor,
        kernels: EncoderKernels,
        wanted: tuple[bool, bool, bool],
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        d_x = d_params = d_frames = None
        if wanted[1]:
            d_params = torch.zeros_like(params)
            params_backward(kernels, x, params, frames, d_out, d_params.numpy())
        if wanted[0] or wanted[2]:
            d_x = torch.zeros_like(x, memory_format=torch.contiguous_format)
            tasks = (len(x) + POINTS - 1) // POINTS
            of_tasks = params.new_zeros(tasks, *frames.shape)
            run = specialise(_gradient)
            points, encoding = _arrays(kernels, x, params, frames, turning.GRADIENT)
            d_values = d_out.detach().contiguous().numpy()
            with launch():
                run(points, d_values, encoding, kernels.n_parts, d_x.numpy(), of_tasks.numpy())
            d_frames = of_tasks.sum(dim=0)
        return (
            d_x if wanted[0] else None,
            d_params,
            d_frames if wanted[2] else None,
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        raise RuntimeError(
            "second derivatives need the reference twin: call the backbone's `reference`, "
            "or set POLYFIELD_KERNELS=reference"
        )
