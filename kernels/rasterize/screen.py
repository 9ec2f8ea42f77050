"""Gaussians as a camera sees them: arithmetic that the kernels share, 16 Gaussians at a time.

A Gaussian's ellipse in the picture comes from two rows of numbers (EWA splatting, Zwicker et al.
2001; Kerbl et al. 2023): with the Jacobian J of the projection and the rotation W of the camera,

    t_0 = fx / z (W_0 - clamp(x / z) W_2),   t_1 = fy / z (W_1 - clamp(y / z) W_2)

are the rows of J W, a_i = S R^T t_i are they in units of the Gaussian's own axes, and the
covariance in the picture is [a_0.a_0, a_0.a_1; a_0.a_1, a_1.a_1] + blur. Letters: w, x, y, z of a
quaternion; r_ij of a rotation; s scales. Arguments are vectors unless they are a camera.
"""

from __future__ import annotations

from polyfield.kernels.blocks import leaf
from polyfield.kernels.vectors import exp2, greater, lesser, root, select

# Columns of a row: position, F, G, H and log2 of the opacity, alpha being
# 2^(log2_opacity - (F dx + G dy)^2 - H dy^2), colour, z, normal. Squares are lost to rounding far
# from the centre of a needle if they are not added up before: A dx^2 + B dx dy + C dy^2 would be.
X, Y, F, G, H, LOG2_OPACITY, RED, GREEN, BLUE, Z, NORMAL = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
COLUMNS = 13
ROW = 16  # numbers: a cache line of float32
# Of a surfel the same but for A, B, C: u = UX dx + UY dy and v alike, over w = 1 + GX dx + GY dy,
# alpha being 2^(log2_opacity - u^2 - v^2) and depth z / w.
UX, UY, VX, VY, GX, GY = 2, 3, 4, 13, 14, 15
SURFEL_COLUMNS = 16
# Of a camera, flat: rotation (row by row) and translation [12], fx fy cx cy, width, height, near.
FX, FY, CX, CY, WIDTH, HEIGHT, NEAREST = 12, 13, 14, 15, 16, 17, 18

LOG2_E = 1.4426950408889634
LOG2_LEAST = -7.994353436858858  # log2 of 1/255, the least alpha
TILE = 16  # pixels


@leaf
def rounded_up(x):  # type: ignore[no-untyped-def]
    """The least whole number that is x or more, for one number x >= 0; without a call."""
    whole = int(x)
    return whole + 1 if x > whole else whole


@leaf
def exponential_of(x):  # type: ignore[no-untyped-def]
    """e^x, held to 2^-100 and 2^100."""
    return exp2(lesser(greater(x * LOG2_E, -100.0), 100.0))


@leaf
def rotation_of(w, x, y, z):  # type: ignore[no-untyped-def]
    """The rotation of a unit quaternion, row by row."""
    return (
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    )  # fmt: skip


@leaf
def in_camera(camera, x, y, z):  # type: ignore[no-untyped-def]
    """Points of the world in the camera's axes."""
    return (
        x * camera[0] + y * camera[1] + z * camera[2] + camera[9],
        x * camera[3] + y * camera[4] + z * camera[5] + camera[10],
        x * camera[6] + y * camera[7] + z * camera[8] + camera[11],
    )


@leaf
def slope_bounds(camera):  # type: ignore[no-untyped-def]
    """Least and greatest x / z and y / z: 0.3 half widths beyond the picture."""
    fx, fy, cx, cy = camera[FX], camera[FY], camera[CX], camera[CY]
    margin_x, margin_y = 0.15 * camera[WIDTH] / fx, 0.15 * camera[HEIGHT] / fy
    right, bottom = (camera[WIDTH] - cx) / fx, (camera[HEIGHT] - cy) / fy
    return -cx / fx - margin_x, right + margin_x, -cy / fy - margin_y, bottom + margin_y


@leaf
def screen_rows(camera, tx, ty, over_z):  # type: ignore[no-untyped-def]
    """t_0 and t_1 of the module's docstring, from slopes within their bounds and 1 / z."""
    kx, ky = over_z * camera[FX], over_z * camera[FY]
    return (
        kx * (camera[0] - tx * camera[6]),
        kx * (camera[1] - tx * camera[7]),
        kx * (camera[2] - tx * camera[8]),
        ky * (camera[3] - ty * camera[6]),
        ky * (camera[4] - ty * camera[7]),
        ky * (camera[5] - ty * camera[8]),
    )


@leaf
def dot(a0, a1, a2, b0, b1, b2):  # type: ignore[no-untyped-def]
    """a . b."""
    return a0 * b0 + a1 * b1 + a2 * b2


@leaf
def determinants(u0, u1, u2, v0, v1, v2, blur):  # type: ignore[no-untyped-def]
    """Of the covariance [u.u, u.v; u.v, v.v] without and with the blur.

    The first is |u x v|^2: as the difference of two products nothing would be left in float32 of
    that of a needle whose length is a thousand times its width. The root of their ratio is what the
    blur takes from an opacity (mip-splatting, Yu et al. 2024).
    """
    n0, n1, n2 = u1 * v2 - u2 * v1, u2 * v0 - u0 * v2, u0 * v1 - u1 * v0
    before = dot(n0, n1, n2, n0, n1, n2)
    both = dot(u0, u1, u2, u0, u1, u2) + dot(v0, v1, v2, v0, v1, v2)
    return before, before + blur * (both + blur)


@leaf
def shortest(s0, s1, s2, r0, r1, r2):  # type: ignore[no-untyped-def]
    """Of three numbers that belong to the axes, that of the shortest axis, the first of equals."""
    least = lesser(s1, s0)
    return select(s2 < least, r2, select(s1 < s0, r1, r0))


@leaf
def from_camera(camera, x, y, z):  # type: ignore[no-untyped-def]
    """The unit vectors from the camera to points, world, and one over the distance."""
    t0, t1, t2 = camera[9], camera[10], camera[11]
    dx = x + (camera[0] * t0 + camera[3] * t1 + camera[6] * t2)
    dy = y + (camera[1] * t0 + camera[4] * t1 + camera[7] * t2)
    dz = z + (camera[2] * t0 + camera[5] * t1 + camera[8] * t2)
    inverse = 1 / root(dot(dx, dy, dz, dx, dy, dz))
    return dx * inverse, dy * inverse, dz * inverse, inverse
