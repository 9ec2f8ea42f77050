"""Which Gaussians touch which tile, and in which of its rows: exactly, from their ellipses.

Letters: m Gaussians front to back, q pairs of a Gaussian and a tile, p parts of the work. In units
in which alpha = 2^(l - (F dx + G dy)^2 - H dy^2), with C = G^2 + H, an ellipse of reach
k = l - log2(1/255) holds, in the column at dx, the rows

    dy = -F G dx / C +- sqrt(k / C - F^2 H dx^2 / C^2),

and its highest and lowest points lie at dx = -+ G / F sqrt(k / H).
"""

from __future__ import annotations

import math

from numba import prange

from polyfield.kernels.blocks import leaf
from polyfield.kernels.rasterize.screen import (
    LOG2_LEAST,
    LOG2_OPACITY,
    TILE,
    F,
    G,
    H,
    X,
    Y,
    rounded_up,
)

SLACK = 1e-3  # pixels, more than rounding takes


@leaf
def ellipse_of(a, half_b, c, reach, one):  # type: ignore[no-untyped-def]
    """Of a dx^2 + b dx dy + c dy^2 <= reach: least and greatest dy; dx of the lowest point (-that
    of the highest), half the width; slope of the middle line, k / C, curvature of the rows.

    Args:
        one: 1, in the precision of the others.
    """
    over_a, over_c = one / a, one / c
    slope, tilt = -half_b * over_c, -half_b * over_a
    flat = one - slope * tilt  # 1 - B^2 / 4AC
    across, along = reach * over_a / flat, reach * over_c / flat
    height = math.sqrt(along)
    bend = a * over_c * flat
    return -height, height, tilt * height, math.sqrt(across), slope, reach * over_c, bend


@leaf
def outline_of(rows, rank):  # type: ignore[no-untyped-def]
    """What is drawn of a Gaussian, relative to its centre: least and greatest dy, and the rest."""
    number = rows.dtype.type
    f, g, h = rows[rank, F], rows[rank, G], rows[rank, H]
    reach = max(rows[rank, LOG2_OPACITY] - number(LOG2_LEAST), number(0))
    c = g * g + h
    over_c, height = number(1) / c, math.sqrt(reach / h)
    width, bend = math.sqrt(reach * c / h) / f, f * f * h * over_c * over_c
    return -height, height, -g / f * height, width, -f * g * over_c, reach * over_c, bend


@leaf
def rows_between(outline, left, right):  # type: ignore[no-untyped-def]
    """Least and greatest dy of an outline where left <= dx <= right."""
    _, _, tilt, half, slope, reach, curve = outline
    near, far = max(left, -half), min(right, half)
    low_x, high_x = min(max(-tilt, near), far), min(max(tilt, near), far)
    low = slope * low_x - math.sqrt(max(reach - curve * low_x * low_x, reach - reach))
    high = slope * high_x + math.sqrt(max(reach - curve * high_x * high_x, reach - reach))
    return low, high


def find_pairs(  # type: ignore[no-untyped-def]
    rows,
    order,
    tiles,
    first_pair,
    across,
    height,
    pair_tile,
    pair_rank,
    pair_span,
    ends,
    found,
    work,
):
    """A template: all pairs, Gaussian after Gaussian.

    Args:
        rows: [m,16] front to back; order, tiles, first_pair: of `order_by_depth`.
        across: tiles in a row of tiles; height: of the picture, pixels.
        pair_tile, pair_rank: [q] int32; pair_span: [q] uint16, first row of the tile + 16 x last.
            Each part writes from first_pair of its first Gaussian on.
        ends: [p] int64 is overwritten with where each part's pairs end.
        found: [p, tiles] int64, zeros, how many pairs a part has in a tile.
        work: [p, tiles] int64, zeros, of how many rows.
    """
    m, parts = first_pair.shape[0] - 1, found.shape[0]
    number = rows.dtype.type
    zero, half_pixel, slack, lowest = number(0), number(0.5), number(SLACK), number(height - 1)
    for part in prange(parts):
        first, last = m * part // parts, m * (part + 1) // parts
        q = first_pair[first]
        for rank in range(first, last):
            i = order[rank]
            x, y = rows[rank, X], rows[rank, Y]
            leftmost, rightmost = tiles[i, 0], tiles[i, 1]
            outline = outline_of(rows, rank)
            low, high = outline[0], outline[1]
            for column in range(leftmost, rightmost + 1):
                if leftmost != rightmost:  # what lies between two columns of pixels
                    left = number(column * TILE) - x
                    low, high = rows_between(outline, left, left + number(TILE))
                top = rounded_up(max(y + low - (half_pixel + slack), zero))
                below = y + high - (half_pixel - slack)
                bottom = int(min(below, lowest)) if below >= zero else -1
                for line in range(
                    max(top // TILE, tiles[i, 2]), min(bottom // TILE, tiles[i, 3]) + 1
                ):
                    start = max(top - line * TILE, 0)
                    stop = min(bottom - line * TILE, TILE - 1)
                    if start > stop:
                        continue
                    tile = line * across + column
                    pair_tile[q], pair_rank[q] = tile, rank
                    pair_span[q] = start + TILE * stop
                    q += 1
                    found[part, tile] += 1
                    work[part, tile] += stop - start + 1
        ends[part] = q


def sort_pairs(  # type: ignore[no-untyped-def]
    first_pair, ends, pair_tile, pair_rank, pair_span, found, starts, ranks, spans
):
    """A template: the pairs tile after tile, front to back in each.

    Args:
        ends, pair_*: of `find_pairs`; found: as well, is overwritten.
        starts: [tiles + 1] int64 is overwritten with where each tile's pairs begin.
        ranks, spans: [q] are overwritten.
    """
    m, parts, count = first_pair.shape[0] - 1, found.shape[0], found.shape[1]
    total = 0
    for tile in range(count):
        starts[tile] = total
        for part in range(parts):
            total, found[part, tile] = total + found[part, tile], total
    starts[count] = total
    for part in prange(parts):
        for q in range(first_pair[m * part // parts], ends[part]):
            tile = pair_tile[q]
            to = found[part, tile]
            found[part, tile] = to + 1
            ranks[to], spans[to] = pair_rank[q], pair_span[q]
