"""Factored grids: features that are products or sums of what lines, planes and volumes hold.

A *factor* is a dense lattice over some of a point's coordinates. A *part* combines factors: it
reads each where the point projects to and multiplies what they hold (CP, VM, K-Planes) or adds it
(tri-planes). Parts lie side by side in the features. Chen et al. 2022 (TensoRF), Fridovich-Keil et
al. 2023 (K-Planes).

Letters: n points, d dimensions, F features a part (a compile-time constant), k factors of a part,
v_k what factor k holds at a point: a product's gradient is dv_k = d_out * prod_{m != k} v_m.

`ints` is [parts, then per part: column, reduction, k, then for each of `FACTORS` factors: e, first
row, axes (3), counts (3)] for lattices over e <= 3 coordinates; `floats` is [per part, factor and
coordinate: count - 1].
"""

from __future__ import annotations

import numpy as np

from polyfield.kernels.blocks import leaf, variant
from polyfield.kernels.encode import EncoderBlocks
from polyfield.kernels.lattice import BLOCK, lattice_corners
from polyfield.kernels.rows import gather_product, gather_rows, scatter_product, scatter_rows

PLANE_LINE, TWO_LINES, THREE_LINES = 42, 22, 222  # corners of factors, see `gather_product`
FACTORS = 6  # of a part at most: the planes of four coordinates
AXES = 3  # of a factor at most
ROWS = 2**AXES + 1  # corners, and a row of scratch
FACTOR_INTS = 2 + 2 * AXES
PART_INTS = 3 + FACTORS * FACTOR_INTS
PRODUCT, SUM = 0, 1

FEATURES = 2  # bound anew by `factor_blocks`


@leaf
def factor_at(part, k):  # type: ignore[no-untyped-def]
    """Where factor k of a part is described in `ints`."""
    return 1 + part * PART_INTS + 3 + k * FACTOR_INTS


@leaf
def factor_corners(part, k, x, j0, j1, ints, floats, points, index, weight):  # type: ignore[no-untyped-def]
    """The corners of points j0..j1 in factor k of a part.

    Args:
        points: [AXES, BLOCK] scratch; index, weight: [ROWS, BLOCK], filled for 2^e corners.
    """
    at, f = factor_at(part, k), (part * FACTORS + k) * AXES
    e = ints[at]
    for i in range(e):
        axis = ints[at + 2 + i]
        for j in range(j1 - j0):
            points[i, j] = x[axis, j0 + j]
    counts = ints[at + 2 + AXES : at + 2 + AXES + e]
    zero = points.dtype.type(0)
    lattice_corners(
        points[:e], 0, j1 - j0, floats[f : f + e], zero, counts, False, 0, ints[at + 1], index,
        weight,
    )  # fmt: skip


@leaf
def gather(e, n, params, index, weight, values, start, stride):  # type: ignore[no-untyped-def]
    """values[start + j stride : + F] = what a factor over e coordinates holds at points j < n."""
    if e == 1:
        for j in range(n):
            gather_rows(params, index, weight, j, values, start + j * stride, FEATURES, 2)
    elif e == 2:
        for j in range(n):
            gather_rows(params, index, weight, j, values, start + j * stride, FEATURES, 4)
    else:
        for j in range(n):
            gather_rows(params, index, weight, j, values, start + j * stride, FEATURES, 8)


@leaf
def scatter(e, n, d_params, index, weight, d_values):  # type: ignore[no-untyped-def]
    """Add the gradient of a factor over e coordinates, for d_values [n F]."""
    if e == 1:
        for j in range(n):
            scatter_rows(d_params, index, weight, j, d_values, j * FEATURES, FEATURES, 2)
    elif e == 2:
        for j in range(n):
            scatter_rows(d_params, index, weight, j, d_values, j * FEATURES, FEATURES, 4)
    else:
        for j in range(n):
            scatter_rows(d_params, index, weight, j, d_values, j * FEATURES, FEATURES, 8)


@leaf
def together(part, ints):  # type: ignore[no-untyped-def]
    """The corners of a part's factors, as `gather_product` wants them, where they are read in one
    go: products of lines, and of a plane and a line. 0 for other parts."""
    at = 1 + part * PART_INTS
    factors, code = ints[at + 2], 0
    if ints[at + 1] != PRODUCT or factors > 3:
        return 0
    for k in range(factors):
        e = ints[factor_at(part, k)]
        if e > 2:
            return 0
        code = 10 * code + (1 << e)
    return code if code in (PLANE_LINE, TWO_LINES, THREE_LINES) else 0


