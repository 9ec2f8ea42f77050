"""Clouds of local tri-vector tensors: Strivec (Gao et al. 2023, section 3).

A level is a cloud of cubes of one size around known geometry. Each cube, a *tensor*, holds for
every feature three vectors, one along each axis, whose product is the feature at a point in it. A
point sees the K nearest of the cubes that it lies in, weighted by the inverse of its distance to
their centres c_k (eq. 6):

    g_k = 1 / (|x - c_k| + 1e-6),   f = sum_k g_k f_k / max(sum_k g_k, 1)

and nothing, f = 0, where there is no cube. Distances are those of the unit cube, where the largest
half size is at most 1/2 and the sum of a point in any cube therefore above 1. Where cubes begin
and end, f jumps; its gradient is that between jumps.

Letters: n points, l levels, m tensors of a level, V vertices of a vector, h half the edge of a
cube, F features of a vector register (a compile-time constant), w registers a vertex; a *part* is
w F features of one level. Rows of F numbers lie by part, tensor, axis, vertex, register.

`ints` is [l, then per level: V, cells an axis and b of its voxel hash, where in `ints` that begins,
where in `floats` its centres begin; then per part: column, w, level, first row; then the hashes];
`floats` is [per level: h, (V - 1) / 2h; then centres (m x 3), level by level].
"""

from __future__ import annotations

import math

import numpy as np

from polyfield.kernels.blocks import leaf, variant
from polyfield.kernels.encode import EncoderBlocks
from polyfield.kernels.line_products import add_product, add_product_gradient
from polyfield.kernels.voxel_hash import find_list

NEAREST = 4  # K
EASE = 1e-6  # added to distances
LEVEL_INTS, LEVEL_FLOATS, PART_INTS = 5, 2, 4
AXES = 3

FEATURES = 2  # bound anew by `strivec_blocks`


@leaf
def part_of(part, ints):  # type: ignore[no-untyped-def]
    """Column, w, level and first row of a part."""
    at = 1 + ints[0] * LEVEL_INTS + part * PART_INTS
    return ints[at], ints[at + 1], ints[at + 2], ints[at + 3]


@leaf
def clamped(x, j, point):  # type: ignore[no-untyped-def]
    """point (3) = column j of x in the unit cube. Returns 0, or NaN for a point that has NaN."""
    one, zero = x.dtype.type(1), x.dtype.type(0)
    bad = zero
    for a in range(AXES):
        point[a] = min(max(x[a, j], zero), one)
        bad += zero * x[a, j]
    return bad


@leaf
def nearest(point, level, ints, floats, tensors, distances):  # type: ignore[no-untyped-def]
    """The tensors that a point lies in, the nearest K: how many; their numbers and distances."""
    at = 1 + level * LEVEL_INTS
    cells, bits, begin, centers = ints[at + 1], ints[at + 2], ints[at + 3], ints[at + 4]
    half, key = floats[level * LEVEL_FLOATS], 0
    for a in range(AXES):
        cell = min(max(np.int64(point[a] * cells), 0), cells - 1)
        key = key * cells + cell
    listed = find_list(ints[begin:], bits, key)
    if listed < 0:
        return 0
    listed += begin
    count = 0
    for i in range(listed + 1, listed + 1 + ints[listed]):
        tensor = ints[i]
        c = centers + AXES * tensor
        x, y, z = point[0] - floats[c], point[1] - floats[c + 1], point[2] - floats[c + 2]
        if not (abs(x) <= half and abs(y) <= half and abs(z) <= half):
            continue
        square = x * x + y * y + z * z
        place = count
        if count == NEAREST:  # the farthest makes room
            place = 0
            for k in range(1, NEAREST):
                if distances[k] > distances[place]:
                    place = k
            if distances[place] <= square:
                continue
        else:
            count += 1
        tensors[place], distances[place] = tensor, square
    for k in range(count):
        distances[k] = math.sqrt(distances[k])
    return count


@leaf
def normalised(distances, count, weights):  # type: ignore[no-untyped-def]
    """weights[:count] = g_k / max(sum g, 1). Returns max(sum g, 1)."""
    one, ease = weights.dtype.type(1), weights.dtype.type(EASE)
    total = weights.dtype.type(0)
    for k in range(count):
        weights[k] = one / (distances[k] + ease)
        total += weights[k]
    total = max(total, one)
    for k in range(count):
        weights[k] /= total
    return total


@leaf
def vector_rows(point, tensor, level, width, first, ints, floats, rows, uppers):  # type: ignore[no-untyped-def]
    """Where a point lies on the three vectors of a tensor: rows below it, and shares above."""
    vertices = ints[1 + level * LEVEL_INTS]
    half, scale = floats[level * LEVEL_FLOATS], floats[level * LEVEL_FLOATS + 1]
    c = ints[1 + level * LEVEL_INTS + 4] + AXES * tensor
    for a in range(AXES):
        q = (point[a] - floats[c + a] + half) * scale
        cell = min(max(np.int64(q), 0), vertices - 2)
        uppers[a] = q - uppers.dtype.type(cell)
        rows[a] = first + ((tensor * AXES + a) * vertices + cell) * width


