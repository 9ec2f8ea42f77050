"""Gaussians to rows of numbers in the picture: those that can be seen.

Work goes 16 Gaussians at a time: their numbers are turned from rows into planes of 16, which are
vectors to compute with, and what is seen is turned back into rows. Letters: n
Gaussians, k harmonics beyond the first, p parts of the work, one a thread.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from polyfield.kernels.blocks import leaf
from polyfield.kernels.rasterize.harmonics import SH0, harmonics_at
from polyfield.kernels.rasterize.records import BEYOND, LONG, SHORT
from polyfield.kernels.rasterize.screen import (
    COLUMNS,
    CX,
    CY,
    FX,
    FY,
    HEIGHT,
    LOG2_E,
    LOG2_LEAST,
    LOG2_OPACITY,
    NEAREST,
    NORMAL,
    RED,
    TILE,
    WIDTH,
    F,
    G,
    H,
    X,
    Y,
    Z,
    determinants,
    dot,
    exponential_of,
    from_camera,
    in_camera,
    rotation_of,
    rounded_up,
    screen_rows,
    shortest,
    slope_bounds,
)
from polyfield.kernels.vectors import (
    LANES,
    absolute,
    greater,
    lesser,
    load,
    log2,
    root,
    select,
    store,
)

# Planes: what is read, the columns of `screen`, then what says where a Gaussian lies.
MEAN, QUAT, SCALE, LOGIT, OUT = 0, 3, 7, 10, 11
RADIUS, LEFT, RIGHT, TOP, BOTTOM, BASIS = 27, 28, 29, 30, 31, 32
PLANES = 47


@leaf
def read_planes(numbers, means, quats, log_scales, opacity_logits, local):  # type: ignore[no-untyped-def]
    """Turn the rows of 16 Gaussians, given by their numbers, into planes."""
    for lane in range(LANES):
        i = numbers[lane]
        for axis in range(3):
            local[(MEAN + axis) * LANES + lane] = means[i, axis]
            local[(SCALE + axis) * LANES + lane] = log_scales[i, axis]
        for part in range(4):
            local[(QUAT + part) * LANES + lane] = quats[i, part]
        local[LOGIT * LANES + lane] = opacity_logits[i]


@leaf
def in_picture(camera, left, right, top, bottom):  # type: ignore[no-untyped-def]
    """Which boxes, in pixels, hold the centre of one."""
    inside = (right >= 0.5) & (left <= camera[WIDTH] - 0.5)
    return inside & (bottom >= 0.5) & (top <= camera[HEIGHT] - 0.5)


@leaf
def store_box(camera, left, right, top, bottom, local):  # type: ignore[no-untyped-def]
    """Fill the planes of boxes with the pixels that they end at."""
    store(local, LEFT * LANES, greater(left - 0.5, 0))
    store(local, RIGHT * LANES, lesser(right, camera[WIDTH]) - 0.5)
    store(local, TOP * LANES, greater(top - 0.5, 0))
    store(local, BOTTOM * LANES, lesser(bottom, camera[HEIGHT]) - 0.5)


@leaf
def store_normal(nx, ny, nz, away, local):  # type: ignore[no-untyped-def]
    """Fill the planes of normals, reversed where they look away."""
    store(local, (OUT + NORMAL) * LANES, select(away, -1 * nx, nx))
    store(local, (OUT + NORMAL + 1) * LANES, select(away, -1 * ny, ny))
    store(local, (OUT + NORMAL + 2) * LANES, select(away, -1 * nz, nz))


@leaf
def project_16(camera, degree, antialiased, blur, local):  # type: ignore[no-untyped-def]
    """Fill the planes behind `OUT` but for colours; radius is 0 for what is not seen."""
    mx, my, mz = load(local, 0), load(local, LANES), load(local, 2 * LANES)
    qw, qx = load(local, QUAT * LANES), load(local, (QUAT + 1) * LANES)
    qy, qz = load(local, (QUAT + 2) * LANES), load(local, (QUAT + 3) * LANES)
    l0, l1 = load(local, SCALE * LANES), load(local, (SCALE + 1) * LANES)
    l2, logit = load(local, (SCALE + 2) * LANES), load(local, LOGIT * LANES)
    # Written so that what is NaN, infinite or without direction is not seen.
    norm = qw * qw + qx * qx + qy * qy + qz * qz
    logs = absolute(l0) + absolute(l1) + absolute(l2) + logit * 0
    sane = (logs < BEYOND) & (norm > SHORT * SHORT) & (norm < LONG * LONG)
    x, y, z = in_camera(camera, mx, my, mz)
    sane = sane & (z > camera[NEAREST]) & (absolute(x) + absolute(y) + z < LONG)
    unit = 1 / root(norm)
    r00, r01, r02, r10, r11, r12, r20, r21, r22 = rotation_of(
        qw * unit, qx * unit, qy * unit, qz * unit
    )
    s0, s1, s2 = exponential_of(l0), exponential_of(l1), exponential_of(l2)
    least_x, most_x, least_y, most_y = slope_bounds(camera)
    over_z = 1 / z
    x, y = x * over_z, y * over_z
    tx, ty = lesser(greater(x, least_x), most_x), lesser(greater(y, least_y), most_y)
    t0, t1, t2, t3, t4, t5 = screen_rows(camera, tx, ty, over_z)
    u0, v0 = s0 * dot(r00, r10, r20, t0, t1, t2), s0 * dot(r00, r10, r20, t3, t4, t5)
    u1, v1 = s1 * dot(r01, r11, r21, t0, t1, t2), s1 * dot(r01, r11, r21, t3, t4, t5)
    u2, v2 = s2 * dot(r02, r12, r22, t0, t1, t2), s2 * dot(r02, r12, r22, t3, t4, t5)
    c00, c01 = dot(u0, u1, u2, u0, u1, u2), dot(u0, u1, u2, v0, v1, v2)
    c11 = dot(v0, v1, v2, v0, v1, v2)
    before, determinant = determinants(u0, u1, u2, v0, v1, v2, blur)
    log2_opacity = -1 * log2(1 + exponential_of(-1 * logit))
    if antialiased:
        log2_opacity = log2_opacity + 0.5 * log2(before / determinant)
    c00, c11 = c00 + blur, c11 + blur
    # The ellipse along which alpha has its least value, in standard deviations, squared.
    reach = 2 / LOG2_E * (log2_opacity - LOG2_LEAST)
    middle, half = 0.5 * (c00 + c11), 0.5 * (c00 - c11)
    largest = middle + root(half * half + c01 * c01)
    sane = sane & (reach >= 0) & (determinant > 0) & (largest < BEYOND)
    half_x, half_y = root(greater(reach * c00, 0)), root(greater(reach * c11, 0))
    px, py = x * camera[FX] + camera[CX], y * camera[FY] + camera[CY]
    left, right, top, bottom = px - half_x, px + half_x, py - half_y, py + half_y
    sane = sane & in_picture(camera, left, right, top, bottom)
    radius = root(greater(reach * largest, 0))
    store(local, RADIUS * LANES, select(sane, radius, 0))
    store_box(camera, left, right, top, bottom, local)
    inverse = 1 / c11
    along = root(0.5 * LOG2_E * c11 / determinant)
    store(local, (OUT + X) * LANES, px)
    store(local, (OUT + Y) * LANES, py)
    store(local, (OUT + F) * LANES, along)
    store(local, (OUT + G) * LANES, -1 * c01 * inverse * along)
    store(local, (OUT + H) * LANES, 0.5 * LOG2_E * inverse)
    store(local, (OUT + LOG2_OPACITY) * LANES, log2_opacity)
    store(local, (OUT + Z) * LANES, z)
    dx, dy, dz, _ = from_camera(camera, mx, my, mz)
    nx, ny = shortest(s0, s1, s2, r00, r01, r02), shortest(s0, s1, s2, r10, r11, r12)
    nz = shortest(s0, s1, s2, r20, r21, r22)
    store_normal(nx, ny, nz, dot(nx, ny, nz, dx, dy, dz) > 0, local)
    harmonics_at(dx, dy, dz, degree, local, BASIS * LANES)


def project(  # type: ignore[no-untyped-def]
    camera, means, quats, log_scales, opacity_logits, sh_dc, sh_rest, degree, antialiased, blur,
    rows, tiles, radii, seen, counts,
):  # fmt: skip
    """A template: rows of all Gaussians, and the numbers of those that are seen.

    Args:
        camera: [19] see `screen`.
        rows: [n,16] columns as in `screen`; tiles: [n,4] int32 first and last column, first and
            last row of tiles; radii: [n] pixels, 0 where nothing is seen and the rest unwritten.
        seen: [n] int32 Gaussians that are, part after part, each from its own beginning on.
        counts: [p] int64 how many in each part.
    """
    n, parts = means.shape[0], counts.shape[0]
    more = (degree + 1) ** 2 - 1
    for part in prange(parts):
        local, numbers = np.empty(PLANES * LANES, rows.dtype), np.empty(LANES, np.int64)
        first, last = n * part // parts, n * (part + 1) // parts
        count = first
        for base in range(first, last, LANES):
            for lane in range(LANES):  # beyond the last it is repeated
                numbers[lane] = min(base + lane, last - 1)
            read_planes(numbers, means, quats, log_scales, opacity_logits, local)
            project_16(camera, degree, antialiased, blur, local)
            for lane in range(min(LANES, last - base)):
                i = base + lane
                radius = local[RADIUS * LANES + lane]
                if not radius > 0:
                    radii[i] = 0
                    continue
                left, right = (
                    rounded_up(local[LEFT * LANES + lane]),
                    int(local[RIGHT * LANES + lane]),
                )
                top, bottom = (
                    rounded_up(local[TOP * LANES + lane]),
                    int(local[BOTTOM * LANES + lane]),
                )
                red, green, blue = sh_dc[i, 0] * SH0, sh_dc[i, 1] * SH0, sh_dc[i, 2] * SH0
                for k in range(more):
                    value = local[(BASIS + k) * LANES + lane]
                    red += value * sh_rest[i, k, 0]
                    green += value * sh_rest[i, k, 1]
                    blue += value * sh_rest[i, k, 2]
                bright = abs(red) + abs(green) + abs(blue)
                if left > right or top > bottom or not bright < BEYOND:
                    radii[i] = 0
                    continue
                radii[i] = radius
                tiles[i, 0], tiles[i, 1] = left // TILE, right // TILE
                tiles[i, 2], tiles[i, 3] = top // TILE, bottom // TILE
                for column in range(COLUMNS):
                    rows[i, column] = local[(OUT + column) * LANES + lane]
                rows[i, RED] = max(red + 0.5, 0)
                rows[i, RED + 1] = max(green + 0.5, 0)
                rows[i, RED + 2] = max(blue + 0.5, 0)
                seen[count] = i
                count += 1
        counts[part] = count - first
