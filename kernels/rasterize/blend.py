"""Tiles of a picture from their Gaussians, front to back; rows of a tile are vectors.

In a pixel at (dx, dy) from the centre of a Gaussian

    alpha = min(0.999, 2^(l - (F dx + G dy)^2 - H dy^2)),   nothing where that is below 1/255,
    weight = alpha T,   T <- T - weight,   nothing any more once T is below 1e-4.

A tile's pixels are in planes of 16 x 16 in the cache of its core: transmittance, colour, and what
else is wanted. Letters: q pairs of a Gaussian and a tile, c channels.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from polyfield.kernels.blocks import block, leaf
from polyfield.kernels.rasterize.records import MOST_ALPHA, OPAQUE
from polyfield.kernels.rasterize.screen import (
    BLUE,
    GREEN,
    LOG2_LEAST,
    LOG2_OPACITY,
    NORMAL,
    RED,
    TILE,
    F,
    G,
    H,
    X,
    Y,
    Z,
)
from polyfield.kernels.vectors import (
    any_of,
    counting,
    exp2,
    filled,
    lesser,
    load,
    select,
    store,
)

# What is composited beside colour: known in compiling.
DEPTH, NORMALS, DISTORTION = False, False, False
PLANE = TILE * TILE
PLANES = 11  # transmittance, red, green, blue, z, normal, median z, 1 / z, distortion
CHECK = 16  # Gaussians between two looks at whether a tile is done


@leaf
def begin_tile(local, planes, columns, lines):  # type: ignore[no-untyped-def]
    """Transmittance of 1 where the tile lies in the picture and 0 beyond; the rest 0."""
    one, zero = local.dtype.type(1), local.dtype.type(0)
    inside = counting(one) < local.dtype.type(columns)
    lit = select(inside, filled(one), filled(zero))
    for row in range(TILE):
        store(local, row * TILE, lit if row < lines else filled(zero))
    for at in range(PLANE, planes * PLANE, TILE):
        store(local, at, filled(zero))


@leaf
def is_done(local):  # type: ignore[no-untyped-def]
    """Whether no pixel of a tile lets light through."""
    opaque = filled(local.dtype.type(OPAQUE))
    row = 0
    while row < TILE and not any_of(load(local, row * TILE) >= opaque):
        row += 1
    return row == TILE


@leaf
def blend_tile(rows, ranks, spans, first, last, x0, y0, near, local):  # type: ignore[no-untyped-def]
    """Composite pairs first to last into a tile's planes; where it was done, and rows that took.

    Args:
        rows: [m,16] see `screen`; ranks, spans: [q] see `bins`.
        x0, y0: of the tile's first pixel; near: of the camera, unused here.
        local: [11 x 256] as `begin_tile` leaves it.
    """
    number = local.dtype.type
    zero, most = filled(number(0)), filled(number(MOST_ALPHA))
    least, opaque, half = filled(number(LOG2_LEAST)), filled(number(OPAQUE)), filled(number(0.5))
    across = counting(number(0))
    work = 0
    for q in range(first, last):
        if (q - first) % CHECK == CHECK - 1 and is_done(local):
            return q, work
        i, span = ranks[q], int(spans[q])
        f, g, h, top = rows[i, F], rows[i, G], rows[i, H], rows[i, LOG2_OPACITY]
        red, green, blue = filled(rows[i, RED]), filled(rows[i, GREEN]), filled(rows[i, BLUE])
        dx = across + (number(x0) + number(0.5) - rows[i, X])
        dy = number(y0 + span % TILE) + number(0.5) - rows[i, Y]
        f_dx = dx * f
        work += span // TILE - span % TILE + 1
        for at in range(TILE * (span % TILE), TILE * (span // TILE) + 1, TILE):
            along = f_dx + g * dy
            power = filled(top - h * dy * dy) - along * along
            dy += number(1)
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
                    z = filled(rows[i, Z])
                    store(local, at + 4 * PLANE, load(local, at + 4 * PLANE) + weight * z)
                    middle = (light > half) & (after <= half)
                    median = select(middle, z, load(local, at + 8 * PLANE))
                    store(local, at + 8 * PLANE, median)
                if NORMALS:
                    for axis in range(3):
                        to = at + (5 + axis) * PLANE
                        store(local, to, load(local, to) + weight * rows[i, NORMAL + axis])
    return last, work


@block
def shares(work, bounds):  # type: ignore[no-untyped-def]
    """Split tiles into parts of equal work, each a range: bounds [p + 1]."""
    count, parts = work.shape[0], bounds.shape[0] - 1
    total = 0
    for tile in range(count):
        total += work[tile]
    so_far, part = 0, 0
    bounds[0] = 0
    for tile in range(count):
        so_far += work[tile]
        while part + 1 < parts and so_far * parts >= total * (part + 1):
            part += 1
            bounds[part] = tile + 1
    for rest in range(part + 1, parts + 1):
        bounds[rest] = count


def blend(  # type: ignore[no-untyped-def]
    rows, ranks, spans, starts, found_work, near, background, rgb, opacity, depth, median, normals,
    disparity, distortion, reached, work,
):  # fmt: skip
    """A template: the picture.

    Args:
        starts: [tiles + 1]; found_work: [p, tiles] rows of pairs, see `bins`.
        near: least z of what is drawn; background: [3].
        rgb: [3,h,w], opacity: [h,w], and where wanted depth, median: [h,w], normals: [3,h,w],
            disparity, distortion: [h,w] sums of weight / z and of pairs, see `records`.
        reached: [tiles] int64 is overwritten with where each tile's pairs ended.
        work: [tiles] int64 with rows of pairs up to there.
    """
    parts, count = found_work.shape
    height, width = opacity.shape
    columns = (width + TILE - 1) // TILE
    estimate, bounds = np.empty(count, np.int64), np.empty(parts + 1, np.int64)
    for tile in range(count):
        estimate[tile] = PLANES + 3 * (starts[tile + 1] - starts[tile])
        for part in range(parts):
            estimate[tile] += found_work[part, tile]
    shares(estimate, bounds)
    for part in prange(parts):
        local = np.empty(PLANES * PLANE, rows.dtype)
        for tile in range(bounds[part], bounds[part + 1]):
            x0, y0 = tile % columns * TILE, tile // columns * TILE
            inside, lines = min(width - x0, TILE), min(height - y0, TILE)
            planes = PLANES if DISTORTION else PLANES - 2 if DEPTH or NORMALS else 4
            begin_tile(local, planes, inside, lines)
            reached[tile], work[tile] = blend_tile(
                rows, ranks, spans, starts[tile], starts[tile + 1], x0, y0, near, local
            )
            for line in range(lines):
                for column in range(inside):
                    at, x, y = line * TILE + column, x0 + column, y0 + line
                    light = local[at]
                    opacity[y, x] = 1 - light
                    rgb[0, y, x] = local[at + PLANE] + light * background[0]
                    rgb[1, y, x] = local[at + 2 * PLANE] + light * background[1]
                    rgb[2, y, x] = local[at + 3 * PLANE] + light * background[2]
                    if DEPTH:
                        depth[y, x] = local[at + 4 * PLANE]
                        median[y, x] = local[at + 8 * PLANE]
                    if NORMALS:
                        normals[0, y, x] = local[at + 5 * PLANE]
                        normals[1, y, x] = local[at + 6 * PLANE]
                        normals[2, y, x] = local[at + 7 * PLANE]
                    if DISTORTION:
                        disparity[y, x] = local[at + 9 * PLANE]
                        distortion[y, x] = local[at + 10 * PLANE]