@leaf
def gather_together(code, n, params, index, weight, out, start, stride):  # type: ignore[no-untyped-def]
    """out[start + j stride : + F] = the product of a part's factors at points j < n."""
    if code == PLANE_LINE:
        for j in range(n):
            gather_product(params, index, weight, j, out, start + j * stride, FEATURES, PLANE_LINE)
    elif code == TWO_LINES:
        for j in range(n):
            gather_product(params, index, weight, j, out, start + j * stride, FEATURES, TWO_LINES)
    else:
        for j in range(n):
            gather_product(params, index, weight, j, out, start + j * stride, FEATURES, THREE_LINES)


@leaf
def scatter_together(code, n, params, index, weight, d_out, start, stride, d_params):  # type: ignore[no-untyped-def]
    """Add the gradient of `gather_together`."""
    if code == PLANE_LINE:
        for j in range(n):
            at = start + j * stride
            scatter_product(params, index, weight, j, d_out, at, d_params, FEATURES, PLANE_LINE)
    elif code == TWO_LINES:
        for j in range(n):
            at = start + j * stride
            scatter_product(params, index, weight, j, d_out, at, d_params, FEATURES, TWO_LINES)
    else:
        for j in range(n):
            at = start + j * stride
            scatter_product(params, index, weight, j, d_out, at, d_params, FEATURES, THREE_LINES)


def encode(part, x, params, ints, floats, out):  # type: ignore[no-untyped-def]
    """Write the features of one part: out[n, columns of the part], for x [d, n] in [0, 1]."""
    n, width = x.shape[1], out.shape[1]
    column, reduction, factors = ints[1 + part * PART_INTS : 4 + part * PART_INTS]
    code = together(part, ints)
    points = np.empty((AXES, BLOCK), params.dtype)
    index = np.empty((FACTORS, ROWS, BLOCK), np.uint32)
    weight = np.empty((FACTORS, ROWS, BLOCK), params.dtype)
    values = np.empty(BLOCK * FEATURES, params.dtype)
    for j0 in range(0, n, BLOCK):
        j1 = min(j0 + BLOCK, n)
        if code > 0:
            for k in range(factors):
                factor_corners(part, k, x, j0, j1, ints, floats, points, index[k], weight[k])
            at = j0 * width + column
            gather_together(code, j1 - j0, params, index, weight, out, at, width)
            continue
        for k in range(factors):
            e = ints[factor_at(part, k)]
            factor_corners(part, k, x, j0, j1, ints, floats, points, index[0], weight[0])
            if k == 0:
                gather(e, j1 - j0, params, index[0], weight[0], out, j0 * width + column, width)
                continue
            gather(e, j1 - j0, params, index[0], weight[0], values, 0, FEATURES)
            for j in range(j1 - j0):
                for c in range(FEATURES):
                    if reduction == PRODUCT:
                        out[j0 + j, column + c] *= values[j * FEATURES + c]
                    else:
                        out[j0 + j, column + c] += values[j * FEATURES + c]


@leaf
def factor_gradient(k, factors, reduction, n, values, d_values):  # type: ignore[no-untyped-def]
    """d_values [n F], the gradient of factor k, from that of the part in `d_values`."""
    if reduction == PRODUCT:
        for m in range(factors):
            if m != k:
                for i in range(n * FEATURES):
                    d_values[i] *= values[m, i]


@leaf
def part_gradient(d_out, j0, n, column, d_values):  # type: ignore[no-untyped-def]
    """d_values [n F] = the part's columns of d_out, from row j0."""
    for j in range(n):
        for c in range(FEATURES):
            d_values[j * FEATURES + c] = d_out[j0 + j, column + c]


