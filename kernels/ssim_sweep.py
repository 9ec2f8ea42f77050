"""The two sweeps over a picture that make the photometric loss and its gradient.

Letters: those of `kernels.ssim`. The first sweep filters four maps and writes three, the second one
filters those. A job of a sweep is a strip of rows in a tile of columns, so narrow that the 11 rows
around a row, filtered across, stay in the first cache until they are filtered down. What a job adds
up does not depend on how many threads there are.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numba import prange

from polyfield.kernels.blocks import leaf
from polyfield.kernels.ssim_reference import C1, C2, RADIUS

LANES = 32  # widths of tiles are multiples: loops over columns are vectors then, without a rest
TILE = 128  # columns of a tile at most
EDGE = 16  # columns beside a row, of which a window reads RADIUS; the others align it
LINE = TILE + 2 * EDGE
STRIDE = 4 * TILE  # between rows that are filtered across
STRIP = 100  # rows of a job, about; 2 RADIUS more are filtered across
BLOCK = 32  # rows that are filtered across before they are filtered down
SCRATCH = 4 * LINE + TILE + STRIDE + (BLOCK + 2 * RADIUS) * STRIDE


@leaf
def load_line(rgb, truth, mask, scale, row, first, columns, line):  # type: ignore[no-untyped-def]
    """p and q in a row, from RADIUS columns before `first` to RADIUS after the last; 0 if outside.

    Args:
        rgb, truth: [h, w] of a channel; mask: [h, w], or [0, 0] for none. scale: of the truth.
        line: p is written from 0, q from LINE; there, `first` lies EDGE behind the start.
    """
    number = line.dtype.type
    low, high = max(first - RADIUS, 0), min(first + columns + RADIUS, rgb.shape[1])
    at, n = EDGE + low - first, high - low
    for i in range(2 * LINE):
        line[i] = number(0)
    p, q = line[at : at + n], line[LINE + at : LINE + at + n]
    rendered, photo = rgb[row, low:high], truth[row, low:high]
    for i in range(n):
        q[i] = number(photo[i]) * scale
    for i in range(n):
        p[i] = rendered[i]
    if mask.shape[0] > 0:
        inside = mask[row, low:high]
        for i in range(n):
            color, other = p[i], q[i]  # both are read first: no branch
            p[i] = other if inside[i] == 0 else color


@leaf
def add_products(line):  # type: ignore[no-untyped-def]
    """p^2 + q^2 and p q behind p and q."""
    p, q = line[:LINE], line[LINE : 2 * LINE]
    s, t = line[2 * LINE : 3 * LINE], line[3 * LINE : 4 * LINE]
    for i in range(LINE):
        s[i] = p[i] * p[i] + q[i] * q[i]
        t[i] = p[i] * q[i]


@leaf
def filter_across(a, columns, taps, out):  # type: ignore[no-untyped-def]
    """A row filtered along itself; its first column lies EDGE behind the start of `a`."""
    w0, w1, w2, w3, w4, w5 = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5]
    for i in range(columns):
        out[i] = (
            w0 * a[i + EDGE]
            + w1 * (a[i + EDGE - 1] + a[i + EDGE + 1])
            + w2 * (a[i + EDGE - 2] + a[i + EDGE + 2])
            + w3 * (a[i + EDGE - 3] + a[i + EDGE + 3])
            + w4 * (a[i + EDGE - 4] + a[i + EDGE + 4])
            + w5 * (a[i + EDGE - 5] + a[i + EDGE + 5])
        )


@leaf
def filter_down(a, columns, taps, out):  # type: ignore[no-untyped-def]
    """The middle one of 11 rows, STRIDE apart, filtered over all of them."""
    w0, w1, w2, w3, w4, w5 = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5]
    for i in range(columns):
        out[i] = (
            w0 * a[i + 5 * STRIDE]
            + w1 * (a[i + 4 * STRIDE] + a[i + 6 * STRIDE])
            + w2 * (a[i + 3 * STRIDE] + a[i + 7 * STRIDE])
            + w3 * (a[i + 2 * STRIDE] + a[i + 8 * STRIDE])
            + w4 * (a[i + STRIDE] + a[i + 9 * STRIDE])
            + w5 * (a[i] + a[i + 10 * STRIDE])
        )


@leaf
def compare(filtered, columns, inside, slope, du, ds, dt):  # type: ignore[no-untyped-def]
    """The sum of 1 - S over a row; and what `slope` times that gains with u, s and t.

    Args:
        filtered: u, v, s, t, TILE apart. inside: 1 for pixels that count, 0 for others.
        du, ds, dt: written.
    """
    number = filtered.dtype.type
    zero, one, two, c1, c2 = number(0), number(1), number(2), number(C1), number(C2)
    us, vs = filtered[:TILE], filtered[TILE : 2 * TILE]
    ss, ts = filtered[2 * TILE : 3 * TILE], filtered[3 * TILE : 4 * TILE]
    total = zero
    for i in range(columns):
        u, v = us[i], vs[i]
        both, product = u * u + v * v, u * v
        spread = ss[i] - both
        spread = zero if spread < zero else spread  # by rounding, where colours are far above 1
        mean, joint = both + c1, spread + c2
        top_mean, top_joint = two * product + c1, two * (ts[i] - product) + c2
        inverse = one / (mean * joint)
        similarity = top_mean * top_joint * inverse
        total += inside[i] * (one - similarity)
        factor = -inside[i] * slope * inverse
        du[i] = two * factor * (v * (top_joint - top_mean) + u * similarity * (mean - joint))
        ds[i] = -factor * similarity * mean
        dt[i] = two * factor * top_mean
    return total


@leaf
def collect(filtered, line, columns, slope, out):  # type: ignore[no-untyped-def]
    """The gradient of p in a row, by both terms.

    Args:
        filtered: the gradients of u, s, t, filtered, TILE apart. line: p and q.
        slope: of the absolute difference.
    """
    number = filtered.dtype.type
    zero, two = number(0), number(2)
    du, ds, dt = filtered[:TILE], filtered[TILE : 2 * TILE], filtered[2 * TILE : 3 * TILE]
    ps, qs = line[EDGE:LINE], line[LINE + EDGE : 2 * LINE]
    for i in range(columns):
        p, q = ps[i], qs[i]
        sign = slope if p > q else (-slope if p < q else zero)
        out[i] = du[i] + two * p * ds[i] + q * dt[i] + sign


@leaf
def distance(line, columns):  # type: ignore[no-untyped-def]
    """The sum of |p - q| over a line."""
    ps, qs = line[EDGE:LINE], line[LINE + EDGE : 2 * LINE]
    total = line.dtype.type(0)
    for i in range(columns):
        total += abs(ps[i] - qs[i])
    return total


@leaf
def sweep(second, rgb, truth, mask, scale, slopes, taps, where, scratch, maps, sums, gradient):  # type: ignore[no-untyped-def]
    """A job: a strip of a tile of one channel, in the first or the second sweep.

    Args:
        where: top, bottom, first, columns.
        maps: [h, 3, EDGE + w + EDGE and a rest], the gradients of u, s and t.
        sums: [2], to which |p - q| and 1 - S are added by the first sweep.
        gradient: [h, w], written by the second.
    """
    number = scratch.dtype.type
    zero, one = number(0), number(1)
    height, width = rgb.shape
    top, bottom, first, columns = where
    last = min(first + columns, width)
    line, rest = scratch[: 4 * LINE], scratch[4 * LINE :]
    inside, filtered, rows = rest[:TILE], rest[TILE : TILE + STRIDE], rest[TILE + STRIDE :]
    n_maps = 3 if second else 4
    for x in range(columns):
        inside[x] = one if first + x < width else zero
    for start in range(top, bottom, BLOCK):
        stop, known = min(start + BLOCK, bottom), 0
        if start > top:
            known = 2 * RADIUS
            for i in range(known * STRIDE):
                rows[i] = rows[i + BLOCK * STRIDE]
        for slot in range(known, stop - start + 2 * RADIUS):
            row, out = start - RADIUS + slot, rows[slot * STRIDE : (slot + 1) * STRIDE]
            if row < 0 or row >= height:
                for i in range(STRIDE):
                    out[i] = zero
                continue
            if not second:
                load_line(rgb, truth, mask, scale, row, first, columns, line)
                add_products(line)
                if top <= row < bottom:
                    sums[0] += distance(line, columns)
            for m in range(n_maps):
                a = maps[row, m % 3, first:] if second else line[m * LINE :]
                filter_across(a, columns, taps, out[m * TILE : (m + 1) * TILE])
        for row in range(start, stop):
            for m in range(n_maps):
                a = rows[(row - start) * STRIDE + m * TILE :]
                filter_down(a, columns, taps, filtered[m * TILE : (m + 1) * TILE])
            if second:
                load_line(rgb, truth, mask, scale, row, first, columns, line)
                collect(filtered, line, columns, slopes[0], inside)
                keep(inside, mask, row, first, gradient[row, first:last])
                continue
            if mask.shape[0] > 0:
                valid = mask[row, first:last]
                for x in range(last - first):
                    inside[x] = one if valid[x] else zero
            low, high = EDGE + first, EDGE + first + columns
            sums[1] += compare(
                filtered, columns, inside, slopes[1],
                maps[row, 0, low:high], maps[row, 1, low:high], maps[row, 2, low:high],
            )  # fmt: skip
            for m in range(3):
                if first == 0:
                    maps[row, m, :EDGE] = zero
                if last == width:
                    maps[row, m, high:] = zero


@leaf
def keep(line, mask, row, first, out):  # type: ignore[no-untyped-def]
    """A row of the gradient, 0 outside of the mask."""
    if mask.shape[0] == 0:
        for x in range(out.shape[0]):
            out[x] = line[x]
    else:
        inside = mask[row, first : first + out.shape[0]]
        for x in range(out.shape[0]):
            value = line[x]
            out[x] = out.dtype.type(0) if inside[x] == 0 else value


def photometric(  # type: ignore[no-untyped-def]
    sweeps, rgb, truth, mask, scale, slopes, taps, jobs, scratch, maps, sums, gradient
):
    for second in range(sweeps):
        for thread in prange(scratch.shape[0]):
            for job in range(thread, jobs.shape[0], scratch.shape[0]):
                c, top, bottom, first, columns = jobs[job]
                sweep(
                    second > 0, rgb[c], truth[c], mask, scale, slopes, taps,
                    (top, bottom, first, columns), scratch[thread], maps[c], sums[job],
                    gradient[c],
                )  # fmt: skip


def split_jobs(c: int, h: int, w: int) -> np.ndarray:
    """[jobs, 5] channel, top, bottom, first column and columns of every job."""
    units, tiles, strips = -(-w // LANES), -(-w // TILE), max(1, round(h / STRIP))
    columns = [units * tile // tiles * LANES for tile in range(tiles + 1)]
    rows = [h * strip // strips for strip in range(strips + 1)]
    jobs = [
        (channel, top, bottom, first, stop - first)
        for channel in range(c)
        for top, bottom in pairwise(rows)
        for first, stop in pairwise(columns)
    ]
    return np.array(jobs, np.int64).reshape(-1, 5)
