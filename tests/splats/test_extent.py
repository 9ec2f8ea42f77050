"""The box of most Gaussians."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from polyfield.splats import Splats
from polyfield.splats.extent import robust_box


def cube(n: int) -> Splats:
    """n Gaussians evenly in [0,1]^3."""
    means = np.random.default_rng(0).uniform(size=(n, 3))
    return Splats(means, *(np.ones(s) for s in ((n, 4), (n, 3), n, (n, 3), (n, 0, 3))))


def test_strays_and_what_is_transparent_do_not_count() -> None:
    splats = cube(4000)
    low, high = robust_box(splats, share=0.05)
    np.testing.assert_allclose(low, 0.05, atol=0.02)
    np.testing.assert_allclose(high, 0.95, atol=0.02)
    means, logits = splats.means.copy(), splats.opacity_logits.copy()
    means[:40] = 1e6
    means[40:2000] += 100
    logits[40:2000] = -20
    low, high = robust_box(replace(splats, means=means, opacity_logits=logits))
    assert (np.abs(low - 0.05) < 0.04).all()
    assert (high < 1).all()


def test_it_moves_with_the_gaussians() -> None:
    splats = cube(100)
    moved = replace(splats, means=3 * splats.means + np.float32([1, 2, 3]))
    np.testing.assert_allclose(robust_box(moved), 3 * robust_box(splats) + [1, 2, 3], rtol=1e-5)


def test_of_one_gaussian_it_is_a_point() -> None:
    low, high = robust_box(cube(1))
    np.testing.assert_array_equal(low, high)