def encode_backward(part, x, d_out, params, ints, floats, d_params):  # type: ignore[no-untyped-def]
    """Add one part's gradient to `d_params`, for d_out [n, c]."""
    column, reduction, factors = ints[1 + part * PART_INTS : 4 + part * PART_INTS]
    code, width = together(part, ints), d_out.shape[1]
    points = np.empty((AXES, BLOCK), params.dtype)
    index = np.empty((FACTORS, ROWS, BLOCK), np.uint32)
    weight = np.empty((FACTORS, ROWS, BLOCK), params.dtype)
    values = np.empty((FACTORS, BLOCK * FEATURES), params.dtype)
    d_values = np.empty(BLOCK * FEATURES, params.dtype)
    for j0 in range(0, x.shape[1], BLOCK):
        j1 = min(j0 + BLOCK, x.shape[1])
        if code > 0:
            for k in range(factors):
                factor_corners(part, k, x, j0, j1, ints, floats, points, index[k], weight[k])
            at = j0 * width + column
            scatter_together(code, j1 - j0, params, index, weight, d_out, at, width, d_params)
            continue
        for k in range(factors):
            e = ints[factor_at(part, k)]
            factor_corners(part, k, x, j0, j1, ints, floats, points, index[k], weight[k])
            if reduction == PRODUCT:
                gather(e, j1 - j0, params, index[k], weight[k], values[k], 0, FEATURES)
        for k in range(factors):
            part_gradient(d_out, j0, j1 - j0, column, d_values)
            factor_gradient(k, factors, reduction, j1 - j0, values, d_values)
            e = ints[factor_at(part, k)]
            scatter(e, j1 - j0, d_params, index[k], weight[k], d_values)


@leaf
def slopes(x, j, j0, at, f, ints, floats, uppers, inside):  # type: ignore[no-untyped-def]
    """Where point j0 + j lies in its cell of a factor: uppers (3) in [0, 1], inside (3)."""
    one, zero = x.dtype.type(1), x.dtype.type(0)
    for i in range(ints[at]):
        along = x[ints[at + 2 + i], j0 + j]
        inside[i] = along >= zero and along <= one
        q = min(max(along, zero), one) * floats[f + i]
        last = np.int32(ints[at + 2 + AXES + i] - 2)
        uppers[i] = q - x.dtype.type(min(max(np.int32(q), np.int32(0)), last))


def encode_gradient(part, x, d_out, params, ints, floats, d_x):  # type: ignore[no-untyped-def]
    """Add one part's gradient with respect to position to d_x [d, n].

    Along coordinate i of a factor: (count_i - 1) sum_corners (+-1)_i prod_{m != i} w_m <row, dv>,
    zero where x was clamped.
    """
    column, reduction, factors = ints[1 + part * PART_INTS : 4 + part * PART_INTS]
    points = np.empty((AXES, BLOCK), params.dtype)
    index = np.empty((FACTORS, ROWS, BLOCK), np.uint32)
    weight = np.empty((ROWS, BLOCK), params.dtype)
    values = np.empty((FACTORS, BLOCK * FEATURES), params.dtype)
    d_values = np.empty(BLOCK * FEATURES, params.dtype)
    uppers, inside = np.empty(AXES, params.dtype), np.empty(AXES, np.bool_)
    one, zero = params.dtype.type(1), params.dtype.type(0)
    for j0 in range(0, x.shape[1], BLOCK):
        j1 = min(j0 + BLOCK, x.shape[1])
        for k in range(factors):
            e = ints[factor_at(part, k)]
            factor_corners(part, k, x, j0, j1, ints, floats, points, index[k], weight)
            gather(e, j1 - j0, params, index[k], weight, values[k], 0, FEATURES)
        for k in range(factors):
            part_gradient(d_out, j0, j1 - j0, column, d_values)
            factor_gradient(k, factors, reduction, j1 - j0, values, d_values)
            at, f = factor_at(part, k), (part * FACTORS + k) * AXES
            e = ints[at]
            for j in range(j1 - j0):
                slopes(x, j, j0, at, f, ints, floats, uppers, inside)
                for corner in range(1 << e):
                    row, dot = np.int64(index[k, corner, j]) * FEATURES, zero
                    for c in range(FEATURES):
                        dot += params[row + c] * d_values[j * FEATURES + c]
                    for i in range(e):
                        slope = dot * floats[f + i]
                        for m in range(e):
                            if m != i:
                                slope *= uppers[m] if (corner >> m) & 1 else one - uppers[m]
                        if inside[i]:
                            axis = ints[at + 2 + i]
                            d_x[axis, j0 + j] += slope if (corner >> i) & 1 else -slope


def factor_blocks(features: int) -> EncoderBlocks:
    """The block functions of parts of `features` columns."""
    constants = {
        "FEATURES": features,
        "gather": variant(gather, FEATURES=features),
        "scatter": variant(scatter, FEATURES=features),
        "gather_together": variant(gather_together, FEATURES=features),
        "scatter_together": variant(scatter_together, FEATURES=features),
        "factor_gradient": variant(factor_gradient, FEATURES=features),
        "part_gradient": variant(part_gradient, FEATURES=features),
    }
    return EncoderBlocks(
        variant(encode, **constants),
        variant(encode_backward, **constants),
        variant(encode_gradient, **constants),
    )
