"""Spherical harmonics: an orthonormal basis, the same from both twins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from polyfield.errors import InputError
from polyfield.kernels.spherical_harmonics import (
    MAX_DEGREE,
    spherical_harmonics,
    spherical_harmonics_reference,
)


def quadrature() -> tuple[Tensor, Tensor]:
    """Directions and weights that integrate polynomials up to degree 9 exactly over the sphere."""
    z, weight = np.polynomial.legendre.leggauss(6)
    around = 2 * np.pi * np.arange(12) / 12
    r = np.sqrt(1 - z**2)
    directions = np.stack(
        [np.outer(r, np.cos(around)), np.outer(r, np.sin(around)), np.outer(z, np.ones(12))], -1
    )
    weights = np.outer(weight, np.full(12, 2 * np.pi / 12))
    return torch.from_numpy(directions.reshape(-1, 3)), torch.from_numpy(weights.ravel())


def random_directions(n: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(x, dim=-1)


def test_the_harmonics_are_orthonormal() -> None:
    directions, weights = quadrature()
    assert float(weights.sum()) == pytest.approx(4 * np.pi)
    values = spherical_harmonics(directions, MAX_DEGREE)
    products = values.T @ (weights[:, None] * values)
    identity = torch.eye((MAX_DEGREE + 1) ** 2, dtype=torch.float64)
    torch.testing.assert_close(products, identity, rtol=0, atol=1e-12)


def test_a_band_is_closed_under_rotation() -> None:
    """What sorts harmonics into degrees: a rotated one is a mixture of those of its own degree."""
    directions, weights = quadrature()
    rotation = torch.linalg.qr(random_directions(3))[0]
    values = spherical_harmonics(directions, MAX_DEGREE)
    rotated = spherical_harmonics(directions @ rotation.T, MAX_DEGREE)
    mixture = values.T @ (weights[:, None] * rotated)
    for degree in range(MAX_DEGREE + 1):
        band = slice(degree**2, (degree + 1) ** 2)
        outside = mixture[:, band].clone()
        outside[band] = 0
        assert outside.abs().max() < 1e-12


@pytest.mark.parametrize("degree", range(MAX_DEGREE + 1))
def test_twins_agree_and_lower_degrees_come_first(degree: int) -> None:
    directions = random_directions(100)
    values = spherical_harmonics(directions, degree)
    assert values.shape == (100, (degree + 1) ** 2)
    right = spherical_harmonics_reference(directions, degree)
    torch.testing.assert_close(values, right, rtol=0, atol=1e-14)
    all_of_them = spherical_harmonics(directions, MAX_DEGREE)
    torch.testing.assert_close(values, all_of_them[:, : values.shape[1]], rtol=0, atol=1e-14)


def test_the_first_four_in_the_order_and_sign_of_graphics() -> None:
    """1, -y, z, -x up to a constant: what splat files store."""
    x, y, z = random_directions(5).T
    values = spherical_harmonics(torch.stack([x, y, z], -1), 1)
    constants = np.sqrt(1 / (4 * np.pi)), np.sqrt(3 / (4 * np.pi))
    right = torch.stack([torch.ones_like(x), -y, z, -x], -1) * torch.tensor(
        [constants[0], *[constants[1]] * 3]
    )
    torch.testing.assert_close(values, right, rtol=0, atol=1e-12)


def test_directions_are_differentiated_twice() -> None:
    directions = random_directions(4).requires_grad_()
    assert torch.autograd.gradcheck(lambda d: spherical_harmonics(d, 4), directions)
    assert torch.autograd.gradgradcheck(lambda d: spherical_harmonics(d, 4), directions)


def test_strided_empty_and_single_precision_directions() -> None:
    directions = random_directions(20)
    right = spherical_harmonics(directions, 2)
    assert torch.equal(spherical_harmonics(directions.T.contiguous().T, 2), right)
    assert torch.equal(spherical_harmonics(directions[::2], 2), right[::2])
    assert spherical_harmonics(directions[:0], 2).shape == (0, 9)
    single = spherical_harmonics(directions.float(), 2)
    torch.testing.assert_close(single, right.float(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("degree", [-1, MAX_DEGREE + 1])
def test_other_degrees_are_refused(degree: int) -> None:
    with pytest.raises(InputError, match="degree: found"):
        spherical_harmonics(random_directions(2), degree)
