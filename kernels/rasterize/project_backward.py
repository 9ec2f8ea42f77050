"""From sums over pixels to gradients of the Gaussians' parameters and of the camera's pose.

Work goes 16 Gaussians at a time, as in `project`; what the forward pass found is computed again.
With V the sum of v d d^T over pixels at d from the centre and M the conic, the gradient with
respect to the covariance in the picture is M V M / 2, and M d = 2 ln 2 [F e, G e + H dy] with
e = F dx + G dy: from sums of v times products of e and dy it comes out right for needles, too,
where M V M would be a difference of large numbers. Letters: n Gaussians, m of them seen, k
harmonics beyond the first, p parts of the work.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from polyfield.kernels.blocks import leaf
from polyfield.kernels.rasterize.blend_backward import (
    SUM_ABSOLUTE,
    SUM_COLOR,
    SUM_DEPTH,
    SUM_NORMAL,
)
from polyfield.kernels.rasterize.camera_backward import (
    BASIS,
    OF_LOGIT,
    OF_MEAN,
    OF_QUAT,
    OF_SCALE,
    ON_SCREEN,
    POSE,
    SUMS,
    WEIGHTS,
    add_to,
    plane,
    store_of_mean,
    store_of_quaternion,
)
from polyfield.kernels.rasterize.harmonics import SH0
from polyfield.kernels.rasterize.project import LOGIT, MEAN, QUAT, SCALE, read_planes
from polyfield.kernels.rasterize.screen import (
    FX,
    FY,
    LOG2_E,
    RED,
    determinants,
    dot,
    exponential_of,
    from_camera,
    in_camera,
    rotation_of,
    screen_rows,
    shortest,
    slope_bounds,
)
from polyfield.kernels.vectors import (
    LANES,
    filled,
    greater,
    lesser,
    root,
    select,
    store,
)

NORMALS = False  # known in compiling
CONIC = math.sqrt(0.5 * LOG2_E)  # F^2 of a conic of 1
NATURAL = 2 / LOG2_E  # what a power of 2 is of one of e, twice


@leaf
def project_16_backward(camera, degree, antialiased, blur, pose, local):  # type: ignore[no-untyped-def]
    """Fill the planes from `OF_MEAN` to `ON_SCREEN`, and add to those of the pose if asked to."""
    mx, my, mz = plane(local, MEAN), plane(local, MEAN + 1), plane(local, MEAN + 2)
    qw, qx = plane(local, QUAT), plane(local, QUAT + 1)
    qy, qz = plane(local, QUAT + 2), plane(local, QUAT + 3)
    unit = 1 / root(qw * qw + qx * qx + qy * qy + qz * qz)
    qw, qx, qy, qz = qw * unit, qx * unit, qy * unit, qz * unit
    r00, r01, r02, r10, r11, r12, r20, r21, r22 = rotation_of(qw, qx, qy, qz)
    s0, s1 = exponential_of(plane(local, SCALE)), exponential_of(plane(local, SCALE + 1))
    s2 = exponential_of(plane(local, SCALE + 2))
    x, y, z = in_camera(camera, mx, my, mz)
    least_x, most_x, least_y, most_y = slope_bounds(camera)
    over_z = 1 / z
    sx, sy = x * over_z, y * over_z
    tx, ty = lesser(greater(sx, least_x), most_x), lesser(greater(sy, least_y), most_y)
    t0, t1, t2, t3, t4, t5 = screen_rows(camera, tx, ty, over_z)
    u0, v0 = s0 * dot(r00, r10, r20, t0, t1, t2), s0 * dot(r00, r10, r20, t3, t4, t5)
    u1, v1 = s1 * dot(r01, r11, r21, t0, t1, t2), s1 * dot(r01, r11, r21, t3, t4, t5)
    u2, v2 = s2 * dot(r02, r12, r22, t0, t1, t2), s2 * dot(r02, r12, r22, t3, t4, t5)
    p00, c01 = dot(u0, u1, u2, u0, u1, u2), dot(u0, u1, u2, v0, v1, v2)
    p11 = dot(v0, v1, v2, v0, v1, v2)
    c00, c11 = p00 + blur, p11 + blur
    before, determinant = determinants(u0, u1, u2, v0, v1, v2, blur)
    over, flat = 1 / determinant, 1 / c11
    f = root(c11 * over) * CONIC
    g, h = -1 * c01 * flat * f, CONIC * CONIC * flat
    total, v_e, v_ee = plane(local, SUMS), plane(local, SUMS + 1), plane(local, SUMS + 2)
    v_y, v_ey, v_yy = plane(local, SUMS + 3), plane(local, SUMS + 4), plane(local, SUMS + 5)
    # d/d position in the picture, d/d opacity's logit.
    of_px, of_py = NATURAL * f * v_e, NATURAL * (g * v_e + h * v_y)
    store(local, OF_LOGIT * LANES, total / (1 + exponential_of(plane(local, LOGIT))))
    # d/d rows u, v in units of the axes; e along an axis without a difference of large products.
    n0, n1, n2 = u1 * v2 - u2 * v1, u2 * v0 - u0 * v2, u0 * v1 - u1 * v0
    scale = f * flat
    along0 = scale * (blur * u0 + v1 * n2 - v2 * n1)
    along1 = scale * (blur * u1 + v2 * n0 - v0 * n2)
    along2 = scale * (blur * u2 + v0 * n1 - v1 * n0)
    s_e, s_y = NATURAL * NATURAL * f * v_ee, NATURAL * NATURAL * f * h * v_ey
    du0, du1, du2 = s_e * along0 + s_y * v0, s_e * along1 + s_y * v1, s_e * along2 + s_y * v2
    s_e = NATURAL * NATURAL * (g * v_ee + h * v_ey)
    s_y = NATURAL * NATURAL * h * (g * v_ey + h * v_yy)
    dv0, dv1, dv2 = s_e * along0 + s_y * v0, s_e * along1 + s_y * v1, s_e * along2 + s_y * v2
    if antialiased:
        inverse = select(before > 0, 1 / before, 0)
        h00 = total * (p11 * inverse - c11 * over)
        h11 = total * (p00 * inverse - c00 * over)
        h01 = total * c01 * (over - inverse)
        du0, dv0 = du0 + h00 * u0 + h01 * v0, dv0 + h01 * u0 + h11 * v0
        du1, dv1 = du1 + h00 * u1 + h01 * v1, dv1 + h01 * u1 + h11 * v1
        du2, dv2 = du2 + h00 * u2 + h01 * v2, dv2 + h01 * u2 + h11 * v2
    store(local, OF_SCALE * LANES, du0 * u0 + dv0 * v0)
    store(local, (OF_SCALE + 1) * LANES, du1 * u1 + dv1 * v1)
    store(local, (OF_SCALE + 2) * LANES, du2 * u2 + dv2 * v2)
    du0, du1, du2, dv0, dv1, dv2 = du0 * s0, du1 * s1, du2 * s2, dv0 * s0, dv1 * s1, dv2 * s2
    d00, d01, d02 = t0 * du0 + t3 * dv0, t0 * du1 + t3 * dv1, t0 * du2 + t3 * dv2
    d10, d11, d12 = t1 * du0 + t4 * dv0, t1 * du1 + t4 * dv1, t1 * du2 + t4 * dv2
    d20, d21, d22 = t2 * du0 + t5 * dv0, t2 * du1 + t5 * dv1, t2 * du2 + t5 * dv2
    if NORMALS:
        dx, dy, dz, _ = from_camera(camera, mx, my, mz)
        nx, ny = shortest(s0, s1, s2, r00, r01, r02), shortest(s0, s1, s2, r10, r11, r12)
        nz = shortest(s0, s1, s2, r20, r21, r22)
        away = dot(nx, ny, nz, dx, dy, dz) > 0
        one, none = filled(local.dtype.type(1)), filled(local.dtype.type(0))
        side = select(away, -1 * one, one)
        gx, gy = (
            side * plane(local, SUMS + SUM_NORMAL),
            side * plane(local, SUMS + SUM_NORMAL + 1),
        )
        gz = side * plane(local, SUMS + SUM_NORMAL + 2)
        on0, on1 = shortest(s0, s1, s2, one, none, none), shortest(s0, s1, s2, none, one, none)
        on2 = shortest(s0, s1, s2, none, none, one)
        d00, d01, d02 = d00 + on0 * gx, d01 + on1 * gx, d02 + on2 * gx
        d10, d11, d12 = d10 + on0 * gy, d11 + on1 * gy, d12 + on2 * gy
        d20, d21, d22 = d20 + on0 * gz, d21 + on1 * gz, d22 + on2 * gz
    store_of_quaternion((qw, qx, qy, qz), unit, d00, d01, d02, d10, d11, d12, d20, d21, d22, local)
    e0, e3 = dot(r00, r01, r02, du0, du1, du2), dot(r00, r01, r02, dv0, dv1, dv2)
    e1, e4 = dot(r10, r11, r12, du0, du1, du2), dot(r10, r11, r12, dv0, dv1, dv2)
    e2, e5 = dot(r20, r21, r22, du0, du1, du2), dot(r20, r21, r22, dv0, dv1, dv2)
    # t_0 = fx / z (W_0 - tx W_2), and px = fx x / z + cx.
    kx, ky = over_z * camera[FX], over_z * camera[FY]
    along_x = e0 * camera[6] + e1 * camera[7] + e2 * camera[8]
    along_y = e3 * camera[6] + e4 * camera[7] + e5 * camera[8]
    of_kx = e0 * camera[0] + e1 * camera[1] + e2 * camera[2] - tx * along_x
    of_ky = e3 * camera[3] + e4 * camera[4] + e5 * camera[5] - ty * along_y
    of_sx = of_px * camera[FX] - select((sx >= least_x) & (sx <= most_x), kx * along_x, 0)
    of_sy = of_py * camera[FY] - select((sy >= least_y) & (sy <= most_y), ky * along_y, 0)
    of_over_z = of_kx * camera[FX] + of_ky * camera[FY] + of_sx * x + of_sy * y
    of_x, of_y = of_sx * over_z, of_sy * over_z
    of_z = plane(local, SUMS + SUM_DEPTH) - of_over_z * over_z * over_z
    store_of_mean(camera, degree, (mx, my, mz), (of_x, of_y, of_z), pose, local)
    store(local, ON_SCREEN * LANES, of_px)
    store(local, (ON_SCREEN + 1) * LANES, of_py)
    if pose:
        back_x, back_y = kx * tx, ky * ty
        add_to(local, POSE, kx * e0)
        add_to(local, POSE + 1, kx * e1)
        add_to(local, POSE + 2, kx * e2)
        add_to(local, POSE + 3, ky * e3)
        add_to(local, POSE + 4, ky * e4)
        add_to(local, POSE + 5, ky * e5)
        add_to(local, POSE + 6, -1 * (back_x * e0 + back_y * e3))
        add_to(local, POSE + 7, -1 * (back_x * e1 + back_y * e4))
        add_to(local, POSE + 8, -1 * (back_x * e2 + back_y * e5))


def project_backward(  # type: ignore[no-untyped-def]
    camera, means, quats, log_scales, opacity_logits, sh_rest, degree, antialiased, blur, visible,
    rank_of, rows, sums, pose, of_means, of_quats, of_log_scales, of_opacity_logits, of_sh_dc,
    of_sh_rest, on_screen, magnitudes, of_pose,
):  # fmt: skip
    """A template: add the gradients of the Gaussians that were seen to those of all.

    Args:
        visible, rank_of: of `order_by_depth`, so that parameters are met in their order.
        rows: [m,16]; sums: [p,m,16], or more columns, of `blend_backward`.
        pose: whether the camera's gradient is wanted.
        of_*: the gradients to add to, shaped like the parameters.
        on_screen, magnitudes: [n,2] are overwritten for those seen, pixels; or [0,2].
        of_pose: [p,15] are overwritten: rotation row by row, translation, position.
    """
    m, parts = visible.shape[0], of_pose.shape[0]
    more, layers = (degree + 1) ** 2 - 1, sums.shape[0]
    for part in prange(parts):
        local, numbers = (
            np.zeros((SUMS + sums.shape[2]) * LANES, rows.dtype),
            np.empty(LANES, np.int64),
        )
        first, last = m * part // parts, m * (part + 1) // parts
        for base in range(first, last, LANES):
            for lane in range(LANES):
                numbers[lane] = visible[min(base + lane, last - 1)]
            read_planes(numbers, means, quats, log_scales, opacity_logits, local)
            for lane in range(LANES):
                i, inside = numbers[lane], base + lane < last
                rank = rank_of[i]
                for column in range(sums.shape[2]):
                    total = rows.dtype.type(0)
                    if inside:
                        for layer in range(layers):
                            total += sums[layer, rank, column]
                    local[(SUMS + column) * LANES + lane] = total
                at = (SUMS + SUM_COLOR) * LANES + lane
                for channel in range(3):  # held above zero: no gradient below
                    if inside and rows[rank, RED + channel] <= 0:
                        local[at + channel * LANES] = 0
                red, green, blue = local[at], local[at + LANES], local[at + 2 * LANES]
                for k in range(more):
                    local[(WEIGHTS + k) * LANES + lane] = (
                        red * sh_rest[i, k, 0] + green * sh_rest[i, k, 1] + blue * sh_rest[i, k, 2]
                    )
            project_16_backward(camera, degree, antialiased, blur, pose, local)
            for lane in range(min(LANES, last - base)):
                i = numbers[lane]
                for axis in range(3):
                    of_means[i, axis] += local[(OF_MEAN + axis) * LANES + lane]
                    of_log_scales[i, axis] += local[(OF_SCALE + axis) * LANES + lane]
                for k in range(4):
                    of_quats[i, k] += local[(OF_QUAT + k) * LANES + lane]
                of_opacity_logits[i] += local[OF_LOGIT * LANES + lane]
                at = (SUMS + SUM_COLOR) * LANES + lane
                red, green, blue = local[at], local[at + LANES], local[at + 2 * LANES]
                of_sh_dc[i, 0] += red * SH0
                of_sh_dc[i, 1] += green * SH0
                of_sh_dc[i, 2] += blue * SH0
                for k in range(more):
                    value = local[(BASIS + k) * LANES + lane]
                    of_sh_rest[i, k, 0] += value * red
                    of_sh_rest[i, k, 1] += value * green
                    of_sh_rest[i, k, 2] += value * blue
                if on_screen.shape[0] > 0:
                    for axis in range(2):
                        on_screen[i, axis] = local[(ON_SCREEN + axis) * LANES + lane]
                        at = (SUMS + SUM_ABSOLUTE + axis) * LANES + lane
                        magnitudes[i, axis] = local[at]
        for k in range(15):
            total = rows.dtype.type(0)
            for lane in range(LANES):
                total += local[(POSE + k) * LANES + lane]
            of_pose[part, k] = total
