"""Similarities are what they were made of, and nothing else passes for one."""

from __future__ import annotations

import pytest
import torch

from polyfield.cameras.poses import rotation_from_axis_angle
from polyfield.cameras.similarity import apply_similarity, random_rotation, split_similarity
from polyfield.errors import InputError


def test_similarities_split_into_what_they_were_made_of() -> None:
    rotation = rotation_from_axis_angle(torch.tensor([0.1, 2.0, -0.4], dtype=torch.float64))
    shift = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3], matrix[:3, 3] = 0.25 * rotation, shift
    scale, again, translation = split_similarity(matrix)
    assert scale == pytest.approx(0.25)
    assert torch.allclose(again, rotation)
    assert torch.equal(translation, shift)
    points = torch.randn(6, 3, dtype=torch.float64)
    expected = 0.25 * points @ rotation.T + shift
    assert torch.allclose(apply_similarity(matrix, points), expected)


@pytest.mark.parametrize(
    "diagonal", [(-1.0, 1.0, 1.0), (1.0, 1.0, 1.1), (1.0, 0.0, 1.0), (1.0, float("nan"), 1.0)]
)
def test_what_mirrors_flattens_or_stretches_is_refused(diagonal: tuple[float, ...]) -> None:
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3] = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    with pytest.raises(InputError, match="one scale above 0"):
        split_similarity(matrix)


def test_a_seed_is_a_rotation() -> None:
    R, again, other = (random_rotation(seed) for seed in (3, 3, 2**32 - 1))
    torch.testing.assert_close(R @ R.T, torch.eye(3).double())
    assert float(torch.linalg.det(R)) == pytest.approx(1)
    assert torch.equal(R, again)
    assert not torch.allclose(R, other)
    for seed in (-1, 2**32):
        with pytest.raises(InputError, match=rf"^x\.y: found {seed}, expected a seed from 0 to"):
            random_rotation(seed, "x.y")
