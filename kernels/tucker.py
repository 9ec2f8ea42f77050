"""Tucker decompositions: a small core tensor, contracted with what a line along each axis holds.

    out_c = sum_{i_1 ... i_d} G[i_1, ..., i_d, c] u_1(x_1)[i_1] ... u_d(x_d)[i_d]

(Tucker 1966). Letters: n points, d coordinates, r the rank along each (a compile-time constant), F
features of a part (likewise), t_a the core after the first a coordinates are contracted, of size
r^(d - a) F, so that t_0 = G and t_d = out.

`ints` is [parts, then per part: column, first number of the core, then per coordinate: first
number, count]; `floats` is per part and coordinate [count - 1].
"""

from __future__ import annotations

import numpy as np

from polyfield.kernels.blocks import leaf, variant
from polyfield.kernels.encode import EncoderBlocks
from polyfield.kernels.tensor_train import locate

RANK = 4  # bound anew by `tucker_blocks`
FEATURES = 2


@leaf
def size_of(d):  # type: ignore[no-untyped-def]
    """Numbers of a core over d coordinates."""
    size = FEATURES
    for _ in range(d):
        size *= RANK
    return size


@leaf
def line(part, a, d, x, j, params, ints, floats, values):  # type: ignore[no-untyped-def]
    """What a part's line along coordinate a holds at point j; where: (first, u, inside)."""
    at = 1 + part * (2 + 2 * d) + 2 + 2 * a
    cell, u, inside = locate(x[a, j], floats[part * d + a], ints[at + 1])
    first = ints[at] + cell * RANK
    for i in range(RANK):
        low = params[first + i]
        values[i] = low + u * (params[first + RANK + i] - low)
    return first, u, inside


@leaf
def contract(weights, tensor, size, out):  # type: ignore[no-untyped-def]
    """out [size] = sum_i weights [r]_i tensor [r, size]_i."""
    for m in range(size):
        out[m] = weights[0] * tensor[m]
    for i in range(1, RANK):
        for m in range(size):
            out[m] += weights[i] * tensor[i * size + m]


@leaf
def contract_all(part, x, j, params, ints, floats, weights, partial, firsts, us, insides):  # type: ignore[no-untyped-def]
    """Contract a part's core at point j, coordinate by coordinate.

    Args:
        weights: [d, r], what the lines hold; partial: [d + 1, *], partial[a] = t_a for a > 0.
        firsts, us, insides: [d], where the lines were read.
    """
    d = x.shape[0]
    at = ints[1 + part * (2 + 2 * d) + 1]
    size = size_of(d)
    for a in range(d):
        firsts[a], us[a], insides[a] = line(part, a, d, x, j, params, ints, floats, weights[a])
        whole, size = size, size // RANK
        if a == 0:
            contract(weights[a], params[at : at + whole], size, partial[1])
        else:
            contract(weights[a], partial[a], size, partial[a + 1])


def encode(part, x, params, ints, floats, out):  # type: ignore[no-untyped-def]
    """Write the features of one part: out[n, columns of the part], for x [d, n] in [0, 1]."""
    d, n = x.shape
    column = ints[1 + part * (2 + 2 * d)]
    partial = np.empty((d + 1, size_of(d - 1)), params.dtype)
    weights, us = np.empty((d, RANK), params.dtype), np.empty(d, params.dtype)
    firsts, insides = np.empty(d, np.int64), np.empty(d, np.bool_)
    for j in range(n):
        contract_all(part, x, j, params, ints, floats, weights, partial, firsts, us, insides)
        for c in range(FEATURES):
            out[j, column + c] = partial[d, c]


