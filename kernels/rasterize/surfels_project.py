"""Surfels to rows of numbers in the picture, 16 at a time, and what is drawn of each.

With t_0, t_1 the rows of `screen` (not clamped) and t_2 = W_2 / z, of a surfel's scaled tangents
a_u, a_v the numbers J = [t_0.a_u, t_0.a_v; t_1.a_u, t_1.a_v] are the derivatives of a position in
the picture and h = (t_2.a_u, t_2.a_v) those of log z, at the centre. The ray at (dx, dy) from the
centre meets the disk at

    (u, v) = J^-1 (dx, dy) / w,   z = z_c / w,   w = 1 - h . J^-1 (dx, dy),

which is the solution of the two planes of `surfels_reference`, the product of whose slopes cancels.
"""

from __future__ import annotations

import math

from polyfield.kernels.blocks import leaf
from polyfield.kernels.rasterize.bins import ellipse_of
from polyfield.kernels.rasterize.bins import rows_between as rows_of_ellipse
from polyfield.kernels.rasterize.harmonics import harmonics_at
from polyfield.kernels.rasterize.project import (
    BASIS,
    LOGIT,
    OUT,
    QUAT,
    RADIUS,
    SCALE,
    in_picture,
    store_box,
    store_normal,
)
from polyfield.kernels.rasterize.records import BEYOND, EDGE, HORIZON, LONG, SHARPEST, SHORT
from polyfield.kernels.rasterize.screen import (
    CX,
    CY,
    FX,
    FY,
    GX,
    GY,
    HEIGHT,
    LOG2_E,
    LOG2_LEAST,
    LOG2_OPACITY,
    NEAREST,
    UX,
    UY,
    VX,
    VY,
    WIDTH,
    X,
    Y,
    Z,
    dot,
    exponential_of,
    from_camera,
    in_camera,
    rotation_of,
    screen_rows,
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

UNIT = math.sqrt(0.5 * LOG2_E)  # of u and v in a row, so that alpha is a power of 2
STEEP = 1e3  # of a disk edge-on: far less of it than the low-pass


@leaf
def disk_of(camera, axes, slopes, over_z):  # type: ignore[no-untyped-def]
    """J, row by row, and h.

    Args:
        axes: both tangents with their lengths, world.
        slopes: x / z and y / z of the centre in the camera.
    """
    a0, a1, a2, b0, b1, b2 = axes
    t0, t1, t2, t3, t4, t5 = screen_rows(camera, slopes[0], slopes[1], over_z)
    return (
        dot(a0, a1, a2, t0, t1, t2),
        dot(b0, b1, b2, t0, t1, t2),
        dot(a0, a1, a2, t3, t4, t5),
        dot(b0, b1, b2, t3, t4, t5),
        over_z * (a0 * camera[6] + a1 * camera[7] + a2 * camera[8]),
        over_z * (b0 * camera[6] + b1 * camera[7] + b2 * camera[8]),
    )


@leaf
def inverse_of(disk, facing):  # type: ignore[no-untyped-def]
    """J^-1, row by row, and whether there is one.

    Args:
        facing: cosine between the normal and the direction of view.
    """
    j00, j01, j10, j11, _, _ = disk
    over = 1 / (j00 * j11 - j01 * j10)
    ux, uy, vx, vy = over * j11, -1 * over * j01, -1 * over * j10, over * j00
    size = absolute(ux) + absolute(uy) + absolute(vx) + absolute(vy)
    flat = (size < SHARPEST) & (absolute(facing) >= EDGE)
    return (
        select(flat, ux, STEEP),
        select(flat, uy, 0),
        select(flat, vx, 0),
        select(flat, vy, STEEP),
        flat,
    )


@leaf
def ends_of(j0, j1, h0, h1, reach, left):  # type: ignore[no-untyped-def]
    """Least and greatest offset, along an axis of the picture, of what is drawn of a disk.

    Args:
        reach: greatest u^2 + v^2; left: 1 - reach h . h, above 0.
    """
    skew, square = reach * (j0 * h0 + j1 * h1), reach * (j0 * j0 + j1 * j1)
    half = root(greater(skew * skew + square * left, 0))
    over, disc = 1 / left, root(0.5 * reach)
    return lesser(-1 * (skew + half) * over, -1 * disc), greater((half - skew) * over, disc)


@leaf
def project_16(camera, degree, antialiased, blur, local):  # type: ignore[no-untyped-def]
    """As `project.project_16`, of surfels; neither antialiased nor blur counts."""
    mx, my, mz = load(local, 0), load(local, LANES), load(local, 2 * LANES)
    qw, qx = load(local, QUAT * LANES), load(local, (QUAT + 1) * LANES)
    qy, qz = load(local, (QUAT + 2) * LANES), load(local, (QUAT + 3) * LANES)
    l0, l1 = load(local, SCALE * LANES), load(local, (SCALE + 1) * LANES)
    logit = load(local, LOGIT * LANES)
    # Written so that what is NaN, infinite or without direction is not seen.
    norm = qw * qw + qx * qx + qy * qy + qz * qz
    sane = absolute(l0) + absolute(l1) + logit * 0 < BEYOND
    sane = sane & (norm > SHORT * SHORT) & (norm < LONG * LONG)
    x, y, z = in_camera(camera, mx, my, mz)
    sane = sane & (z > camera[NEAREST]) & (absolute(x) + absolute(y) + z < LONG)
    unit = 1 / root(norm)
    r00, r01, r02, r10, r11, r12, r20, r21, r22 = rotation_of(
        qw * unit, qx * unit, qy * unit, qz * unit
    )
    s0, s1 = exponential_of(l0), exponential_of(l1)
    over_z = 1 / z
    x, y = x * over_z, y * over_z
    axes = (s0 * r00, s0 * r10, s0 * r20, s1 * r01, s1 * r11, s1 * r21)
    disk = disk_of(camera, axes, (x, y), over_z)
    j00, j01, j10, j11, h0, h1 = disk
    dx, dy, dz, _ = from_camera(camera, mx, my, mz)
    facing = dot(r02, r12, r22, dx, dy, dz)
    ux, uy, vx, vy, _ = inverse_of(disk, facing)
    log2_opacity = -1 * log2(1 + exponential_of(-1 * logit))
    reach = 2 / LOG2_E * (log2_opacity - LOG2_LEAST)
    largest = absolute(j00) + absolute(j01) + absolute(j10) + absolute(j11)
    sane = sane & (reach >= 0) & (largest + absolute(h0) + absolute(h1) < BEYOND)
    left_over = 1 - reach * (h0 * h0 + h1 * h1)
    ends = left_over >= HORIZON
    left, right = ends_of(j00, j01, h0, h1, reach, left_over)
    top, bottom = ends_of(j10, j11, h0, h1, reach, left_over)
    px, py = x * camera[FX] + camera[CX], y * camera[FY] + camera[CY]
    left, right = select(ends, px + left, 0), select(ends, px + right, camera[WIDTH])
    top, bottom = select(ends, py + top, 0), select(ends, py + bottom, camera[HEIGHT])
    sane = sane & in_picture(camera, left, right, top, bottom)
    # The longer half-axis: of J's singular values the larger, or the low-pass.
    middle = 0.5 * (j00 * j00 + j01 * j01 + j10 * j10 + j11 * j11)
    area = j00 * j11 - j01 * j10
    longest = middle + root(greater(middle * middle - area * area, 0))
    radius = root(greater(reach * greater(longest, 0.5), 0))
    store(local, RADIUS * LANES, select(sane, radius, 0))
    store_box(camera, left, right, top, bottom, local)
    store(local, (OUT + X) * LANES, px)
    store(local, (OUT + Y) * LANES, py)
    store(local, (OUT + UX) * LANES, UNIT * ux)
    store(local, (OUT + UY) * LANES, UNIT * uy)
    store(local, (OUT + VX) * LANES, UNIT * vx)
    store(local, (OUT + VY) * LANES, UNIT * vy)
    # Edge-on no ray meets the disk, whose w stays 1.
    flat = inverse_of(disk, facing)[4]
    store(local, (OUT + GX) * LANES, select(flat, -1 * (h0 * ux + h1 * vx), 0))
    store(local, (OUT + GY) * LANES, select(flat, -1 * (h0 * uy + h1 * vy), 0))
    store(local, (OUT + LOG2_OPACITY) * LANES, log2_opacity)
    store(local, (OUT + Z) * LANES, z)
    store_normal(r02, r12, r22, facing > 0, local)
    harmonics_at(dx, dy, dz, degree, local, BASIS * LANES)


@leaf
def outline_of(rows, rank):  # type: ignore[no-untyped-def]
    """What is drawn of a surfel, as `bins.outline_of`: an ellipse about another centre, and a disc.

    In double precision, because the ellipse of a disk that nears the camera's plane has no end.
    """
    ux, uy = float(rows[rank, UX]), float(rows[rank, UY])
    vx, vy = float(rows[rank, VX]), float(rows[rank, VY])
    gx, gy = float(rows[rank, GX]), float(rows[rank, GY])
    reach = max(float(rows[rank, LOG2_OPACITY]) - LOG2_LEAST, 0.0)
    disc = math.sqrt(reach / (2 * UNIT * UNIT))
    # u^2 + v^2 <= reach w^2 is a quadratic form about the ellipse's centre.
    a, c = ux * ux + vx * vx - reach * gx * gx, uy * uy + vy * vy - reach * gy * gy
    half_b, area = ux * uy + vx * vy - reach * gx * gy, ux * vy - uy * vx
    determinant = a * c - half_b * half_b
    if not determinant >= HORIZON * area * area:
        shape = (-math.inf, math.inf, 0.0, math.inf, 0.0, math.inf, 0.0)
        return -math.inf, math.inf, shape, 0.0, 0.0, disc
    x = reach * (c * gx - half_b * gy) / determinant
    y = reach * (a * gy - half_b * gx) / determinant
    shape = ellipse_of(a, half_b, c, reach + reach * (gx * x + gy * y), 1.0)
    return min(y + shape[0], -disc), max(y + shape[1], disc), shape, x, y, disc


@leaf
def rows_between(outline, left, right):  # type: ignore[no-untyped-def]
    """Least and greatest dy of an outline where left <= dx <= right."""
    lowest, highest, shape, x, y, disc = outline
    if not math.isfinite(lowest):
        return lowest, highest
    nearest = min(max(left, 0.0), right)
    square = disc * disc - nearest * nearest
    half = math.sqrt(max(square, 0.0))
    if left > x + shape[3] or right < x - shape[3]:
        return -half, half
    low, high = rows_of_ellipse(shape, left - x, right - x)
    if square < 0:
        return y + low, y + high
    return min(y + low, -half), max(y + high, half)
