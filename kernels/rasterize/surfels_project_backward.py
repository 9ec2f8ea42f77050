"""From sums over pixels to gradients of surfels and of the camera's pose, 16 at a time.

With K = J^-1 of `surfels_project`, and g = -h K the slope of w: d h = -K d g, to d K is added
-h d g, and d J = -K' d K K'. Planes and letters are those of `project_backward`.
"""

from __future__ import annotations

from polyfield.kernels.blocks import leaf
from polyfield.kernels.rasterize.blend_backward import SUM_DEPTH, SUM_NORMAL
from polyfield.kernels.rasterize.camera_backward import (
    OF_LOGIT,
    OF_SCALE,
    ON_SCREEN,
    POSE,
    SUMS,
    add_to,
    plane,
    store_of_mean,
    store_of_quaternion,
)
from polyfield.kernels.rasterize.project import LOGIT, MEAN, QUAT, SCALE
from polyfield.kernels.rasterize.screen import (
    FX,
    FY,
    dot,
    exponential_of,
    from_camera,
    in_camera,
    rotation_of,
    screen_rows,
)
from polyfield.kernels.rasterize.surfels_blend_backward import (
    SUM_LOW,
    SUM_U,
    SUM_U_X,
    SUM_U_Y,
    SUM_V,
    SUM_V_X,
    SUM_V_Y,
    SUM_W,
    SUM_W_X,
    SUM_W_Y,
)
from polyfield.kernels.rasterize.surfels_project import UNIT, disk_of, inverse_of
from polyfield.kernels.vectors import LANES, root, select, store

NORMALS = False  # known in compiling


@leaf
def disk_backward(disk, inverse, local):  # type: ignore[no-untyped-def]
    """Gradients of J, row by row, of h, and of the centre in the picture.

    Args:
        disk, inverse: of `disk_of` and `inverse_of`.
    """
    _, _, _, _, h0, h1 = disk
    ux, uy, vx, vy, flat = inverse
    wx = select(flat, -1 * (h0 * ux + h1 * vx), 0)
    wy = select(flat, -1 * (h0 * uy + h1 * vy), 0)
    back = -1 / UNIT  # from e_u of `surfels_blend_backward` to the gradient of u
    of_u, of_v = back * plane(local, SUMS + SUM_U), back * plane(local, SUMS + SUM_V)
    of_w = plane(local, SUMS + SUM_W)
    px = 2 * plane(local, SUMS + SUM_LOW) - (of_u * ux + of_v * vx + of_w * wx)
    py = 2 * plane(local, SUMS + SUM_LOW + 1) - (of_u * uy + of_v * vy + of_w * wy)
    of_gx, of_gy = plane(local, SUMS + SUM_W_X), plane(local, SUMS + SUM_W_Y)
    k00 = back * plane(local, SUMS + SUM_U_X) - h0 * of_gx
    k01 = back * plane(local, SUMS + SUM_U_Y) - h0 * of_gy
    k10 = back * plane(local, SUMS + SUM_V_X) - h1 * of_gx
    k11 = back * plane(local, SUMS + SUM_V_Y) - h1 * of_gy
    of_h0, of_h1 = -1 * (of_gx * ux + of_gy * uy), -1 * (of_gx * vx + of_gy * vy)
    m00, m01 = ux * k00 + vx * k10, ux * k01 + vx * k11
    m10, m11 = uy * k00 + vy * k10, uy * k01 + vy * k11
    return (
        select(flat, -1 * (m00 * ux + m01 * uy), 0),
        select(flat, -1 * (m00 * vx + m01 * vy), 0),
        select(flat, -1 * (m10 * ux + m11 * uy), 0),
        select(flat, -1 * (m10 * vx + m11 * vy), 0),
        select(flat, of_h0, 0),
        select(flat, of_h1, 0),
        px,
        py,
    )


