"""From gradients of a picture to sums over pixels for its surfels, front to back.

As in `blend_backward`, with what distortion asks of a weight and of q = 1 / z in a pixel: with S, Q
the sums of w and of w q before a surfel, S', Q' those with it, and S*, Q* those of all,

    d distortion / d w = 2 (Q + Q' - Q* - q (S + S' - S*)),   d / d q = 2 w (S* - S - S').

Sums are of what u, v and w, which are linear in the pixel, are asked: times 1, dx and dy.
"""

from __future__ import annotations

from polyfield.kernels.blocks import leaf
from polyfield.kernels.rasterize.blend_backward import (
    ALL_DISPARITY,
    ALL_OPACITY,
    DISPARITY,
    OF_DEPTH,
    OF_DISTORTION,
    OF_MEDIAN,
    OF_NORMAL,
    OF_RED,
    PLANE,
)
from polyfield.kernels.rasterize.records import MOST_ALPHA, OPAQUE
from polyfield.kernels.rasterize.screen import (
    BLUE,
    GREEN,
    GX,
    GY,
    LOG2_E,
    LOG2_LEAST,
    LOG2_OPACITY,
    NORMAL,
    RED,
    ROW,
    TILE,
    UX,
    UY,
    VX,
    VY,
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
# Columns of sums, those of `blend_backward` from the colour on: v = alpha d loss / d alpha, v of
# the low-pass times dx, dy, e_u, e_v, e_w, ..., e_u dx; in a second row e_u dy, e_v dx, e_v dy,
# e_w dx, e_w dy. e_u = v u / w^2 and e_v are gradients of u, v but for a factor, e_w that of w.
SUM_LOW, SUM_U, SUM_V, SUM_W = 1, 3, 4, 5
SUM_U_X, SUM_U_Y, SUM_V_X, SUM_V_Y, SUM_W_X, SUM_W_Y = 15, 16, 17, 18, 19, 20
SUM_ROW = 2 * ROW


@leaf
def blend_tile_backward(  # type: ignore[no-untyped-def]
    rows, ranks, spans, first, last, x0, y0, near, local, sums, sums_at
):
    """As `blend_backward.blend_tile_backward`, of surfels."""
    number = local.dtype.type
    zero, one, most = filled(number(0)), filled(number(1)), filled(number(MOST_ALPHA))
    least, opaque, half = filled(number(LOG2_LEAST)), filled(number(OPAQUE)), filled(number(0.5))
    across = counting(number(0))
    bend = number(2 / LOG2_E)
    for q in range(first, last):
        i, span = ranks[q], int(spans[q])
        ux, uy, vx, vy = rows[i, UX], rows[i, UY], rows[i, VX], rows[i, VY]
        gx, gy, z, top = rows[i, GX], rows[i, GY], rows[i, Z], rows[i, LOG2_OPACITY]
        red, green, blue = filled(rows[i, RED]), filled(rows[i, GREEN]), filled(rows[i, BLUE])
        dx = across + (number(x0) + number(0.5) - rows[i, X])
        dy = number(y0 + span % TILE) + number(0.5) - rows[i, Y]
        u_dx, v_dx, w_dx, flat_dx = dx * ux, dx * vx, one + dx * gx, dx * dx * number(LOG2_E)
        nearest, over_z = filled(z / near), number(1) / z
        total, low, low_y, to_red, to_green, to_blue = zero, zero, zero, zero, zero, zero
        to_u, to_v, to_w, to_uy, to_vy, to_wy = zero, zero, zero, zero, zero, zero
        to_z, to_nx, to_ny, to_nz, abs_x, abs_y = zero, zero, zero, zero, zero, zero
        for at in range(TILE * (span % TILE), TILE * (span // TILE) + 1, TILE):
            u, v, w = u_dx + dy * uy, v_dx + dy * vy, w_dx + dy * gy
            flat = flat_dx + dy * dy * number(LOG2_E)
            inverse = one / w
            met = (u * u + v * v) * inverse * inverse
            hit = (w > zero) & (w < nearest) & (met <= flat)
            power = filled(top) - select(hit, met, flat)
            light = load(local, at)
            seen = (power >= least) & (light >= opaque)
            if any_of(seen):
                free = exp2(power)
                alpha = select(seen, lesser(free, most), zero)
                weight = alpha * light
                after = light - weight
                w, inverse = select(hit, w, one), select(hit, inverse, one)
                of_red = load(local, at + OF_RED * PLANE)
                of_green = load(local, at + (OF_RED + 1) * PLANE)
                of_blue = load(local, at + (OF_RED + 2) * PLANE)
                gain = red * of_red + green * of_green + blue * of_blue
                to_red = to_red + weight * of_red
                to_green = to_green + weight * of_green
                to_blue = to_blue + weight * of_blue
                of_disparity = zero
                if DEPTH:
                    depth = z * inverse
                    of_depth = load(local, at + OF_DEPTH * PLANE)
                    gain = gain + of_depth * depth
                    middle = (light > half) & (after <= half)
                    of_median = select(middle, load(local, at + OF_MEDIAN * PLANE), zero)
                    of_disparity = (weight * of_depth + of_median) * depth * depth * number(-1)
                if NORMALS:
                    of_nx = load(local, at + OF_NORMAL * PLANE)
                    of_ny = load(local, at + (OF_NORMAL + 1) * PLANE)
                    of_nz = load(local, at + (OF_NORMAL + 2) * PLANE)
                    gain = gain + of_nx * rows[i, NORMAL] + of_ny * rows[i, NORMAL + 1]
                    gain = gain + of_nz * rows[i, NORMAL + 2]
                    to_nx, to_ny = to_nx + weight * of_nx, to_ny + weight * of_ny
                    to_nz = to_nz + weight * of_nz
                if DISTORTION:
                    gradient = load(local, at + OF_DISTORTION * PLANE)
                    before = load(local, at + DISPARITY * PLANE)
                    disparity = over_z * w
                    behind = before + weight * disparity
                    lit = number(2) - light - after - load(local, at + ALL_OPACITY * PLANE)
                    rise = before + behind - load(local, at + ALL_DISPARITY * PLANE)
                    gain = gain + gradient * (rise - disparity * lit)
                    of_disparity = of_disparity - gradient * weight * lit
                    store(local, at + DISPARITY * PLANE, behind)
                rest = load(local, at + PLANE) - weight * gain
                store(local, at, after)
                store(local, at + PLANE, rest)
                slope = light * gain - rest / (one - alpha)
                full = select(free <= most, slope * alpha, zero)
                on_disk = select(hit, full, zero)
                flat_part = full - on_disk
                e_u, e_v = on_disk * u * inverse * inverse, on_disk * v * inverse * inverse
                e_w = on_disk * (filled(top) - power) * inverse * bend
                if DEPTH or DISTORTION:
                    to_z = to_z - of_disparity * w
                    e_w = e_w + over_z * select(hit, of_disparity, zero)
                total, low, low_y = total + full, low + flat_part, low_y + flat_part * dy
                to_u, to_v, to_w = to_u + e_u, to_v + e_v, to_w + e_w
                to_uy, to_vy, to_wy = to_uy + e_u * dy, to_vy + e_v * dy, to_wy + e_w * dy
                if ABSOLUTE:
                    bare, two = number(LOG2_E), number(2)
                    on_x = two * (e_u * ux + e_v * vx) - bare * (e_w * gx - two * flat_part * dx)
                    on_y = two * (e_u * uy + e_v * vy) - bare * (e_w * gy - two * flat_part * dy)
                    abs_x, abs_y = abs_x + absolute(on_x), abs_y + absolute(on_y)
            dy += number(1)
        at = sums_at + i * SUM_ROW
        row = totals(
            (
                total,
                low * dx,
                low_y,
                to_u,
                to_v,
                to_w,
                to_red,
                to_green,
                to_blue,
                to_z * (over_z * over_z),
                to_nx,
                to_ny,
                to_nz,
                abs_x,
                abs_y,
                to_u * dx,
            )
        )
        store(sums, at, load(sums, at) + row)
        other = totals((to_uy, to_v * dx, to_vy, to_w * dx, to_wy))
        store(sums, at + ROW, load(sums, at + ROW) + other)
