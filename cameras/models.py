"""Camera models: a direction in the camera frame to a pixel, and back.

Letters: (x, y, z) a direction, +x right, +y down, +z forward; (u, v) its place on the *lens plane*,
undistorted; (px, py) a pixel position, the centre of the first pixel being (0.5, 0.5); p the row of
`PARAMETERS` distortion parameters.

A model is a projection to the lens plane and a distortion of that plane:
    perspective    (u, v) = (x, y) / z
    equidistant    (u, v) = theta (x, y) / |(x, y)|, theta the angle from the optical axis
    spherical      (u, v) = (longitude, latitude)
then (px, py) = (fx u' + cx, fy v' + cy) with (u', v') the distorted (u, v). The formulas and the
order of parameters are those of COLMAP (src/colmap/sensor/models.h), which takes them from OpenCV,
Kannala and Brandt 2006, Devernay and Faugeras 2001, Fitzgibbon 2001, Khomutenko et al. 2016 and
Project Aria. Fisheye models see behind the camera (theta > pi / 2) where COLMAP's functions do not.

Scalar functions for CPU and CUDA kernels: no arrays are made and nothing is raised. NaN gives NaN.
"""

from __future__ import annotations

import math
from enum import IntEnum

from numba import njit

PARAMETERS = 12


class Model(IntEnum):
    """The camera models, with the order of their distortion parameters."""

    PINHOLE = 0
    OPENCV = 1  # k1 k2 p1 p2 k3 k4 k5 k6; k4, k5, k6 in the denominator
    FISHEYE = 2  # k1 k2 k3 k4
    EQUIRECTANGULAR = 3  # none; fx = width / 2 pi, fy = height / pi
    FOV = 4  # omega
    THIN_PRISM_FISHEYE = 5  # k1 k2 p1 p2 k3 k4 sx1 sy1
    RAD_TAN_THIN_PRISM_FISHEYE = 6  # k0..k5 p0 p1 s0..s3
    DIVISION = 7  # k
    EUCM = 8  # alpha beta


ITERATIONS, HALVINGS, TOLERANCE = 30, 12, 1e-10

_scalar = njit(cache=True, error_model="numpy")


@_scalar
def pixel_from_direction(model, fx, fy, cx, cy, p, x, y, z):  # type: ignore[no-untyped-def]
    """The pixel position that sees a direction of any length."""
    u, v = _lens_from_direction(model, p, x, y, z)
    u, v = distort(model, p, u, v)
    return fx * u + cx, fy * v + cy


@njit(error_model="numpy", inline="always")
def direction_from_pixel(model, fx, fy, cx, cy, p, px, py):  # type: ignore[no-untyped-def]
    """The unit direction that a pixel position sees.

    Finite for every finite pixel: where the model maps no direction there, the nearest that the
    solver found. Inlined for the sake of the most frequent model, three times as fast that way.
    """
    u, v = (px - cx) / fx, (py - cy) / fy
    if model == Model.PINHOLE:
        scale = 1.0 / math.sqrt(u * u + v * v + 1.0)
        return u * scale, v * scale, scale
    return _direction_through_lens(model, p, u, v)


@_scalar
def _direction_through_lens(model, p, u, v):  # type: ignore[no-untyped-def]
    u, v = undistort(model, p, u, v)
    return _direction_from_lens(model, p, u, v)


@_scalar
def _is_equidistant(model):  # type: ignore[no-untyped-def]
    return (
        model == Model.FISHEYE
        or model == Model.THIN_PRISM_FISHEYE
        or model == Model.RAD_TAN_THIN_PRISM_FISHEYE
    )


