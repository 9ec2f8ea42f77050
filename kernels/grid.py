"""Grids of features at one or many resolutions: encode a block of points, and the backward of it.

A hash grid's levels and a dense grid's channel groups are the same thing to a kernel: *parts*,
each a lattice with rows of F features of its own. Parts share no parameters, so the gradient of a
batch is computed with one thread per part: no atomics, no buffers to sum, the same result for any
number of threads.

Letters: n points, d dimensions, p parts, F features a part (a compile-time constant).

`ints` is [p, then per part: hashed, size, first_row, output column, counts (d)] and `floats` is
per part [scale (d), shift]. Every part of one grid has the same F.
"""

from __future__ import annotations

import numpy as np

from polyfield.kernels.blocks import leaf, variant
from polyfield.kernels.encode import EncoderBlocks
from polyfield.kernels.lattice import BLOCK, lattice_corners
from polyfield.kernels.rows import fetch_rows, gather_rows, scatter_rows

FEATURES = 2  # bound anew by `grid_blocks`
CORNERS = 8
AHEAD = 16  # points whose rows are asked for before they are needed


@leaf
def part_corners(part, x, j0, j1, ints, floats, index, weight):  # type: ignore[no-untyped-def]
    """The corners of points j0..j1 in one part's lattice."""
    d = x.shape[0]
    at, f = 1 + part * (4 + d), part * (d + 1)
    lattice_corners(
        x,
        j0,
        j1,
        floats[f : f + d],
        floats[f + d],
        ints[at + 4 : at + 4 + d],
        ints[at] != 0,
        ints[at + 1],
        ints[at + 2],
        index,
        weight,
    )


def encode(part, x, params, ints, floats, out):  # type: ignore[no-untyped-def]
    """Write the features of one part: out[n, columns of the part], for x [d, n] in [0, 1]."""
    n, width = x.shape[1], out.shape[1]
    column = ints[1 + part * (4 + x.shape[0]) + 3]
    index = np.empty((CORNERS + 1, BLOCK), np.uint32)
    weight = np.empty((CORNERS + 1, BLOCK), params.dtype)
    for j0 in range(0, n, BLOCK):
        j1 = min(j0 + BLOCK, n)
        part_corners(part, x, j0, j1, ints, floats, index, weight)
        for j in range(j1 - j0):
            at = (j0 + j) * width + column
            if j + AHEAD < j1 - j0:
                fetch_rows(params, index, weight, j + AHEAD, out, at, FEATURES, CORNERS)
            gather_rows(params, index, weight, j, out, at, FEATURES, CORNERS)


def encode_backward(part, x, d_out, params, ints, floats, d_params):  # type: ignore[no-untyped-def]
    """Add one part's gradient to `d_params`, for d_out [n, c]."""
    n, width = x.shape[1], d_out.shape[1]
    column = ints[1 + part * (4 + x.shape[0]) + 3]
    index = np.empty((CORNERS + 1, BLOCK), np.uint32)
    weight = np.empty((CORNERS + 1, BLOCK), params.dtype)
    for j0 in range(0, n, BLOCK):
        j1 = min(j0 + BLOCK, n)
        part_corners(part, x, j0, j1, ints, floats, index, weight)
        for j in range(j1 - j0):
            scatter_rows(
                d_params, index, weight, j, d_out, (j0 + j) * width + column, FEATURES, CORNERS
            )


def encode_gradient(part, x, d_out, params, ints, floats, d_x):  # type: ignore[no-untyped-def]
    """Add one part's gradient with respect to position to d_x [d, n].

    d_x_a = scale_a * sum_k (+-1)_a prod_{b != a} w_b(k) <row_k, d_out>, zero where x was clamped.
    """
    d, n = x.shape
    at, f = 1 + part * (4 + d), part * (d + 1)
    column = ints[at + 3]
    index = np.empty((CORNERS + 1, BLOCK), np.uint32)
    weight = np.empty((CORNERS + 1, BLOCK), params.dtype)
    upper, inside = np.empty(d, params.dtype), np.empty(d, np.bool_)
    one, zero = params.dtype.type(1), params.dtype.type(0)
    for j0 in range(0, n, BLOCK):
        j1 = min(j0 + BLOCK, n)
        part_corners(part, x, j0, j1, ints, floats, index, weight)
        for j in range(j1 - j0):
            for a in range(d):
                along = x[a, j0 + j]
                inside[a] = along >= zero and along <= one
                q = min(max(along, zero), one) * floats[f + a] + floats[f + d]
                cell = min(max(np.int32(q), np.int32(0)), np.int32(ints[at + 4 + a] - 2))
                upper[a] = q - params.dtype.type(cell)
            for k in range(CORNERS):
                row, dot = np.int64(index[k, j]) * FEATURES, zero
                for c in range(FEATURES):
                    dot += params[row + c] * d_out[j0 + j, column + c]
                for a in range(d):
                    slope = dot * floats[f + a]
                    for b in range(d):
                        if b != a:
                            slope *= upper[b] if (k >> b) & 1 else one - upper[b]
                    if inside[a]:
                        d_x[a, j0 + j] += slope if (k >> a) & 1 else -slope


def grid_blocks(dimensions: int, features: int) -> EncoderBlocks:
    """The block functions of a grid with `features` a part over `dimensions` coordinates."""
    constants = {"FEATURES": features, "CORNERS": 2**dimensions}
    return EncoderBlocks(
        variant(encode, **constants),
        variant(encode_backward, **constants),
        variant(encode_gradient, **constants),
    )
