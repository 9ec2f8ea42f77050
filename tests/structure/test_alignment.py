"""A similarity is undone, a reflection is not, and what remains is counted."""

from __future__ import annotations

import numpy as np
import pytest

from polyfield.cameras.similarity import random_rotation
from polyfield.structure.alignment import aligned, pose_errors

POINTS = np.random.default_rng(0).normal(size=(9, 3))


@pytest.mark.parametrize("seed", range(4))
def test_similarities_are_undone(seed: int) -> None:
    moved = 0.3 * POINTS @ random_rotation(seed).numpy().T + [1.0, 2.0, -3.0]
    np.testing.assert_allclose(aligned(moved, POINTS), POINTS, atol=1e-12)
    assert pose_errors(moved, POINTS).max() < 1e-12


def test_mirrored_points_stay_apart() -> None:
    assert pose_errors(POINTS * [1, 1, -1], POINTS).mean() > 0.05


def test_errors_are_in_extents() -> None:
    draw = np.random.default_rng(1)
    truth = draw.uniform(size=(4000, 3))
    found = pose_errors(7 * (truth + draw.normal(scale=1e-3, size=truth.shape)), 5 * truth)
    mean = 2 * np.sqrt(2 / np.pi) * 1e-3  # of a length that is normal in three directions
    assert found.mean() == pytest.approx(mean / np.sqrt(3), rel=0.05)
