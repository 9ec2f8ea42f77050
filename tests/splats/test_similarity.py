"""A turned scene looks the same from the turned camera."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from polyfield.errors import InputError
from polyfield.kernels.spherical_harmonics import spherical_harmonics
from polyfield.splats import Splats
from polyfield.splats.harmonics import harmonics
from polyfield.splats.similarity import harmonic_rotation, quat_of, transformed

ROTATIONS = [
    Rotation.identity(),
    *Rotation.random(5, random_state=0),
    Rotation.from_euler("x", 180, degrees=True),
    Rotation.from_euler("z", -90, degrees=True),
    Rotation.from_rotvec(np.pi * np.array([0.6, 0, 0.8])),
]


def directions(n: int = 200) -> np.ndarray:
    d = np.random.default_rng(1).normal(size=(n, 3))
    return d / np.linalg.norm(d, axis=1, keepdims=True)


def covariances(splats: Splats) -> np.ndarray:
    """[n,3,3] in float64."""
    axes = Rotation.from_quat(np.roll(splats.quats.astype(np.float64), -1, axis=1)).as_matrix()
    scaled = axes * np.exp(splats.log_scales.astype(np.float64))[:, None, :]
    return scaled @ scaled.transpose(0, 2, 1)


def test_harmonics_are_those_of_the_renderers() -> None:
    d = directions()
    ours = harmonics(d)
    theirs = spherical_harmonics(torch.from_numpy(d), 3).numpy()[:, 1:]
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("rotation", ROTATIONS)
def test_colours_shapes_and_places_turn(
    gaussians: Callable, rotation: Rotation, degree: int
) -> None:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = 2.5 * rotation.as_matrix(), [1, -2, 3]
    old = gaussians(40, degree)
    new = transformed(old, matrix)
    np.testing.assert_allclose(new.means, 2.5 * rotation.apply(old.means) + [1, -2, 3], atol=1e-5)
    turn = 2.5 * rotation.as_matrix()
    expected = turn @ covariances(old) @ turn.T
    np.testing.assert_allclose(covariances(new), expected, atol=1e-5 * expected.max())
    d, k = directions(), old.sh_rest.shape[1]
    before = np.einsum("mk,nkc->mnc", harmonics(d)[:, :k], old.sh_rest)
    after = np.einsum("mk,nkc->mnc", harmonics(rotation.apply(d))[:, :k], new.sh_rest)
    np.testing.assert_allclose(after, before, atol=1e-5)
    np.testing.assert_array_equal(new.sh_dc, old.sh_dc)
    np.testing.assert_array_equal(new.opacity_logits, old.opacity_logits)


def test_the_matrices_are_a_representation() -> None:
    a, b = ROTATIONS[1], ROTATIONS[2]
    left, right = (harmonic_rotation(r.as_matrix()) for r in (a, b))
    both = harmonic_rotation((a * b).as_matrix())
    np.testing.assert_allclose(both, left @ right, atol=1e-12)
    np.testing.assert_allclose(left @ left.T, np.eye(15), atol=1e-12)


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_quaternions_of_matrices(rotation: Rotation) -> None:
    w, *xyz = quat_of(rotation.as_matrix())
    apart = Rotation.from_quat([*xyz, w]) * rotation.inv()
    assert apart.magnitude() < 1e-7


def test_back_and_forth(gaussians: Callable) -> None:
    matrix = np.eye(4)
    matrix[:3, :3] = 0.1 * ROTATIONS[3].as_matrix()
    old = gaussians(30, 3)
    back = transformed(transformed(old, matrix), np.linalg.inv(matrix))
    for name in ("means", "quats", "log_scales", "sh_rest"):
        apart = np.abs(getattr(back, name) - getattr(old, name))
        if name == "quats":  # either sign
            apart = np.minimum(apart, np.abs(back.quats + old.quats))
        assert apart.max() < 1e-5, name


@pytest.mark.parametrize(
    "matrix",
    [
        np.diag([1, 1, -1, 1]),
        np.diag([1, 2, 1, 1]),
        np.zeros((4, 4)),
        np.diag([1, 1, 1, 2]),
        np.full((4, 4), np.nan),
        np.eye(3),
    ],
)
def test_other_matrices_are_refused(gaussians: Callable, matrix: np.ndarray) -> None:
    with pytest.raises(InputError, match="similarity"):
        transformed(gaussians(), matrix)
