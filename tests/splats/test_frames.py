"""A turned, scaled, mirrored or stretched scene looks the same from where the camera is then."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from polyfield.errors import InputError
from polyfield.kernels.spherical_harmonics import spherical_harmonics
from polyfield.splats import Splats
from polyfield.splats.cleaning import clean
from polyfield.splats.frames import flipped, rdf_from, transformed
from polyfield.splats.harmonics import harmonic_rotation, harmonics

NAMES = ("means", "quats", "log_scales", "opacity_logits", "sh_dc", "sh_rest")
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


@pytest.mark.parametrize(
    "scales", [(1, 1, 1), (1, 1, 1 + 1e-7), (1, 2, 0.3), (-1, 1, 1), (1, -0.5, 2)], ids=str
)
def test_any_affine_matrix(gaussians: Callable, scales: tuple) -> None:
    """Covariance A S A^T, centres A x + t, colours seen from turned directions."""
    splats = gaussians(30, 3)
    turn, matrix = ROTATIONS[3].as_matrix(), np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn * scales, [5, -6, 7]
    moved, linear = transformed(splats, matrix), matrix[:3, :3]
    np.testing.assert_allclose(moved.means, splats.means @ linear.T + [5, -6, 7], atol=1e-5)
    expected = linear @ covariances(splats) @ linear.T
    sizes = np.abs(expected).max(axis=(1, 2), keepdims=True)
    assert (np.abs(covariances(moved) - expected) < 1e-5 * sizes).all()
    d, orthogonal = directions(), turn * np.sign(scales)
    after = harmonics(d @ orthogonal.T) @ moved.sh_rest
    np.testing.assert_allclose(after, harmonics(d) @ splats.sh_rest, atol=1e-5)


@pytest.mark.parametrize("frame", ["RUB", "LUF", "RUF", "LDB"])
def test_axes_that_turn_around_are_such_a_matrix(gaussians: Callable, frame: str) -> None:
    splats, matrix = gaussians(20, 3), np.eye(4)
    matrix[:3, :3] = rdf_from(frame)
    direct = flipped(splats, tuple(np.diag(rdf_from(frame)).astype(int)))
    general = transformed(splats, matrix)
    np.testing.assert_array_equal(direct.means, general.means)
    np.testing.assert_allclose(covariances(direct), covariances(general), rtol=1e-3, atol=1e-9)
    np.testing.assert_allclose(direct.sh_rest, general.sh_rest, atol=1e-6)
    again = flipped(direct, tuple(np.diag(rdf_from(frame)).astype(int)))
    np.testing.assert_array_equal(again.sh_rest, splats.sh_rest)


@pytest.mark.parametrize("stretch", [1.0, 3.0])
def test_what_cleaning_drops_is_dropped_in_any_frame(gaussians: Callable, stretch: float) -> None:
    splats = gaussians(9, 1)
    splats.means[0], splats.quats[1], splats.quats[2, 1] = np.nan, 0, np.inf
    splats.log_scales[3, 2], splats.log_scales[4, 0] = np.inf, -np.inf
    new = transformed(splats, np.diag([1, stretch, 1, 1]))
    assert clean(new).dropped == {"not finite": 3, "without rotation": 1}
    rows = [*range(5, 9)]
    alone = transformed(Splats(**{**vars(splats), **{n: getattr(splats, n)[rows] for n in NAMES}}),
                        np.diag([1, stretch, 1, 1]))  # fmt: skip
    for name in NAMES:
        np.testing.assert_allclose(getattr(new, name)[rows], getattr(alone, name), atol=1e-6)


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
        np.diag([1, 1, 0, 1]),
        np.diag([1, 1, 1e-13, 1]),
        np.diag([0, 0, 0, 1]),
        np.diag([1, 1, 1, 2]),
        np.full((4, 4), np.nan),
        np.eye(3),
    ],
)
def test_other_matrices_are_refused(gaussians: Callable, matrix: np.ndarray) -> None:
    with pytest.raises(InputError, match="transformation"):
        transformed(gaussians(), matrix)
