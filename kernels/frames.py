"""Parts of a backbone that see points in frames of their own.

What a point is to a part is y = 1/2 + A_t (x - 1/2), with A_t the matrix of the part's frame: a
rotation about the middle of the unit cube, perhaps scaled (TILTED, Yi et al. 2023, section 3). A
backbone without frames sees points as they are. Block functions know nothing of it; whatever calls
them goes through here, so that every backbone may be turned, and learn how.

Letters: n points, d dimensions, t frames, f a floating type. The functions below are bound to a
backbone's block functions and linked by `kernels.encode`; an `Encoding` is a backbone as templates
read it, and `encode_points`, `backward_of_part` and `gradient_of_points` are what they call.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types

from polyfield.kernels.blocks import Block, block, leaf, unbound
from polyfield.kernels.links import caller

ENCODE, BACKWARD, GRADIENT = 0, 1, 2  # the fields of `Encoding.links`

encode: Block = unbound
encode_backward: Block = unbound
encode_gradient: Block = unbound


class Encoding(NamedTuple):
    """A backbone's arrays.

    Args:
        params: [p]; ints, floats: what its block functions read.
        frames: [t, d, d], none for t = 0; frame_of: [parts] which of them a part sees points in.
        links: [3], addresses of its `encode_parts`, `backward_part` and `gradient_parts`.
    """

    params: np.ndarray
    frames: np.ndarray
    frame_of: np.ndarray
    ints: np.ndarray
    floats: np.ndarray
    links: np.ndarray


def encoding_type(f: Any) -> types.Type:
    """What compiled code knows an `Encoding` as."""
    whole = types.int64[::1]
    return types.NamedTuple([f[::1], f[:, :, ::1], whole, whole, f[::1], whole], Encoding)


def encode_prototype(f: Any) -> tuple[Any, ...]:
    """Of `encode_parts`."""
    return f[:, ::1], types.int64, types.int64, encoding_type(f), f[:, ::1]


def backward_prototype(f: Any) -> tuple[Any, ...]:
    """Of `backward_part`."""
    return f[:, ::1], types.int64, f[:, ::1], encoding_type(f), f[::1]


def gradient_prototype(f: Any) -> tuple[Any, ...]:
    """Of `gradient_parts`."""
    return (
        f[:, ::1], f[:, ::1], types.int64, encoding_type(f), f[:, ::1], f[:, :, ::1]
    )  # fmt: skip


_call_encode = caller(encode_prototype)
_call_backward = caller(backward_prototype)
_call_gradient = caller(gradient_prototype)


@block
def encode_points(columns, first, last, encoding, out):  # type: ignore[no-untyped-def]
    """Features of parts first..last of points columns [d, n] into out [n, c]."""
    _call_encode(encoding.links[ENCODE], (columns, first, last, encoding, out))


@block
def backward_of_part(columns, part, d_out, encoding, d_params):  # type: ignore[no-untyped-def]
    """Add one part's gradient to `d_params`, for d_out [n, c]."""
    _call_backward(encoding.links[BACKWARD], (columns, part, d_out, encoding, d_params))


@block
def gradient_of_points(columns, d_out, n_parts, encoding, d_x, d_frames):  # type: ignore[no-untyped-def]
    """Add the gradients of the points to d_x [d, n] and of the frames to d_frames [t, d, d]."""
    _call_gradient(
        encoding.links[GRADIENT], (columns, d_out, n_parts, encoding, d_x, d_frames)
    )  # fmt: skip


@leaf
def into_frame(columns, matrix, turned):  # type: ignore[no-untyped-def]
    """turned [d, n] = 1/2 + matrix (columns - 1/2)."""
    d, n = columns.shape
    half = columns.dtype.type(0.5)
    for a in range(d):
        for j in range(n):
            turned[a, j] = half
        for b in range(d):
            for j in range(n):
                turned[a, j] += matrix[a, b] * (columns[b, j] - half)


@leaf
def out_of_frame(columns, matrix, d_turned, d_x, d_matrix):  # type: ignore[no-untyped-def]
    """Add the gradients of `into_frame` to d_x [d, n] and d_matrix [d, d]."""
    d, n = columns.shape
    half = columns.dtype.type(0.5)
    for a in range(d):
        for b in range(d):
            total = columns.dtype.type(0)
            for j in range(n):
                d_x[b, j] += matrix[a, b] * d_turned[a, j]
                total += d_turned[a, j] * (columns[b, j] - half)
            d_matrix[a, b] += total


def encode_parts(columns, first, last, encoding, out):  # type: ignore[no-untyped-def]
    """What `encode_points` calls."""
    params, frames, frame_of, ints, floats, _ = encoding
    if frames.shape[0] == 0:
        for part in range(first, last):
            encode(part, columns, params, ints, floats, out)
        return
    turned = np.empty_like(columns)
    current = -1
    for part in range(first, last):
        if frame_of[part] != current:
            current = frame_of[part]
            into_frame(columns, frames[current], turned)
        encode(part, turned, params, ints, floats, out)


def backward_part(columns, part, d_out, encoding, d_params):  # type: ignore[no-untyped-def]
    """What `backward_of_part` calls."""
    params, frames, frame_of, ints, floats, _ = encoding
    if frames.shape[0] == 0:
        encode_backward(part, columns, d_out, params, ints, floats, d_params)
        return
    turned = np.empty_like(columns)
    into_frame(columns, frames[frame_of[part]], turned)
    encode_backward(part, turned, d_out, params, ints, floats, d_params)


def gradient_parts(columns, d_out, n_parts, encoding, d_x, d_frames):  # type: ignore[no-untyped-def]
    """What `gradient_of_points` calls."""
    params, frames, frame_of, ints, floats, _ = encoding
    if frames.shape[0] == 0:
        for part in range(n_parts):
            encode_gradient(part, columns, d_out, params, ints, floats, d_x)
        return
    turned, d_turned = np.empty_like(columns), np.empty_like(columns)
    for part in range(n_parts):
        t = frame_of[part]
        into_frame(columns, frames[t], turned)
        d_turned[:] = 0
        encode_gradient(part, turned, d_out, params, ints, floats, d_turned)
        out_of_frame(columns, frames[t], d_turned, d_x, d_frames[t])
