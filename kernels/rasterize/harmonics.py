"""Spherical harmonics of 16 directions at once, and their gradient.

Letters: e = (degree + 1)^2 values, the first of which goes with sh_dc and the rest with sh_rest.
The values are those of `kernels.spherical_harmonics`.
"""

from __future__ import annotations

from polyfield.kernels.blocks import leaf
from polyfield.kernels.vectors import LANES, load, store

SH0 = 0.28209479177387814
C1, C2, C2A, C2B = 0.4886025119029199, 1.0925484305920792, 0.31539156525252005, 0.5462742152960396
C3, C3A, C3B = 0.5900435899266435, 2.890611442640554, 0.4570457994644658
C3C, C3D = 0.3731763325901154, 1.445305721320277


@leaf
def harmonics_at(x, y, z, degree, out, at):  # type: ignore[no-untyped-def]
    """Write values 1 to e - 1 at unit vectors, each a row of 16 from position `at` on."""
    if degree > 0:
        store(out, at, y * -C1)
        store(out, at + LANES, z * C1)
        store(out, at + 2 * LANES, x * -C1)
    xx, yy, zz = x * x, y * y, z * z
    if degree > 1:
        store(out, at + 3 * LANES, x * y * C2)
        store(out, at + 4 * LANES, y * z * -C2)
        store(out, at + 5 * LANES, (2 * zz - xx - yy) * C2A)
        store(out, at + 6 * LANES, x * z * -C2)
        store(out, at + 7 * LANES, (xx - yy) * C2B)
    if degree > 2:
        store(out, at + 8 * LANES, y * (3 * xx - yy) * -C3)
        store(out, at + 9 * LANES, x * y * z * C3A)
        store(out, at + 10 * LANES, y * (4 * zz - xx - yy) * -C3B)
        store(out, at + 11 * LANES, z * (2 * zz - 3 * xx - 3 * yy) * C3C)
        store(out, at + 12 * LANES, x * (4 * zz - xx - yy) * -C3B)
        store(out, at + 13 * LANES, z * (xx - yy) * C3D)
        store(out, at + 14 * LANES, x * (xx - 3 * yy) * -C3)


@leaf
def harmonics_gradient(x, y, z, degree, weights, at):  # type: ignore[no-untyped-def]
    """Gradient with respect to (x, y, z) of the sum of weight times value, over values 1 to e - 1.

    Args:
        weights: rows of 16 from position `at` on, as `harmonics_at` writes values.
    """
    gx, gy, gz = x * 0, y * 0, z * 0
    if degree > 0:
        gx = load(weights, at + 2 * LANES) * -C1
        gy = load(weights, at) * -C1
        gz = load(weights, at + LANES) * C1
    if degree > 1:
        w4, w5 = load(weights, at + 3 * LANES), load(weights, at + 4 * LANES)
        w6, w7 = load(weights, at + 5 * LANES), load(weights, at + 6 * LANES)
        w8 = load(weights, at + 7 * LANES)
        gx = gx + C2 * (y * w4 - z * w7) + 2 * x * (C2B * w8 - C2A * w6)
        gy = gy + C2 * (x * w4 - z * w5) - 2 * y * (C2B * w8 + C2A * w6)
        gz = gz - C2 * (y * w5 + x * w7) + 4 * C2A * z * w6
    if degree > 2:
        xx, yy, zz, xy, xz, yz = x * x, y * y, z * z, x * y, x * z, y * z
        w9, w10 = load(weights, at + 8 * LANES), load(weights, at + 9 * LANES)
        w11, w12 = load(weights, at + 10 * LANES), load(weights, at + 11 * LANES)
        w13, w14 = load(weights, at + 12 * LANES), load(weights, at + 13 * LANES)
        w15 = load(weights, at + 14 * LANES)
        gx = gx + C3A * yz * w10 + 2 * C3B * xy * w11 - 6 * C3C * xz * w12 + 2 * C3D * xz * w14
        gx = gx - C3B * (4 * zz - 3 * xx - yy) * w13 - C3 * (6 * xy * w9 + 3 * (xx - yy) * w15)
        gy = gy + C3A * xz * w10 + 2 * C3B * xy * w13 - 6 * C3C * yz * w12 - 2 * C3D * yz * w14
        gy = gy - C3B * (4 * zz - xx - 3 * yy) * w11 - C3 * (3 * (xx - yy) * w9 - 6 * xy * w15)
        gz = gz + C3A * xy * w10 + 3 * C3C * (2 * zz - xx - yy) * w12 + C3D * (xx - yy) * w14
        gz = gz - 8 * C3B * (yz * w11 + xz * w13)
    return gx, gy, gz
