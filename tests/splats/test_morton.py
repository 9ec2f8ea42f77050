"""The Morton order is that of interleaved bits, in the cube that the points span."""

from __future__ import annotations

import numpy as np

from polyfield.splats.morton import morton_order


def test_the_z_order_of_a_grid():
    """Bits of x, y, z interleaved, x the lowest."""
    cells = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    codes = sum(((cells[:, a] >> b & 1) << (3 * b + a)) for a in range(3) for b in range(2))
    shuffled = np.random.default_rng(0).permutation(len(cells))
    order = morton_order(cells[shuffled].astype(np.float32))
    # Four cells over the whole range of coordinates keep their order, not their distances.
    np.testing.assert_array_equal(codes[shuffled][order], np.arange(64))


def test_points_in_one_place_have_an_order() -> None:
    assert morton_order(np.ones((5, 3), np.float32)).tolist() == [0, 1, 2, 3, 4]
    assert len(morton_order(np.ones((0, 3), np.float32))) == 0


def test_one_scale_for_all_axes() -> None:
    """A flat box has its cells as wide as they are deep: what is thin is not cut finer."""
    points = np.array([[0, 0, 0], [3, 0, 0.4], [0.4, 0, 0.5], [2.9, 0, 0]], np.float32)
    assert morton_order(points).tolist() == [0, 2, 3, 1]
