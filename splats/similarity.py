"""Gaussians turned, scaled and moved as a whole, harmonics and all.

A change of axes that does not mirror is such a rotation. Letters: n Gaussians, k harmonics.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from polyfield.errors import InputError
from polyfield.splats.harmonics import MAX_DEGREE, harmonics
from polyfield.splats.splats import Splats

APART = 1e-4  # from orthonormal, at most


def transformed(splats: Splats, new_from_old: Float[np.ndarray, "4 4"]) -> Splats:
    """The Gaussians in another frame, looking the same from there.

    Args:
        splats: in the old frame.
        new_from_old: x -> scale R x + t.

    Raises:
        InputError: for a matrix that mirrors, flattens, or stretches one axis more than another.
    """
    scale, rotation, translation = _split(np.asarray(new_from_old, np.float64))
    k = splats.sh_rest.shape[1]
    turn = np.kron(harmonic_rotation(rotation)[:k, :k], np.eye(3)).astype(np.float32)
    rest = splats.sh_rest.reshape(len(splats), 3 * k) @ turn.T
    means = splats.means.astype(np.float64) @ (scale * rotation).T + translation
    return replace(
        splats,
        means=means.astype(np.float32),
        quats=_times(quat_of(rotation), splats.quats),
        log_scales=splats.log_scales + np.float32(np.log(scale)),
        sh_rest=rest.reshape(len(splats), k, 3),
    )


def _split(matrix: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        expected = "4 x 4 finite numbers"
        raise InputError(field="similarity", found=matrix.tolist(), expected=expected)
    determinant = float(np.linalg.det(matrix[:3, :3]))
    scale = max(determinant, 0.0) ** (1 / 3) or 1.0
    rotation = matrix[:3, :3] / scale
    apart = float(np.abs(rotation.T @ rotation - np.eye(3)).max())
    if determinant <= 0 or apart > APART or not np.array_equal(matrix[3], [0, 0, 0, 1]):
        raise InputError(
            field="similarity",
            found=f"determinant {determinant:.3g}, {apart:.2g} from orthonormal",
            expected="a rotation, a translation and one scale above 0",
        )
    return scale, rotation, matrix[:3, 3]


def harmonic_rotation(rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "15 15"]:
    """What turns coefficients with the scene: new = D old, a block for each degree.

    The turned colour in a direction is the old one in that direction turned back, for all
    directions; a block is solved for from more of them than it has unknowns.

    Args:
        rotation: new from old frame.
    """
    i = np.arange(64) + 0.5
    z, angle = 1 - 2 * i / 64, np.pi * (1 + np.sqrt(5)) * i  # a spiral of even density
    radius = np.sqrt(1 - z * z)
    directions = np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)
    new, old = harmonics(directions), harmonics(directions @ rotation)
    blocks = np.zeros((15, 15))
    for degree in range(1, MAX_DEGREE + 1):
        band = slice(degree * degree - 1, (degree + 1) ** 2 - 1)
        blocks[band, band] = np.linalg.lstsq(new[:, band], old[:, band], rcond=None)[0]
    return blocks


def quat_of(rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, " 4"]:
    """The unit quaternion w, x, y, z of a rotation, from the largest of its components."""
    r = rotation
    symmetric = np.array(
        [
            [r[0, 0] + r[1, 1] + r[2, 2], r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
            [0, r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0]],
            [0, 0, r[1, 1] - r[0, 0] - r[2, 2], r[1, 2] + r[2, 1]],
            [0, 0, 0, r[2, 2] - r[0, 0] - r[1, 1]],
        ]
    )
    # Its eigenvector of the largest eigenvalue is the quaternion (Bar-Itzhack 2000).
    return np.linalg.eigh(symmetric, UPLO="U")[1][:, 3]


def _times(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Products of one quaternion with n of them."""
    w, x, y, z = left
    matrix = np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])
    return (right.astype(np.float64) @ matrix.T).astype(np.float32)
