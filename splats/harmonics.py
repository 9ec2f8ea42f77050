"""Real spherical harmonics of degree 1 to 3 in the order and with the signs of 3DGS's files.

They are those with the Condon-Shortley phase, by degree, then order -l to l. Under a rotation or a
mirroring, the harmonics of a degree mix among themselves (Ivanic and Ruedenberg 1996).

Letters: n directions, k = (degree + 1)^2 - 1 harmonics.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

MAX_DEGREE = 3

ODD = ("y", "z", "x", "xy", "yz", "", "xz", "", "y", "xyz", "y", "z", "x", "z", "x")
"""The axes in which each of the fifteen is odd: it changes its sign with an odd number of them."""


def harmonics(directions: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 15"]:
    """The values at unit directions, without the constant one.

    Args:
        directions: [n,3] from the camera to the Gaussian.
    """
    x, y, z = directions.T
    xx, yy, zz = x * x, y * y, z * z
    first = np.sqrt(3 / (4 * np.pi)) * np.stack([-y, z, -x])
    second = np.sqrt(15 / (4 * np.pi)) * np.stack(
        [x * y, -y * z, (3 * zz - 1) / np.sqrt(12), -x * z, (xx - yy) / 2]
    )
    outer, inner = np.sqrt(35 / (32 * np.pi)), np.sqrt(21 / (32 * np.pi))
    third = [
        *(-outer * y * (3 * xx - yy), np.sqrt(105 / (4 * np.pi)) * x * y * z),
        *(-inner * y * (5 * zz - 1), np.sqrt(7 / (16 * np.pi)) * z * (5 * zz - 3)),
        *(-inner * x * (5 * zz - 1), np.sqrt(105 / (16 * np.pi)) * z * (xx - yy)),
        -outer * x * (xx - 3 * yy),
    ]
    return np.concatenate([first, second, np.stack(third)]).T


def harmonic_rotation(turn: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "15 15"]:
    """What turns coefficients with the scene: new = D old, a block for each degree.

    The turned colour in a direction is the old one in that direction turned back, for all
    directions; a block is solved for from more of them than it has unknowns.

    Args:
        turn: new from old frame, orthogonal; it may mirror.
    """
    i = np.arange(64) + 0.5
    z, angle = 1 - 2 * i / 64, np.pi * (1 + np.sqrt(5)) * i  # a spiral of even density
    radius = np.sqrt(1 - z * z)
    directions = np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)
    new, old = harmonics(directions), harmonics(directions @ turn)
    blocks = np.zeros((15, 15))
    for degree in range(1, MAX_DEGREE + 1):
        band = slice(degree * degree - 1, (degree + 1) ** 2 - 1)
        blocks[band, band] = np.linalg.lstsq(new[:, band], old[:, band], rcond=None)[0]
    return blocks


def harmonic_signs(signs: tuple[int, int, int]) -> Float[np.ndarray, " 15"]:
    """What each coefficient is multiplied by when the axes of sign -1 point the other way."""
    by_axis = dict(zip("xyz", signs, strict=True))
    return np.array([np.prod([by_axis[axis] for axis in axes]) for axes in ODD], np.float32)
