"""Learned rotations: they stay rotations, and are moved in the tangent space."""

from __future__ import annotations

import math

import pytest
import torch

from polyfield.errors import InputError
from polyfield.fields.rotations import Rotations, random_rotations, skew


def assert_rotations(matrices: torch.Tensor, tolerance: float) -> None:
    d = matrices.shape[-1]
    gram = matrices.transpose(1, 2) @ matrices
    assert float((gram - torch.eye(d)).abs().max()) < tolerance
    torch.testing.assert_close(torch.linalg.det(matrices), torch.ones(len(matrices)))


@pytest.mark.parametrize("d", [2, 3])
def test_random_rotations_are_uniform(d: int) -> None:
    """Of a uniform rotation every entry has mean 0 and mean square 1 / d."""
    found = random_rotations(20000, d, torch.Generator().manual_seed(0))
    assert_rotations(found, 1e-5)
    assert float(found.mean(dim=0).abs().max()) < 0.02
    assert float((found.square().mean(dim=0) - 1 / d).abs().max()) < 0.02


@pytest.mark.parametrize("d", [2, 3])
def test_they_stay_on_the_manifold_after_ten_thousand_steps(d: int) -> None:
    generator = torch.Generator().manual_seed(0)
    rotations = Rotations(4, d, generator=generator)
    for _ in range(10_000):
        with torch.no_grad():
            rotations.delta.copy_(0.05 * torch.randn(rotations.delta.shape, generator=generator))
        rotations.fold()
    assert not rotations.delta.any()
    assert_rotations(rotations.base, 2e-6)


def test_folding_changes_nothing_that_is_seen() -> None:
    rotations = Rotations(3, 3, reach=1.5)
    torch.nn.init.normal_(rotations.delta)
    before = rotations.frames().detach()
    rotations.fold()
    torch.testing.assert_close(rotations.frames(), before, rtol=0, atol=1e-5)
    torch.testing.assert_close(before, rotations.base / 1.5, rtol=0, atol=1e-5)


def test_gradient_descent_in_the_tangent_space_finds_a_rotation() -> None:
    generator = torch.Generator().manual_seed(3)
    goal = random_rotations(5, 3, generator)
    rotations = Rotations(5, 3, generator=generator)
    optimizer = torch.optim.Adam([rotations.delta], lr=0.05)
    for _ in range(400):
        rotations.fold()
        optimizer.zero_grad()
        (rotations.matrices() - goal).square().sum().backward()
        optimizer.step()
    assert float((rotations.matrices() - goal).abs().max()) < 1e-2


def test_a_mean_of_rotations_is_one_that_lags_behind_as_a_mean_of_angles_does() -> None:
    """Turning steadily in the plane, through folds that move the tangents' origin."""
    turning, step, decay = Rotations(1, 2), 0.02, 0.8
    turning.set(torch.eye(2)[None])
    mean = {name: tensor.detach().clone() for name, tensor in turning.averaged().items()}
    angle = 0.0
    for i in range(1, 40):
        turning.fold()
        with torch.no_grad():
            turning.delta.fill_(step)
        turning.average_into(mean, 1 - decay)
        angle += (1 - decay) * (i * step - angle)
        c, s = math.cos(angle), math.sin(angle)
        expected = torch.tensor([[[c, s], [-s, c]]])
        torch.testing.assert_close(mean["base"], expected, rtol=0, atol=1e-3)
        assert not mean["delta"].any()
        torch.testing.assert_close(mean["base"] @ mean["base"].mT, torch.eye(2)[None])


def test_time_is_not_turned() -> None:
    frames = Rotations(2, 4).frames()
    assert torch.equal(frames[:, 3, :], torch.tensor([[0.0, 0, 0, 1]]).expand(2, 4))
    assert torch.equal(frames[:, :, 3], frames[:, 3, :])


def test_skew_is_antisymmetric_and_takes_all_entries() -> None:
    matrix = skew(torch.tensor([[1.0, 2, 3]]), 3)[0]
    assert torch.equal(matrix, -matrix.T)
    assert matrix[0, 1] == 1
    assert matrix[0, 2] == 2
    assert matrix[1, 2] == 3


@pytest.mark.parametrize("settings", [{"in_dim": 1}, {"t": 0}, {"reach": 9.0}])
def test_what_cannot_be_turned_is_refused(settings: dict) -> None:
    with pytest.raises(InputError, match=r"field\."):
        Rotations(**({"t": 2, "in_dim": 3} | settings))