@_scalar
def _lens_from_direction(model, p, x, y, z):  # type: ignore[no-untyped-def]
    if _is_equidistant(model):
        r = math.sqrt(x * x + y * y)
        if r == 0.0:
            scale = 0.0 if z > 0.0 else math.nan
        else:
            scale = math.atan2(r, z) / r
        return x * scale, y * scale
    if model == Model.EQUIRECTANGULAR:
        return math.atan2(x, z), math.atan2(y, math.sqrt(x * x + z * z))
    if model == Model.EUCM:
        alpha, beta = p[0], p[1]
        z = alpha * math.sqrt(beta * (x * x + y * y) + z * z) + (1.0 - alpha) * z
    elif model == Model.DIVISION:
        # r' = r / z with r = z (1 + k r'^2): the root that tends to r / z when k does to 0.
        root = math.sqrt(max(z * z - 4.0 * p[0] * (x * x + y * y), 0.0))
        z = 0.5 * (z + root)
    return x / z, y / z


@_scalar
def _direction_from_lens(model, p, u, v):  # type: ignore[no-untyped-def]
    r2 = u * u + v * v
    if _is_equidistant(model):
        theta = math.sqrt(r2)
        if theta == 0.0:
            return u, v, 1.0
        bounded = min(theta, math.pi)
        scale = math.sin(bounded) / theta
        return u * scale, v * scale, math.cos(bounded)
    if model == Model.EQUIRECTANGULAR:
        v = min(max(v, -0.5 * math.pi), 0.5 * math.pi)
        return math.sin(u) * math.cos(v), math.sin(v), math.cos(u) * math.cos(v)
    z = 1.0
    if model == Model.EUCM:
        alpha, beta = p[0], p[1]
        root = math.sqrt(max(1.0 - (2.0 * alpha - 1.0) * beta * r2, 0.0))
        z = (1.0 - alpha * alpha * beta * r2) / (alpha * root + 1.0 - alpha)
    elif model == Model.DIVISION:
        z = 1.0 + p[0] * r2
    scale = 1.0 / math.sqrt(r2 + z * z)
    return u * scale, v * scale, z * scale


@_scalar
def distort(model, p, u, v):  # type: ignore[no-untyped-def]
    """Where the lens moves a point of the lens plane."""
    if model == Model.FOV:
        return _distort_fov(p[0], u, v)
    moved_u, moved_v, _, _, _, _ = _distort_with_jacobian(model, p, u, v)
    return moved_u, moved_v


@_scalar
def undistort(model, p, u_target, v_target):  # type: ignore[no-untyped-def]
    """The point of the lens plane that `distort` moves to a target.

    Newton's method with step halving, started at the target, so that it finds the branch around
    the optical axis. Where the lens moves nothing to the target, the nearest that was found.
    """
    u, v = u_target, v_target
    if model == Model.FOV:
        return _undistort_fov(p[0], u, v)
    moved_u, moved_v, a, b, c, d = _distort_with_jacobian(model, p, u, v)
    error = (moved_u - u_target) ** 2 + (moved_v - v_target) ** 2
    tolerance = TOLERANCE**2 * (1.0 + u * u + v * v)
    for _ in range(ITERATIONS):
        if not error > tolerance:
            break
        inverse = 1.0 / (a * d - b * c)
        step_u = inverse * (d * (moved_u - u_target) - b * (moved_v - v_target))
        step_v = inverse * (a * (moved_v - v_target) - c * (moved_u - u_target))
        best = error
        for _ in range(HALVINGS):
            moved_u, moved_v, a, b, c, d = _distort_with_jacobian(model, p, u - step_u, v - step_v)
            error = (moved_u - u_target) ** 2 + (moved_v - v_target) ** 2
            if error < best:
                break
            step_u, step_v = 0.5 * step_u, 0.5 * step_v
        if not error < best:
            break
        u, v = u - step_u, v - step_v
    return u, v


