"""From what a shape in the picture asks to a Gaussian's place, direction and camera: what both
primitives share, 16 at a time.

Planes are those of `project_backward`; letters as there.
"""

from __future__ import annotations

from polyfield.kernels.blocks import leaf
from polyfield.kernels.rasterize.harmonics import harmonics_at, harmonics_gradient
from polyfield.kernels.rasterize.screen import dot, from_camera
from polyfield.kernels.vectors import LANES, load, store

# Planes behind the 11 of `project`: values of harmonics, weights of their gradient, gradients.
BASIS, WEIGHTS = 11, 26
OF_MEAN, OF_QUAT, OF_SCALE, OF_LOGIT = 41, 44, 48, 51
ON_SCREEN = 52  # gradients of the centre in the picture
POSE = 54  # of the rotation row by row, the translation and the camera's position
SUMS = 69  # over pixels, as many as a primitive has


@leaf
def plane(local, k):  # type: ignore[no-untyped-def]
    """The 16 numbers of a plane."""
    return load(local, k * LANES)


@leaf
def add_to(local, k, value):  # type: ignore[no-untyped-def]
    """Add to the 16 numbers of a plane."""
    store(local, k * LANES, load(local, k * LANES) + value)


@leaf
def store_of_quaternion(quat, inverse, d00, d01, d02, d10, d11, d12, d20, d21, d22, local):  # type: ignore[no-untyped-def]
    """Fill the planes of a quaternion that is normalised, from the gradient of its rotation.

    Args:
        quat: w, x, y, z, normalised; inverse: one over the length it had.
    """
    w, x, y, z = quat
    gw = 2 * (x * (d21 - d12) + y * (d02 - d20) + z * (d10 - d01))
    gx = 2 * (y * (d01 + d10) + z * (d02 + d20) + w * (d21 - d12) - 2 * x * (d11 + d22))
    gy = 2 * (x * (d01 + d10) + z * (d12 + d21) + w * (d02 - d20) - 2 * y * (d00 + d22))
    gz = 2 * (x * (d02 + d20) + y * (d12 + d21) + w * (d10 - d01) - 2 * z * (d00 + d11))
    along = w * gw + x * gx + y * gy + z * gz
    store(local, OF_QUAT * LANES, inverse * (gw - w * along))
    store(local, (OF_QUAT + 1) * LANES, inverse * (gx - x * along))
    store(local, (OF_QUAT + 2) * LANES, inverse * (gy - y * along))
    store(local, (OF_QUAT + 3) * LANES, inverse * (gz - z * along))


@leaf
def store_of_mean(camera, degree, mean, in_camera, pose, local):  # type: ignore[no-untyped-def]
    """Fill the planes of the centre and of the harmonics, and add to those of the pose if asked to.

    Args:
        mean: x, y, z in the world; in_camera: the gradient of the same in the camera.
    """
    mx, my, mz = mean
    of_x, of_y, of_z = in_camera
    # Where it is seen from: the colour's direction.
    dx, dy, dz, nearness = from_camera(camera, mx, my, mz)
    g0, g1, g2 = harmonics_gradient(dx, dy, dz, degree, local, WEIGHTS * LANES)
    harmonics_at(dx, dy, dz, degree, local, BASIS * LANES)
    radial = dot(g0, g1, g2, dx, dy, dz)
    g0, g1 = nearness * (g0 - radial * dx), nearness * (g1 - radial * dy)
    g2 = nearness * (g2 - radial * dz)
    store(local, OF_MEAN * LANES, of_x * camera[0] + of_y * camera[3] + of_z * camera[6] + g0)
    store(local, (OF_MEAN + 1) * LANES, of_x * camera[1] + of_y * camera[4] + of_z * camera[7] + g1)
    store(local, (OF_MEAN + 2) * LANES, of_x * camera[2] + of_y * camera[5] + of_z * camera[8] + g2)
    if pose:
        add_to(local, POSE, of_x * mx)
        add_to(local, POSE + 1, of_x * my)
        add_to(local, POSE + 2, of_x * mz)
        add_to(local, POSE + 3, of_y * mx)
        add_to(local, POSE + 4, of_y * my)
        add_to(local, POSE + 5, of_y * mz)
        add_to(local, POSE + 6, of_z * mx)
        add_to(local, POSE + 7, of_z * my)
        add_to(local, POSE + 8, of_z * mz)
        add_to(local, POSE + 9, of_x)
        add_to(local, POSE + 10, of_y)
        add_to(local, POSE + 11, of_z)
        add_to(local, POSE + 12, -1 * g0)
        add_to(local, POSE + 13, -1 * g1)
        add_to(local, POSE + 14, -1 * g2)
