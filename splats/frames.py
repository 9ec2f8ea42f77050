"""Gaussians from one frame into another: axes that turn around, and any affine transformation.

A frame is named by where its axes point: RDF (right, down, forward) is that of `Splats`, RUB
(right, up, back) that of .spz, LUF (left, up, forward) that of glTF.

Letters: n Gaussians, k harmonics beyond the first, m directions.

Harmonics are 3DGS's: the real ones with the Condon-Shortley phase, by degree, then order -l to l.
A polynomial that is odd in an axis changes its sign with it; under any other rotation or mirroring
the harmonics of a degree mix among themselves (Ivanic and Ruedenberg 1996), by a matrix that is
found here from their values in sixteen directions.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from polyfield.errors import InputError
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

ODD = ("y", "z", "x", "xy", "yz", "", "xz", "", "y", "xyz", "y", "z", "x", "z", "x")
"""The axes in which each of the fifteen harmonics of degrees 1 to 3 is odd."""

BANDS = (slice(0, 3), slice(3, 8), slice(8, 15))

MOST_FACTOR = 1e30  # what is beyond overflows in float32
LEAST_FLATNESS = 1e-12  # ratio of a matrix's shortest and longest axes
SAME_LENGTH = 1e-6  # relative difference of axes up to which a matrix scales all of them alike


def flipped(splats: Splats, signs: tuple[int, int, int]) -> Splats:
    """The Gaussians with the axes of sign -1 pointing the other way; exact, and its own inverse."""
    x, y, z = signs
    by_axis = dict(zip("xyz", signs))
    k = splats.sh_rest.shape[1]
    odd = np.array([np.prod([by_axis[axis] for axis in axes]) for axes in ODD[:k]], np.float32)
    return replace(
        splats,
        means=splats.means * np.array(signs, np.float32),
        quats=splats.quats * np.array([1, y * z, x * z, x * y], np.float32),
        sh_rest=splats.sh_rest * odd[:, None],
    )


def rdf_from(frame: str) -> Float[np.ndarray, "3 3"]:
    """The matrix that brings points of a frame such as "RUB" into RDF."""
    return np.array([AXES[letter] for letter in frame], np.float64).T


def transformed(splats: Splats, matrix: Float[np.ndarray, "4 4"]) -> Splats:
    """The Gaussians after an affine transformation, which may mirror and scale axes apart.

    Args:
        splats: n Gaussians.
        matrix: [4,4] new from old, applied to columns; the last row is not looked at.

    Raises:
        InputError: for a matrix that is not finite or flattens space.
    """
    linear = np.asarray(matrix[:3, :3], np.float64)
    if not np.abs(matrix[:3]).max() < MOST_FACTOR:
        raise InputError(field="transformation", found="NaN or infinity", expected="finite numbers")
    u, lengths, vt = np.linalg.svd(linear)
    if lengths[2] <= LEAST_FLATNESS * lengths[0]:
        raise InputError(field="transformation", found="space made flat", expected="an inverse")
    turn = u @ vt
    if lengths[0] <= lengths[2] * (1 + SAME_LENGTH):
        quats = _turned_quats(splats.quats, turn)
        log_scales = splats.log_scales + np.float32(np.log(lengths.mean()))
    else:
        quats, log_scales = _stretched(splats, linear)
    return replace(
        splats,
        means=(splats.means @ linear.T + matrix[:3, 3]).astype(np.float32),
        quats=quats,
        log_scales=log_scales,
        sh_rest=_turned_harmonics(splats.sh_rest, turn),
    )


def _turned_quats(
    quats: Float[np.ndarray, "n 4"], turn: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "n 4"]:
    """A mirroring leaves the same ellipsoid as the rotation that is its negative."""
    from scipy.spatial.transform import Rotation

    proper = turn * np.sign(np.linalg.det(turn))
    x, y, z, w = Rotation.from_matrix(proper).as_quat()
    product = np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])
    return (quats @ product.T.astype(np.float32)).astype(np.float32)


def _stretched(
    splats: Splats, linear: Float[np.ndarray, "3 3"]
) -> tuple[Float[np.ndarray, "n 4"], Float[np.ndarray, "n 3"]]:
    """Axes and lengths of the ellipsoids after a matrix that does not keep angles."""
    from scipy.spatial.transform import Rotation

    # Relative to the longest axis, so that tiny Gaussians do not underflow.
    longest = splats.log_scales.max(axis=1, keepdims=True).astype(np.float64)
    rotations = Rotation.from_quat(np.roll(splats.quats, -1, axis=1)).as_matrix()
    columns = linear @ rotations * np.exp(splats.log_scales - longest)[:, None, :]
    u, lengths, _ = np.linalg.svd(columns)
    u[:, :, 2] *= np.sign(np.linalg.det(u))[:, None]
    quats = np.roll(Rotation.from_matrix(u).as_quat(), 1, axis=1)
    smallest = np.finfo(np.float32).tiny
    return quats.astype(np.float32), (np.log(np.maximum(lengths, smallest)) + longest).astype(
        np.float32
    )


def _turned_harmonics(
    sh_rest: Float[np.ndarray, "n k 3"], turn: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "n k 3"]:
    """c'(d) = c(turn^-1 d), degree by degree."""
    directions = np.random.default_rng(0).normal(size=(16, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    before, after = harmonics(directions), harmonics(directions @ turn.T)
    result = np.empty_like(sh_rest)
    for band in BANDS:
        if band.stop > sh_rest.shape[1]:
            break
        mix = np.linalg.lstsq(after[:, band], before[:, band], rcond=None)[0].astype(np.float32)
        result[:, band] = mix @ sh_rest[:, band]
    return result


def harmonics(directions: Float[np.ndarray, "m 3"]) -> Float[np.ndarray, "m 15"]:
    """The harmonics of degrees 1 to 3 in unit directions."""
    x, y, z = directions.T
    xx, yy, zz = x * x, y * y, z * z
    first = 0.4886025119029199
    second = 1.0925484305920792, 0.31539156525252005, 0.5462742152960396
    third = 0.5900435899266435, 2.890611442640554, 0.4570457994644658, 0.3731763325901154
    return np.stack(
        [
            -first * y,
            first * z,
            -first * x,
            second[0] * x * y,
            -second[0] * y * z,
            second[1] * (2 * zz - xx - yy),
            -second[0] * x * z,
            second[2] * (xx - yy),
            -third[0] * y * (3 * xx - yy),
            third[1] * x * y * z,
            -third[2] * y * (4 * zz - xx - yy),
            third[3] * z * (2 * zz - 3 * xx - 3 * yy),
            -third[2] * x * (4 * zz - xx - yy),
            third[1] / 2 * z * (xx - yy),
            -third[0] * x * (xx - 3 * yy),
        ],
        axis=1,
    )