@leaf
def project_16_backward(camera, degree, antialiased, blur, pose, local):  # type: ignore[no-untyped-def]
    """As `project_backward.project_16_backward`; neither antialiased nor blur counts."""
    mx, my, mz = plane(local, MEAN), plane(local, MEAN + 1), plane(local, MEAN + 2)
    qw, qx = plane(local, QUAT), plane(local, QUAT + 1)
    qy, qz = plane(local, QUAT + 2), plane(local, QUAT + 3)
    unit = 1 / root(qw * qw + qx * qx + qy * qy + qz * qz)
    qw, qx, qy, qz = qw * unit, qx * unit, qy * unit, qz * unit
    r00, r01, r02, r10, r11, r12, r20, r21, r22 = rotation_of(qw, qx, qy, qz)
    s0, s1 = exponential_of(plane(local, SCALE)), exponential_of(plane(local, SCALE + 1))
    x, y, z = in_camera(camera, mx, my, mz)
    over_z = 1 / z
    sx, sy = x * over_z, y * over_z
    a0, a1, a2, b0, b1, b2 = s0 * r00, s0 * r10, s0 * r20, s1 * r01, s1 * r11, s1 * r21
    disk = disk_of(camera, (a0, a1, a2, b0, b1, b2), (sx, sy), over_z)
    j00, j01, j10, j11, h0, h1 = disk
    dx, dy, dz, _ = from_camera(camera, mx, my, mz)
    facing = dot(r02, r12, r22, dx, dy, dz)
    inverse = inverse_of(disk, facing)
    d00, d01, d10, d11, dh0, dh1, of_px, of_py = disk_backward(disk, inverse, local)
    total = plane(local, SUMS)
    store(local, OF_LOGIT * LANES, total / (1 + exponential_of(plane(local, LOGIT))))
    store(local, OF_SCALE * LANES, d00 * j00 + d10 * j10 + dh0 * h0)
    store(local, (OF_SCALE + 1) * LANES, d01 * j01 + d11 * j11 + dh1 * h1)
    store(local, (OF_SCALE + 2) * LANES, 0 * total)
    # To the tangents, through the rows t_0, t_1, t_2, and to these.
    t0, t1, t2, t3, t4, t5 = screen_rows(camera, sx, sy, over_z)
    t6, t7, t8 = over_z * camera[6], over_z * camera[7], over_z * camera[8]
    nx, ny, nz = 0 * total, 0 * total, 0 * total
    if NORMALS:
        away = facing > 0
        nx, ny = plane(local, SUMS + SUM_NORMAL), plane(local, SUMS + SUM_NORMAL + 1)
        nz = plane(local, SUMS + SUM_NORMAL + 2)
        nx, ny, nz = select(away, -1 * nx, nx), select(away, -1 * ny, ny), select(away, -1 * nz, nz)
    store_of_quaternion(
        (qw, qx, qy, qz),
        unit,
        s0 * (t0 * d00 + t3 * d10 + t6 * dh0), s1 * (t0 * d01 + t3 * d11 + t6 * dh1), nx,
        s0 * (t1 * d00 + t4 * d10 + t7 * dh0), s1 * (t1 * d01 + t4 * d11 + t7 * dh1), ny,
        s0 * (t2 * d00 + t5 * d10 + t8 * dh0), s1 * (t2 * d01 + t5 * d11 + t8 * dh1), nz,
        local,
    )  # fmt: skip
    e0, e1, e2 = a0 * d00 + b0 * d01, a1 * d00 + b1 * d01, a2 * d00 + b2 * d01
    e3, e4, e5 = a0 * d10 + b0 * d11, a1 * d10 + b1 * d11, a2 * d10 + b2 * d11
    e6, e7, e8 = a0 * dh0 + b0 * dh1, a1 * dh0 + b1 * dh1, a2 * dh0 + b2 * dh1
    # t_0 = fx / z (W_0 - sx W_2), t_2 = W_2 / z, and px = fx sx + cx.
    kx, ky = over_z * camera[FX], over_z * camera[FY]
    along_x = e0 * camera[6] + e1 * camera[7] + e2 * camera[8]
    along_y = e3 * camera[6] + e4 * camera[7] + e5 * camera[8]
    of_kx = e0 * camera[0] + e1 * camera[1] + e2 * camera[2] - sx * along_x
    of_ky = e3 * camera[3] + e4 * camera[4] + e5 * camera[5] - sy * along_y
    of_sx, of_sy = of_px * camera[FX] - kx * along_x, of_py * camera[FY] - ky * along_y
    of_over_z = of_kx * camera[FX] + of_ky * camera[FY] + of_sx * x + of_sy * y
    of_over_z = of_over_z + e6 * camera[6] + e7 * camera[7] + e8 * camera[8]
    of_z = plane(local, SUMS + SUM_DEPTH) - of_over_z * over_z * over_z
    store_of_mean(camera, degree, (mx, my, mz), (of_sx * over_z, of_sy * over_z, of_z), pose, local)
    store(local, ON_SCREEN * LANES, of_px)
    store(local, (ON_SCREEN + 1) * LANES, of_py)
    if pose:
        back_x, back_y = kx * sx, ky * sy
        add_to(local, POSE, kx * e0)
        add_to(local, POSE + 1, kx * e1)
        add_to(local, POSE + 2, kx * e2)
        add_to(local, POSE + 3, ky * e3)
        add_to(local, POSE + 4, ky * e4)
        add_to(local, POSE + 5, ky * e5)
        add_to(local, POSE + 6, over_z * e6 - back_x * e0 - back_y * e3)
        add_to(local, POSE + 7, over_z * e7 - back_x * e1 - back_y * e4)
        add_to(local, POSE + 8, over_z * e8 - back_x * e2 - back_y * e5)