@leaf
def lines_backward(part, x, j, d_out, params, ints, weights, partial, d_weights, d_core, d_partial):  # type: ignore[no-untyped-def]
    """The gradient of what the lines hold into d_weights [d, r]; that of the core is added.

    Args:
        d_core: [r^d F], or empty for none; d_partial: [2, *] scratch.
    """
    d = x.shape[0]
    column, at = ints[1 + part * (2 + 2 * d)], ints[1 + part * (2 + 2 * d) + 1]
    for c in range(FEATURES):
        d_partial[0, c] = d_out[j, column + c]
    size = FEATURES
    for a in range(d - 1, -1, -1):
        above, below = d_partial[(d - 1 - a) % 2], d_partial[(d - a) % 2]
        for i in range(RANK):
            total = d_weights.dtype.type(0)
            for m in range(size):
                if a == 0:
                    total += params[at + i * size + m] * above[m]
                else:
                    total += partial[a, i * size + m] * above[m]
            d_weights[a, i] = total
        if a > 0:
            for i in range(RANK):
                for m in range(size):
                    below[i * size + m] = weights[a, i] * above[m]
        elif d_core.shape[0] > 0:
            for i in range(RANK):
                for m in range(size):
                    d_core[i * size + m] += weights[a, i] * above[m]
        size *= RANK


def encode_backward(part, x, d_out, params, ints, floats, d_params):  # type: ignore[no-untyped-def]
    """Add one part's gradient to `d_params`, for d_out [n, c]."""
    d, n = x.shape
    at, size = ints[1 + part * (2 + 2 * d) + 1], size_of(d)
    partial = np.empty((d + 1, size_of(d - 1)), params.dtype)
    d_partial = np.empty((2, size_of(d - 1)), params.dtype)
    weights, d_weights = np.empty((d, RANK), params.dtype), np.empty((d, RANK), params.dtype)
    us, firsts = np.empty(d, params.dtype), np.empty(d, np.int64)
    insides = np.empty(d, np.bool_)
    for j in range(n):
        contract_all(part, x, j, params, ints, floats, weights, partial, firsts, us, insides)
        lines_backward(
            part, x, j, d_out, params, ints, weights, partial, d_weights,
            d_params[at : at + size], d_partial,
        )  # fmt: skip
        for a in range(d):
            for i in range(RANK):
                upper = us[a] * d_weights[a, i]
                d_params[firsts[a] + i] += d_weights[a, i] - upper
                d_params[firsts[a] + RANK + i] += upper


def encode_gradient(part, x, d_out, params, ints, floats, d_x):  # type: ignore[no-untyped-def]
    """Add one part's gradient with respect to position to d_x [d, n]; zero where x was clamped."""
    d, n = x.shape
    partial = np.empty((d + 1, size_of(d - 1)), params.dtype)
    d_partial = np.empty((2, size_of(d - 1)), params.dtype)
    weights, d_weights = np.empty((d, RANK), params.dtype), np.empty((d, RANK), params.dtype)
    us, firsts = np.empty(d, params.dtype), np.empty(d, np.int64)
    insides, no_core = np.empty(d, np.bool_), np.empty(0, params.dtype)
    for j in range(n):
        contract_all(part, x, j, params, ints, floats, weights, partial, firsts, us, insides)
        lines_backward(
            part, x, j, d_out, params, ints, weights, partial, d_weights, no_core, d_partial
        )
        for a in range(d):
            slope = params.dtype.type(0)
            for i in range(RANK):
                first = firsts[a] + i
                slope += (params[first + RANK] - params[first]) * d_weights[a, i]
            if insides[a]:
                d_x[a, j] += slope * floats[part * d + a]


def tucker_blocks(rank: int, features: int) -> EncoderBlocks:
    """The block functions of cores of this rank along each axis, of `features` columns."""
    constants = {"RANK": rank, "FEATURES": features}
    size = {"size_of": variant(size_of, **constants)}
    inner = {
        **constants,
        **size,
        "line": variant(line, **constants),
        "contract": variant(contract, **constants),
    }
    shared = {
        **constants,
        **size,
        "contract_all": variant(contract_all, **inner),
        "lines_backward": variant(lines_backward, **constants),
    }
    return EncoderBlocks(
        variant(encode, **shared),
        variant(encode_backward, **shared),
        variant(encode_gradient, **shared),
    )
