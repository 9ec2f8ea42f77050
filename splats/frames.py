"""Gaussians in other frames: axes that turn around, and any affine transformation.

A frame is named by where its axes point: RDF (right, down, forward) is that of `Splats`, RUB
(right, up, back) that of .spz, LUF (left, up, forward) that of glTF. Letters: n Gaussians, k
harmonics beyond the first.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from polyfield.errors import InputError
from polyfield.splats.harmonics import harmonic_rotation, harmonic_signs
from polyfield.splats.splats import Splats

AXES = {
    "R": (1, 0, 0),
    "L": (-1, 0, 0),
    "D": (0, 1, 0),
    "U": (0, -1, 0),
    "F": (0, 0, 1),
    "B": (0, 0, -1),
}
"""Where an axis of that letter points, in RDF."""

MOST_FACTOR = 1e30  # what is beyond overflows in float32
LEAST_FLATNESS = 1e-12  # ratio of a matrix's shortest and longest axes
SAME_LENGTH = 1e-5  # relative difference of axes up to which a matrix scales all of them alike
LEAST_LOG = -1e4  # of the longest axis of a Gaussian


@np.errstate(invalid="ignore")  # what is NaN stays so
def flipped(splats: Splats, signs: tuple[int, int, int]) -> Splats:
    """The Gaussians with the axes of sign -1 pointing the other way; exact, and its own inverse."""
    x, y, z = signs
    odd = harmonic_signs(signs)[: splats.sh_rest.shape[1]]
    return replace(
        splats,
        means=splats.means * np.array(signs, np.float32),
        quats=splats.quats * np.array([1, y * z, x * z, x * y], np.float32),
        sh_rest=splats.sh_rest * odd[:, None],
    )


def rdf_from(frame: str) -> Float[np.ndarray, "3 3"]:
    """The matrix that brings points of a frame such as "RUB" into RDF."""
    return np.array([AXES[letter] for letter in frame], np.float64).T


@np.errstate(over="ignore", invalid="ignore")
def transformed(splats: Splats, new_from_old: Float[np.ndarray, "4 4"]) -> Splats:
    """The Gaussians in another frame, looking the same from there.

    Where the matrix scales axes apart, ellipsoids are stretched and harmonics turned by the nearest
    rotation, or mirroring. What is not finite stays so.

    Args:
        splats: in the old frame.
        new_from_old: x -> A x + t, any A that has an inverse.

    Raises:
        InputError: for a matrix that is not of this kind.
    """
    linear, translation = _split(np.asarray(new_from_old, np.float64))
    u, lengths, vt = np.linalg.svd(linear)
    if lengths[2] <= LEAST_FLATNESS * lengths[0]:
        raise InputError(field="transformation", found="space made flat", expected="an inverse")
    turn = u @ vt
    if lengths[0] <= lengths[2] * (1 + SAME_LENGTH):
        quats = _turned(splats.quats, turn)
        log_scales = splats.log_scales + np.float32(np.log(lengths.mean()))
    else:
        quats, log_scales = _stretched(splats, linear)
    n, k, _ = splats.sh_rest.shape
    mix = np.kron(harmonic_rotation(turn)[:k, :k], np.eye(3)).astype(np.float32)
    return replace(
        splats,
        means=(splats.means @ linear.T + translation).astype(np.float32),
        quats=quats,
        log_scales=log_scales,
        sh_rest=(splats.sh_rest.reshape(n, 3 * k) @ mix.T).reshape(n, k, 3),
    )


def _split(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if matrix.shape != (4, 4) or not np.abs(matrix).max() < MOST_FACTOR:
        expected = "4 x 4 finite numbers"
        raise InputError(field="transformation", found=matrix.tolist(), expected=expected)
    if not np.array_equal(matrix[3], [0, 0, 0, 1]):
        found = matrix[3].tolist()
        raise InputError(field="transformation", found=found, expected="a last row 0, 0, 0, 1")
    return matrix[:3, :3], matrix[:3, 3]


def _turned(
    quats: Float[np.ndarray, "n 4"], turn: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "n 4"]:
    """A mirroring leaves the same ellipsoid as the rotation that is its negative."""
    from scipy.spatial.transform import Rotation

    proper = turn * np.sign(np.linalg.det(turn))
    x, y, z, w = Rotation.from_matrix(proper).as_quat()
    product = np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])
    return (quats.astype(np.float64) @ product.T).astype(np.float32)


def _stretched(
    splats: Splats, linear: Float[np.ndarray, "3 3"]
) -> tuple[Float[np.ndarray, "n 4"], Float[np.ndarray, "n 3"]]:
    """Axes and lengths of the ellipsoids after a matrix that does not keep angles."""
    from scipy.spatial.transform import Rotation

    quats, log_scales = splats.quats.copy(), splats.log_scales.copy()
    # The decompositions do not end on NaN, and quaternions of 0 have no matrix.
    sound = np.isfinite(quats).all(1) & quats.any(1) & (log_scales < np.inf).all(1)
    logs = log_scales[sound].astype(np.float64)
    # Relative to the longest axis, so that tiny Gaussians do not underflow.
    longest = np.maximum(logs.max(axis=1, keepdims=True), LEAST_LOG)
    rotations = Rotation.from_quat(np.roll(quats[sound], -1, axis=1)).as_matrix()
    u, lengths, _ = np.linalg.svd(linear @ rotations * np.exp(logs - longest)[:, None, :])
    u[:, :, 2] *= np.sign(np.linalg.det(u))[:, None]
    quats[sound] = np.roll(Rotation.from_matrix(u).as_quat(), 1, axis=1)
    log_scales[sound] = np.log(np.maximum(lengths, np.finfo(np.float32).tiny)) + longest
    return quats, log_scales
