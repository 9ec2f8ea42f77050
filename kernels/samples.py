"""The pieces of the render step that work on rows of samples: their density, and what is kept.

Letters as in `kernels.render`: n rows, c features, k geometry features.
"""

from __future__ import annotations

import math

import numpy as np

from polyfield.kernels.blocks import block, leaf
from polyfield.kernels.domain import to_unit_backward
from polyfield.kernels.exponential import exponential, exponential_minus_one
from polyfield.kernels.frames import encode_points
from polyfield.kernels.mlp import layer, mlp_forward, output

EXPONENT_MAX = 15.0
EXP, SOFTPLUS = 0, 1


@leaf
def density_of(raw, kind, shift, scale):  # type: ignore[no-untyped-def]
    """Density and its slope: scale times exp (truncated) or softplus of raw + shift."""
    one, top = type(raw)(1), type(raw)(EXPONENT_MAX)
    x = raw + shift
    if kind == EXP:
        value = scale * exponential(min(x, top))
        return value, value
    if x > top:
        return scale * x, scale
    e = exponential(x)
    return scale * math.log1p(e), scale * (e / (one + e))


@leaf
def bounded_interval(t, dt):  # type: ignore[no-untyped-def]
    """Middle and length in s = t / (1 + t) of the interval dt around t."""
    one, half = type(t)(1), type(t)(0.5)
    t0, t1 = t - half * dt, t + half * dt
    s0, s1 = t0 / (one + t0), t1 / (one + t1)
    return half * (s0 + s1), s1 - s0


@block
def trunk_rows(features, summed, trunk_params, trunk_shape, acts, capacity, r0, r1):  # type: ignore[no-untyped-def]
    """The decoder's rows whose first columns hold the raw density, [r1-r0, *]."""
    if summed == 0:
        mlp_forward(features[r0:r1], trunk_params, trunk_shape, acts, capacity, r0, r1)
        return output(acts, trunk_shape, capacity, r0, r1)
    return features[r0:r1]


@leaf
def raw_density(rows, summed, raw):  # type: ignore[no-untyped-def]
    """Write the raw density of all `trunk_rows`.

    Args:
        summed: features summed into it; 0 where a trunk has computed it.
    """
    for r in range(rows.shape[0]):
        total = rows[r, 0]
        for c in range(1, summed):
            total += rows[r, c]
        raw[r] = total


@leaf
def opacities(rows, summed, dts, kind, shift, scale, alpha, slope):  # type: ignore[no-untyped-def]
    """Opacity 1 - exp(-density dt) of rows of `trunk_rows`, and the density's slope.

    Loops of their own, free of the rays' bookkeeping, so that they become vector code.
    """
    n = dts.shape[0]
    raw_density(rows, summed, alpha)
    if kind == EXP:
        for r in range(n):
            value, slope[r] = density_of(alpha[r], EXP, shift, scale)
            alpha[r] = -exponential_minus_one(-value * dts[r])
    else:
        for r in range(n):
            value, slope[r] = density_of(alpha[r], SOFTPLUS, shift, scale)
            alpha[r] = -exponential_minus_one(-value * dts[r])


@block
def encode_rows(xs, r0, r1, first, last, encoding, features):  # type: ignore[no-untyped-def]
    """Encode rows r0..r1 in parts first..last."""
    n = r1 - r0
    columns = np.empty((xs.shape[1], n), xs.dtype)
    for a in range(xs.shape[1]):
        for row in range(n):
            columns[a, row] = xs[r0 + row, a]
    encode_points(columns, first, last, encoding, features[r0:r1])


@leaf
def move(values, columns, sources, first, moved):  # type: ignore[no-untyped-def]
    """values[first + m] = values[sources[m]] for m < moved; sources ascend, never below target."""
    for m in range(moved):
        source, target = sources[m], first + m
        if source != target:
            for c in range(columns):
                values[target, c] = values[source, c]


@block
def move_rows(  # type: ignore[no-untyped-def]
    sources, first, moved, xs, features, columns, summed, trunk_shape, acts, capacity, keep
):
    """Close the gaps that dropped samples leave in a round's rows.

    Args:
        columns: of the features, that are there; keep: move also what only the backward pass reads.
    """
    n_layers = trunk_shape[0]
    if keep or summed > 0:
        move(xs, xs.shape[1], sources, first, moved)
        move(features, columns, sources, first, moved)
    if summed == 0:
        for i in range(1 if keep else n_layers, n_layers + 1):
            values = layer(acts, trunk_shape, capacity, i, 0, capacity)
            move(values, values.shape[1], sources, first, moved)


@leaf
def take_bright(  # type: ignore[no-untyped-def]
    faint, r0, r1, weights, rays, xs, features, summed, columns, c0, rows, ray_of, x_of, feature
):
    """Append rows r0..r1 with a weight of at least `faint` to the bright ones, from c0 on.

    Args:
        summed, columns: of the features: from where on colour needs them, up to where they are.
        rows, ray_of, x_of, feature: of the bright: their rows, rays, points and features.

    Returns:
        The end of the bright ones.
    """
    c = c0
    for row in range(r0, r1):
        if weights[row] >= faint:
            rows[c], ray_of[c] = row, rays[row]
            for a in range(xs.shape[1]):
                x_of[c, a] = xs[row, a]
            for i in range(summed, columns):
                feature[c, i] = features[row, i]
            c += 1
    return c


@leaf
def rays_backward(grid, march, origins, directions, rays, ts, d_x, d_origins, d_directions):  # type: ignore[no-untyped-def]
    """Add the rays' gradient through their samples' positions o + t d, from d_x [3 or 4, n]."""
    for row in range(d_x.shape[1]):
        ray, t = rays[row], ts[row]
        gradient = to_unit_backward(
            grid[0], march, origins[ray, 0] + t * directions[ray, 0],
            origins[ray, 1] + t * directions[ray, 1], origins[ray, 2] + t * directions[ray, 2],
            d_x[0, row], d_x[1, row], d_x[2, row],
        )  # fmt: skip
        for a in range(3):
            d_origins[ray, a] += gradient[a]
            d_directions[ray, a] += t * gradient[a]
