"""Tensor trains: features that are products of matrices along the coordinates.

A part has a core along every coordinate, whose entries are read where the point projects to: a row
vector, then matrices, then a matrix to the part's F features (Oseledets 2011, eq. 1.3):

    out = g_1(x_1) G_2(x_2) ... G_d(x_d),   g_1 [r], G_a [r, r], G_d [r, F]

Letters: n points, d coordinates (2 or more), r the rank and F features (compile-time constants),
v_a the product of the cores up to a. With s_d = d_out, the gradient of core a is the outer product
of v_{a-1} and s_a, and s_{a-1} = G_a s_a.

`ints` is [parts, then per part: column, then per coordinate: first number, count, width]; `floats`
is per part and coordinate [count - 1]. A core is a line of `count` vertices of `width` numbers.
"""

from __future__ import annotations

import numpy as np

from polyfield.kernels.blocks import leaf, variant
from polyfield.kernels.encode import EncoderBlocks

MOST_AXES = 4
RANK = 4  # bound anew by `train_blocks`
FEATURES = 2


@leaf
def locate(x, scale, count):  # type: ignore[no-untyped-def]
    """The vertex below a coordinate, how far it is above, and whether it lies inside."""
    one, zero = type(x)(1), type(x)(0)
    inside = x >= zero and x <= one
    q = min(max(x, zero), one) * scale
    cell = min(max(np.int32(q), np.int32(0)), np.int32(count - 2))
    return np.int64(cell), q - type(x)(cell), inside


@leaf
def core(part, a, d, x, j, params, ints, floats, values):  # type: ignore[no-untyped-def]
    """What core a of a part holds at point j, into values; where it was read: first, u, inside."""
    at = 1 + part * (1 + 3 * d) + 1 + 3 * a
    cell, u, inside = locate(x[a, j], floats[part * d + a], ints[at + 1])
    width = ints[at + 2]
    first = ints[at] + cell * width
    for i in range(width):
        low = params[first + i]
        values[i] = low + u * (params[first + width + i] - low)
    return first, u, inside


@leaf
def pass_on(v, matrix, columns, out):  # type: ignore[no-untyped-def]
    """out [columns] = v [r] matrix [r, columns]."""
    for k in range(columns):
        out[k] = v[0] * matrix[k]
    for i in range(1, RANK):
        for k in range(columns):
            out[k] += v[i] * matrix[i * columns + k]


def encode(part, x, params, ints, floats, out):  # type: ignore[no-untyped-def]
    """Write the features of one part: out[n, columns of the part], for x [d, n] in [0, 1]."""
    d, n = x.shape
    column = ints[1 + part * (1 + 3 * d)]
    values = np.empty(RANK * max(RANK, FEATURES), params.dtype)
    v, w = np.empty(RANK, params.dtype), np.empty(RANK, params.dtype)
    for j in range(n):
        core(part, 0, d, x, j, params, ints, floats, v)
        for a in range(1, d - 1):
            core(part, a, d, x, j, params, ints, floats, values)
            pass_on(v, values, RANK, w)
            for i in range(RANK):
                v[i] = w[i]
        core(part, d - 1, d, x, j, params, ints, floats, values)
        pass_on(v, values, FEATURES, out[j, column : column + FEATURES])


@leaf
def back_on(v, matrix, s, columns, d_matrix, d_v):  # type: ignore[no-untyped-def]
    """d_matrix [r, columns] = v s^T, and d_v [r] = matrix s."""
    for i in range(RANK):
        total = v.dtype.type(0)
        for k in range(columns):
            d_matrix[i * columns + k] = v[i] * s[k]
            total += matrix[i * columns + k] * s[k]
        d_v[i] = total


@leaf
def cores_backward(part, x, j, d_out, params, ints, floats, values, v, firsts, us, insides, grads):  # type: ignore[no-untyped-def]
    """The gradients of a part's cores at point j.

    Args:
        values, grads: [d, *], what the cores hold, and the gradient of it.
        v: [d, r] scratch; firsts, us, insides: [d], where the cores were read.
    """
    d = x.shape[0]
    column = ints[1 + part * (1 + 3 * d)]
    for a in range(d):
        firsts[a], us[a], insides[a] = core(part, a, d, x, j, params, ints, floats, values[a])
    for i in range(RANK):
        v[0, i] = values[0, i]
    for a in range(1, d - 1):
        pass_on(v[a - 1], values[a], RANK, v[a])
    s, t = np.empty(RANK, v.dtype), np.empty(RANK, v.dtype)
    back_on(
        v[d - 2], values[d - 1], d_out[j, column : column + FEATURES], FEATURES, grads[d - 1], s
    )
    for a in range(d - 2, 0, -1):
        back_on(v[a - 1], values[a], s, RANK, grads[a], t)
        for i in range(RANK):
            s[i] = t[i]
    for i in range(RANK):
        grads[0, i] = s[i]


def encode_backward(part, x, d_out, params, ints, floats, d_params):  # type: ignore[no-untyped-def]
    """Add one part's gradient to `d_params`, for d_out [n, c]."""
    d, n = x.shape
    size = RANK * max(RANK, FEATURES)
    values, grads = np.empty((d, size), params.dtype), np.empty((d, size), params.dtype)
    v, us = np.empty((d, RANK), params.dtype), np.empty(d, params.dtype)
    firsts, insides = np.empty(d, np.int64), np.empty(d, np.bool_)
    for j in range(n):
        cores_backward(
            part, x, j, d_out, params, ints, floats, values, v, firsts, us, insides, grads
        )
        for a in range(d):
            width, first = ints[1 + part * (1 + 3 * d) + 3 + 3 * a], firsts[a]
            for i in range(width):
                upper = us[a] * grads[a, i]
                d_params[first + i] += grads[a, i] - upper
                d_params[first + width + i] += upper


def encode_gradient(part, x, d_out, params, ints, floats, d_x):  # type: ignore[no-untyped-def]
    """Add one part's gradient with respect to position to d_x [d, n]; zero where x was clamped."""
    d, n = x.shape
    size = RANK * max(RANK, FEATURES)
    values, grads = np.empty((d, size), params.dtype), np.empty((d, size), params.dtype)
    v, us = np.empty((d, RANK), params.dtype), np.empty(d, params.dtype)
    firsts, insides = np.empty(d, np.int64), np.empty(d, np.bool_)
    for j in range(n):
        cores_backward(
            part, x, j, d_out, params, ints, floats, values, v, firsts, us, insides, grads
        )
        for a in range(d):
            width, first = ints[1 + part * (1 + 3 * d) + 3 + 3 * a], firsts[a]
            slope = params.dtype.type(0)
            for i in range(width):
                slope += (params[first + width + i] - params[first + i]) * grads[a, i]
            if insides[a]:
                d_x[a, j] += slope * floats[part * d + a]


def train_blocks(rank: int, features: int) -> EncoderBlocks:
    """The block functions of tensor trains of this rank and of parts of `features` columns."""
    constants = {"RANK": rank, "FEATURES": features}
    inner = {"pass_on": variant(pass_on, **constants), "back_on": variant(back_on, **constants)}
    backward = {**constants, "cores_backward": variant(cores_backward, **constants, **inner)}
    return EncoderBlocks(
        variant(encode, **constants, **inner),
        variant(encode_backward, **backward),
        variant(encode_gradient, **backward),
    )