@_scalar
def _distort_with_jacobian(model, p, u, v):  # type: ignore[no-untyped-def]
    """(u', v'), then du'/du, du'/dv, dv'/du, dv'/dv; for models of radial polynomials."""
    r2 = u * u + v * v
    p1, p2, s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if model == Model.OPENCV:
        top, top_slope = _polynomial(r2, p[0], p[1], p[4], 0.0, 0.0, 0.0)
        bottom, bottom_slope = _polynomial(r2, p[5], p[6], p[7], 0.0, 0.0, 0.0)
        scale = top / bottom
        slope = (top_slope - scale * bottom_slope) / bottom
        p1, p2 = p[2], p[3]
    elif model == Model.FISHEYE:
        scale, slope = _polynomial(r2, p[0], p[1], p[2], p[3], 0.0, 0.0)
    elif model == Model.THIN_PRISM_FISHEYE:
        scale, slope = _polynomial(r2, p[0], p[1], p[4], p[5], 0.0, 0.0)
        p1, p2, s0, s2 = p[2], p[3], p[6], p[7]
    elif model == Model.RAD_TAN_THIN_PRISM_FISHEYE:
        scale, slope = _polynomial(r2, p[0], p[1], p[2], p[3], p[4], p[5])
        p1, p2, s0, s1, s2, s3 = p[7], p[6], p[8], p[9], p[10], p[11]
    else:
        return u, v, 1.0, 0.0, 0.0, 1.0
    radial_u, radial_v = u * scale, v * scale
    a, b, d = scale + 2.0 * u * u * slope, 2.0 * u * v * slope, scale + 2.0 * v * v * slope
    if model == Model.RAD_TAN_THIN_PRISM_FISHEYE:
        # Decentring acts on what radial distortion made: the Jacobians multiply.
        shift_u, shift_v, e, f, g, h = _decentring(p1, p2, s0, s1, s2, s3, radial_u, radial_v)
        e, f, g, h = e * a + f * b, e * b + f * d, g * a + h * b, g * b + h * d
    else:
        shift_u, shift_v, e, f, g, h = _decentring(p1, p2, s0, s1, s2, s3, u, v)
    return radial_u + shift_u, radial_v + shift_v, a + e, b + f, b + g, d + h


@_scalar
def _polynomial(x, k1, k2, k3, k4, k5, k6):  # type: ignore[no-untyped-def]
    """1 + k1 x + k2 x^2 + ... and its derivative."""
    value = 1.0 + x * (k1 + x * (k2 + x * (k3 + x * (k4 + x * (k5 + x * k6)))))
    slope = k1 + x * (2.0 * k2 + x * (3.0 * k3 + x * (4.0 * k4 + x * (5.0 * k5 + x * 6.0 * k6))))
    return value, slope


@_scalar
def _decentring(p1, p2, s0, s1, s2, s3, u, v):  # type: ignore[no-untyped-def]
    """The shift by tangential (p) and thin prism (s) distortion, and its Jacobian by rows."""
    r2 = u * u + v * v
    shift_u = 2.0 * p1 * u * v + p2 * (r2 + 2.0 * u * u) + r2 * (s0 + s1 * r2)
    shift_v = 2.0 * p2 * u * v + p1 * (r2 + 2.0 * v * v) + r2 * (s2 + s3 * r2)
    cross = 2.0 * (p1 * u + p2 * v)
    prism_u, prism_v = 2.0 * (s0 + 2.0 * s1 * r2), 2.0 * (s2 + 2.0 * s3 * r2)
    return (
        shift_u,
        shift_v,
        2.0 * p1 * v + 6.0 * p2 * u + prism_u * u,
        cross + prism_u * v,
        cross + prism_v * u,
        2.0 * p2 * u + 6.0 * p1 * v + prism_v * v,
    )


@_scalar
def _distort_fov(omega, u, v):  # type: ignore[no-untyped-def]
    r = math.sqrt(u * u + v * v)
    factor = 2.0 * math.tan(0.5 * omega)
    if factor == 0.0 or r == 0.0:
        return u, v
    scale = math.atan(r * factor) / (r * omega)
    return u * scale, v * scale


@_scalar
def _undistort_fov(omega, u, v):  # type: ignore[no-untyped-def]
    r = math.sqrt(u * u + v * v)
    factor = 2.0 * math.tan(0.5 * omega)
    if factor == 0.0 or r == 0.0:
        return u, v
    largest = 0.5 * math.pi - 1e-9  # pixels beyond it see nothing
    scale = math.tan(min(max(r * omega, -largest), largest)) / (r * factor)
    return u * scale, v * scale