def encode(part, x, params, ints, floats, out):  # type: ignore[no-untyped-def]
    """Write the features of one part: out[n, columns of the part], for x [3, n] in [0, 1]."""
    n, stride = x.shape[1], out.shape[1]
    column, width, level, first = part_of(part, ints)
    tensors, rows = np.empty(NEAREST, np.int64), np.empty(AXES, np.int64)
    distances, weights = np.empty(NEAREST, params.dtype), np.empty(NEAREST, params.dtype)
    point, uppers = np.empty(AXES, params.dtype), np.empty(AXES, params.dtype)
    for j in range(n):
        begin = clamped(x, j, point)
        for c in range(width * FEATURES):
            out[j, column + c] = begin
        count = nearest(point, level, ints, floats, tensors, distances)
        normalised(distances, count, weights)
        for k in range(count):
            vector_rows(point, tensors[k], level, width, first, ints, floats, rows, uppers)
            for c in range(width):
                at = j * stride + column + c * FEATURES
                add_product(params, rows, uppers, width, weights[k], out, at, FEATURES)
                for a in range(AXES):
                    rows[a] += 1


def encode_backward(part, x, d_out, params, ints, floats, d_params):  # type: ignore[no-untyped-def]
    """Add one part's gradient to `d_params`, for d_out [n, c]."""
    n, stride = x.shape[1], d_out.shape[1]
    column, width, level, first = part_of(part, ints)
    tensors, rows = np.empty(NEAREST, np.int64), np.empty(AXES, np.int64)
    distances, weights = np.empty(NEAREST, params.dtype), np.empty(NEAREST, params.dtype)
    point, uppers = np.empty(AXES, params.dtype), np.empty(AXES, params.dtype)
    for j in range(n):
        clamped(x, j, point)
        count = nearest(point, level, ints, floats, tensors, distances)
        normalised(distances, count, weights)
        for k in range(count):
            vector_rows(point, tensors[k], level, width, first, ints, floats, rows, uppers)
            for c in range(width):
                at = j * stride + column + c * FEATURES
                add_product_gradient(
                    params, rows, uppers, width, weights[k], d_out, at, FEATURES, d_params
                )
                for a in range(AXES):
                    rows[a] += 1


@leaf
def slopes(params, d_out, j, column, width, rows, uppers, slope):  # type: ignore[no-untyped-def]
    """<f, d_out> of a tensor at point j; slope (3) = its gradient along the vectors, per vertex."""
    total = params.dtype.type(0)
    slope[:] = total
    for c in range(width * FEATURES):
        x, y, z = rows[0] * FEATURES + c, rows[1] * FEATURES + c, rows[2] * FEATURES + c
        next_vertex = width * FEATURES
        rise_x = params[x + next_vertex] - params[x]
        rise_y = params[y + next_vertex] - params[y]
        rise_z = params[z + next_vertex] - params[z]
        value_x = params[x] + uppers[0] * rise_x
        value_y = params[y] + uppers[1] * rise_y
        value_z = params[z] + uppers[2] * rise_z
        d = d_out[j, column + c]
        total += d * value_x * value_y * value_z
        slope[0] += d * rise_x * value_y * value_z
        slope[1] += d * value_x * rise_y * value_z
        slope[2] += d * value_x * value_y * rise_z
    return total


def encode_gradient(part, x, d_out, params, ints, floats, d_x):  # type: ignore[no-untyped-def]
    """Add one part's gradient with respect to position to d_x [3, n].

    With G = max(sum g, 1) and s = <f, d_out>: sum_k (g_k ds_k + dg_k (s_k - [sum g > 1] s)) / G,
    where dg_k = -g_k^2 (x - c_k) / |x - c_k|; zero where x was clamped.
    """
    one, zero = params.dtype.type(1), params.dtype.type(0)
    column, width, level, first = part_of(part, ints)
    tensors, rows = np.empty(NEAREST, np.int64), np.empty(AXES, np.int64)
    distances, weights = np.empty(NEAREST, params.dtype), np.empty(NEAREST, params.dtype)
    point, uppers = np.empty(AXES, params.dtype), np.empty(AXES, params.dtype)
    slope, products = np.empty((NEAREST, AXES), params.dtype), np.empty(NEAREST, params.dtype)
    scale = floats[level * LEVEL_FLOATS + 1]
    centers = ints[1 + level * LEVEL_INTS + 4]
    for j in range(x.shape[1]):
        clamped(x, j, point)
        count = nearest(point, level, ints, floats, tensors, distances)
        total, mean = normalised(distances, count, weights), zero
        for k in range(count):
            vector_rows(point, tensors[k], level, width, first, ints, floats, rows, uppers)
            products[k] = slopes(params, d_out, j, column, width, rows, uppers, slope[k])
            mean += weights[k] * products[k]
        if total <= one:
            mean = zero
        for k in range(count):
            fall = zero  # of the weight with distance, over the distance
            if distances[k] > zero:
                fall = weights[k] * weights[k] * total / distances[k]
            for a in range(AXES):
                if x[a, j] >= zero and x[a, j] <= one:
                    away = point[a] - floats[centers + AXES * tensors[k] + a]
                    d_x[a, j] += weights[k] * scale * slope[k, a]
                    d_x[a, j] -= fall * away * (products[k] - mean)


def strivec_blocks(features: int) -> EncoderBlocks:
    """The block functions of vector registers of `features` numbers."""
    return EncoderBlocks(
        variant(encode, FEATURES=features),
        variant(encode_backward, FEATURES=features),
        variant(encode_gradient, FEATURES=features, slopes=variant(slopes, FEATURES=features)),
    )
