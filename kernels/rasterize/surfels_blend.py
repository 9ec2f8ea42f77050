"""Tiles of a picture from their surfels, as `blend` has them of Gaussians.

In a pixel at (dx, dy) from the projection of a surfel's centre, u, v, w being linear in it,

    rho = (u^2 + v^2) / w^2 where the ray meets the disk beyond `near` and that is at most
          log2(e) (dx^2 + dy^2), which it is elsewhere: the low-pass,
    alpha = min(0.999, 2^(l - rho)),   1 / z = w / z_c, or 1 / z_c elsewhere.

Distortion is gathered as 2 w_i (sum over j < i of w_j / z_j - 1 / z_i sum over j < i of w_j).
"""

from __future__ import annotations

from polyfield.kernels.blocks import leaf
from polyfield.kernels.rasterize.blend import CHECK, PLANE, is_done
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
    TILE,
    UX,
    UY,
    VX,
    VY,
    X,
    Y,
    Z,
)
from polyfield.kernels.vectors import any_of, counting, exp2, filled, lesser, load, select, store

DEPTH, NORMALS, DISTORTION = False, False, False  # known in compiling


@leaf
def blend_tile(rows, ranks, spans, first, last, x0, y0, near, local):  # type: ignore[no-untyped-def]
    """As `blend.blend_tile`, of surfels."""
    number = local.dtype.type
    zero, one, most = filled(number(0)), filled(number(1)), filled(number(MOST_ALPHA))
    least, opaque, half = filled(number(LOG2_LEAST)), filled(number(OPAQUE)), filled(number(0.5))
    across = counting(number(0))
    work = 0
    for q in range(first, last):
        if (q - first) % CHECK == CHECK - 1 and is_done(local):
            return q, work
        i, span = ranks[q], int(spans[q])
        ux, uy, vx, vy = rows[i, UX], rows[i, UY], rows[i, VX], rows[i, VY]
        gx, gy, z, top = rows[i, GX], rows[i, GY], rows[i, Z], rows[i, LOG2_OPACITY]
        red, green, blue = filled(rows[i, RED]), filled(rows[i, GREEN]), filled(rows[i, BLUE])
        dx = across + (number(x0) + number(0.5) - rows[i, X])
        dy = number(y0 + span % TILE) + number(0.5) - rows[i, Y]
        u_dx, v_dx, w_dx, flat_dx = dx * ux, dx * vx, one + dx * gx, dx * dx * number(LOG2_E)
        nearest, over_z = filled(z / near), number(1) / z
        work += span // TILE - span % TILE + 1
        for at in range(TILE * (span % TILE), TILE * (span // TILE) + 1, TILE):
            u, v, w = u_dx + dy * uy, v_dx + dy * vy, w_dx + dy * gy
            flat = flat_dx + dy * dy * number(LOG2_E)
            dy += number(1)
            inverse = one / w
            met = (u * u + v * v) * inverse * inverse
            hit = (w > zero) & (w < nearest) & (met <= flat)
            power = filled(top) - select(hit, met, flat)
            light = load(local, at)
            seen = (power >= least) & (light >= opaque)
            if any_of(seen):
                weight = select(seen, lesser(exp2(power), most), zero) * light
                after = light - weight
                store(local, at, after)
                store(local, at + PLANE, load(local, at + PLANE) + weight * red)
                store(local, at + 2 * PLANE, load(local, at + 2 * PLANE) + weight * green)
                store(local, at + 3 * PLANE, load(local, at + 3 * PLANE) + weight * blue)
                if DEPTH:
                    depth = z * select(hit, inverse, one)
                    store(local, at + 4 * PLANE, load(local, at + 4 * PLANE) + weight * depth)
                    middle = (light > half) & (after <= half)
                    median = select(middle, depth, load(local, at + 8 * PLANE))
                    store(local, at + 8 * PLANE, median)
                if NORMALS:
                    for axis in range(3):
                        to = at + (5 + axis) * PLANE
                        store(local, to, load(local, to) + weight * rows[i, NORMAL + axis])
                if DISTORTION:
                    disparity = over_z * select(hit, w, one)
                    before, to = load(local, at + 9 * PLANE), at + 10 * PLANE
                    pairs = before - disparity * (one - light)
                    store(local, to, load(local, to) + number(2) * weight * pairs)
                    store(local, at + 9 * PLANE, before + weight * disparity)
    return last, work
