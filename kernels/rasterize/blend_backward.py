"""From gradients of a picture to gradients of the Gaussians' rows, tile by tile, front to back.

What a pixel receives from behind Gaussian i is everything less what came up to it, so no list per
pixel is kept: with the Gaussian's colour dotted with the pixel's gradient, e_i = c_i . g,

    R_i = sum over j > i of w_j e_j + T_end (background . g - g_opacity),
    d loss / d alpha_i = T_i e_i - R_i / (1 - alpha_i),

and R_0 follows from the picture itself. Sums over a tile of v = alpha d loss / d alpha times 1, dy,
e = F dx + G dy and their products give the gradients of a row. Letters: q pairs of a Gaussian and
a tile.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from polyfield.kernels.blocks import block, leaf
from polyfield.kernels.rasterize.blend import shares
from polyfield.kernels.rasterize.records import MOST_ALPHA, OPAQUE
from polyfield.kernels.rasterize.screen import (
    BLUE,
    GREEN,
    LOG2_LEAST,
    LOG2_OPACITY,
    NORMAL,
    RED,
    ROW,
    TILE,
    F,
    G,
    H,
    X,
    Y,
    Z,
)
from polyfield.kernels.vectors import (
    absolute,
    any_of,
    counting,
    exp2,
    filled,
    lesser,
    load,
    select,
    store,
    totals,
)

DEPTH, NORMALS, DISTORTION, ABSOLUTE = False, False, False, False  # known in compiling
PLANE = TILE * TILE
# Planes: transmittance, what is still to come, gradients of rgb, z, normal and median z.
LIGHT, REST, OF_RED, OF_DEPTH, OF_NORMAL, OF_MEDIAN = 0, 1, 2, 5, 6, 9
# And where it is asked for, twice the gradient of distortion, sums of weight / z before a Gaussian
# and of all, and the opacity of all.
OF_DISTORTION, DISPARITY, ALL_DISPARITY, ALL_OPACITY = 10, 11, 12, 13
PLANES = 14
# Columns of sums: v, v e, v e^2, v dy, v e dy, v dy^2, colour, z, normal, |gradient of x, of y|.
SUM_COLOR, SUM_DEPTH, SUM_NORMAL, SUM_ABSOLUTE = 6, 9, 10, 13


@leaf
def blend_tile_backward(rows, ranks, spans, first, last, x0, y0, near, local, sums, sums_at):  # type: ignore[no-untyped-def]
    """Add the sums of pairs first to last in a tile to their Gaussians' rows of sums.

    Args:
        rows, ranks, spans, x0, y0, near: as in `blend`.
        local: [14 x 256] transmittance as it begins, what is to come, gradients.
        sums: flat; sums_at: where this part's [m,16] begin in it.
    """
    number = local.dtype.type
    zero, one, most = filled(number(0)), filled(number(1)), filled(number(MOST_ALPHA))
    least, opaque, half = filled(number(LOG2_LEAST)), filled(number(OPAQUE)), filled(number(0.5))
    across = counting(number(0))
    for q in range(first, last):
        i, span = ranks[q], int(spans[q])
        f, g, h, top = rows[i, F], rows[i, G], rows[i, H], rows[i, LOG2_OPACITY]
        red, green, blue = filled(rows[i, RED]), filled(rows[i, GREEN]), filled(rows[i, BLUE])
        dx = across + (number(x0) + number(0.5) - rows[i, X])
        dy = number(y0 + span % TILE) + number(0.5) - rows[i, Y]
        f_dx = dx * f
        v0, v1, v2, e0, e1, e2 = zero, zero, zero, zero, zero, zero
        to_red, to_green, to_blue = zero, zero, zero
        to_depth, to_nx, to_ny, to_nz, abs_x, abs_y = zero, zero, zero, zero, zero, zero
        for at in range(TILE * (span % TILE), TILE * (span // TILE) + 1, TILE):
            along = f_dx + g * dy
            power = filled(top - h * dy * dy) - along * along
            light = load(local, at)
            seen = (power >= least) & (light >= opaque)
            if any_of(seen):
                free = exp2(power)
                alpha = select(seen, lesser(free, most), zero)
                weight = alpha * light
                of_red = load(local, at + OF_RED * PLANE)
                of_green = load(local, at + (OF_RED + 1) * PLANE)
                of_blue = load(local, at + (OF_RED + 2) * PLANE)
                gain = red * of_red + green * of_green + blue * of_blue
                to_red = to_red + weight * of_red
                to_green = to_green + weight * of_green
                to_blue = to_blue + weight * of_blue
                after = light - weight
                if DEPTH:
                    of_depth = load(local, at + OF_DEPTH * PLANE)
                    gain = gain + of_depth * rows[i, Z]
                    middle = (light > half) & (after <= half)
                    of_median = select(middle, load(local, at + OF_MEDIAN * PLANE), zero)
                    to_depth = to_depth + weight * of_depth + of_median
                if NORMALS:
                    of_nx = load(local, at + OF_NORMAL * PLANE)
                    of_ny = load(local, at + (OF_NORMAL + 1) * PLANE)
                    of_nz = load(local, at + (OF_NORMAL + 2) * PLANE)
                    gain = gain + of_nx * rows[i, NORMAL] + of_ny * rows[i, NORMAL + 1]
                    gain = gain + of_nz * rows[i, NORMAL + 2]
                    to_nx, to_ny = to_nx + weight * of_nx, to_ny + weight * of_ny
                    to_nz = to_nz + weight * of_nz
                rest = load(local, at + PLANE) - weight * gain
                store(local, at, after)
                store(local, at + PLANE, rest)
                slope = light * gain - rest / (one - alpha)
                v = select(free <= most, slope * alpha, zero)
                v_dy, v_e = v * dy, v * along
                v0, v1, v2 = v0 + v, v1 + v_dy, v2 + v_dy * dy
                e0, e1, e2 = e0 + v_e, e1 + v_e * along, e2 + v_e * dy
                if ABSOLUTE:
                    abs_x = abs_x + absolute(v * (along * (2 * f)))
                    abs_y = abs_y + absolute(v * (along * (2 * g) + 2 * h * dy))
            dy += number(1)
        at = sums_at + i * ROW
        row = totals(
            (
                v0,
                e0,
                e1,
                v1,
                e2,
                v2,
                to_red,
                to_green,
                to_blue,
                to_depth,
                to_nx,
                to_ny,
                to_nz,
                abs_x,
                abs_y,
            )
        )
        store(sums, at, load(sums, at) + row)


@block
def fill_tile(  # type: ignore[no-untyped-def]
    x0, y0, inside, lines, background, rgb, opacity, of_rgb, of_opacity, of_depth, of_median,
    of_normals, of_distortion, depth, normals, disparity, distortion, local,
):  # fmt: skip
    """The planes of a tile as its first Gaussian finds them; nothing beyond the picture."""
    local[: (PLANES if DISTORTION else OF_DISTORTION) * PLANE] = 0
    for line in range(lines):
        for column in range(inside):
            at, x, y = line * TILE + column, x0 + column, y0 + line
            local[at] = 1
            rest = -of_opacity[y, x] * (1 - opacity[y, x])
            for channel in range(3):
                gradient = of_rgb[channel, y, x]
                local[at + (OF_RED + channel) * PLANE] = gradient
                rest += rgb[channel, y, x] * gradient
            if DEPTH:
                local[at + OF_DEPTH * PLANE] = of_depth[y, x]
                local[at + OF_MEDIAN * PLANE] = of_median[y, x]
                rest += depth[y, x] * of_depth[y, x]
            if NORMALS:
                for axis in range(3):
                    local[at + (OF_NORMAL + axis) * PLANE] = of_normals[axis, y, x]
                    rest += normals[axis, y, x] * of_normals[axis, y, x]
            if DISTORTION:  # of second degree in weights
                gradient = 2 * of_distortion[y, x]
                local[at + OF_DISTORTION * PLANE] = gradient
                local[at + ALL_DISPARITY * PLANE] = disparity[y, x]
                local[at + ALL_OPACITY * PLANE] = opacity[y, x]
                rest += distortion[y, x] * gradient
            local[at + REST * PLANE] = rest


def blend_backward(  # type: ignore[no-untyped-def]
    rows, ranks, spans, starts, reached, work, near, background, rgb, opacity, depth, normals,
    disparity, distortion, of_rgb, of_opacity, of_depth, of_median, of_normals, of_distortion, sums,
):  # fmt: skip
    """A template: sums for the gradients of all rows, a set of them for each part.

    Args:
        rows, ranks, spans, starts, reached, work, near, background, rgb, opacity, depth, normals,
            disparity, distortion: of `blend`; the picture as it came out.
        of_*: gradients of the picture.
        sums: [p,m,16], or a multiple of 16, zeros.
    """
    parts, m, wide = sums.shape
    count = work.shape[0]
    height, width = opacity.shape
    columns = (width + TILE - 1) // TILE
    estimate, bounds = np.empty(count, np.int64), np.empty(parts + 1, np.int64)
    for tile in range(count):
        estimate[tile] = 30 + 4 * (reached[tile] - starts[tile]) + work[tile]
    shares(estimate, bounds)
    flat = sums.reshape(-1)
    for part in prange(parts):
        local = np.empty(PLANES * PLANE, rows.dtype)
        for tile in range(bounds[part], bounds[part + 1]):
            x0, y0 = tile % columns * TILE, tile // columns * TILE
            inside, lines = min(width - x0, TILE), min(height - y0, TILE)
            fill_tile(
                x0, y0, inside, lines, background, rgb, opacity, of_rgb, of_opacity, of_depth,
                of_median, of_normals, of_distortion, depth, normals, disparity, distortion, local,
            )  # fmt: skip
            blend_tile_backward(
                rows, ranks, spans, starts[tile], reached[tile], x0, y0, near, local,
                flat, part * m * wide,
            )  # fmt: skip


assert math.isclose(2.0**LOG2_LEAST, 1 / 255)
