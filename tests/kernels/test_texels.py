"""What texels show, against the nearest point of every triangle."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from polyfield.kernels.texels import REACH, texels_of


def grid_of_triangles(rng: np.random.Generator) -> np.ndarray:
    """[m,3,2]: triangles that share no texel, one in each cell of 8 x 8."""
    cells = np.stack(np.meshgrid(np.arange(6), np.arange(5)), axis=-1).reshape(-1, 1, 2)
    return 8 * cells + 1.5 + 5 * rng.random((len(cells), 3, 2))


def reference(corners: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The nearest triangle of each texel's centre and its distance, both [h,w]."""
    w, h = size
    x, y = np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5)
    flat = np.pad(np.stack([x, y], axis=-1).reshape(-1, 2), ((0, 0), (0, 1)))
    solid = np.pad(corners, ((0, 0), (0, 0), (0, 1)))
    distances = []
    for triangle in solid:
        near = trimesh.triangles.closest_point(np.repeat(triangle[None], len(flat), axis=0), flat)
        distances.append(np.linalg.norm(near - flat, axis=1))
    stacked = np.stack(distances)
    return stacked.argmin(axis=0).reshape(h, w), stacked.min(axis=0).reshape(h, w)


@pytest.mark.parametrize("seed", range(3))
def test_each_shows_the_nearest_point_within_reach(seed: int) -> None:
    corners = grid_of_triangles(np.random.default_rng(seed))
    size = (50, 43)

    texels = texels_of(corners, size)

    nearest, distance = reference(corners, size)
    close = distance < REACH - 1e-6
    np.testing.assert_array_equal(texels.face[close], nearest[close])
    assert (texels.face[distance > REACH * 2**0.5 + 1e-6] == -1).all()
    face, b = texels.face[close], texels.weights[close]
    b = np.concatenate([b, 1 - b.sum(axis=1, keepdims=True)], axis=1)
    assert (b > -1e-6).all()
    rows, columns = np.nonzero(close)
    shown = np.einsum("pk,pkc->pc", b, corners[face])
    away = np.linalg.norm(shown - np.stack([columns + 0.5, rows + 0.5], axis=1), axis=1)
    np.testing.assert_allclose(away, distance[close], atol=1e-4)


def test_filtering_anywhere_in_a_triangle_finds_texels_that_show_something() -> None:
    rng = np.random.default_rng(0)
    corners = grid_of_triangles(rng)
    shown = texels_of(corners, (50, 43)).face >= 0
    b = rng.dirichlet(np.ones(3), (len(corners), 200))

    places = np.einsum("msk,mkc->msc", b, corners).reshape(-1, 2) - 0.5

    left, top = np.floor(places).astype(int).T
    for row in (top, top + 1):
        for column in (left, left + 1):
            assert shown[row, column].all()


def test_thin_and_flat_triangles_are_shown() -> None:
    line = np.array([[[2.0, 3.2], [9.0, 3.2], [5.0, 3.2]]])
    point = np.full((1, 3, 2), 6.9)

    shown = texels_of(np.concatenate([line, point]), (12, 10))

    assert set(shown.face[3, 2:9]) == {0}
    assert shown.face[6, 6] == 1
    assert np.isfinite(shown.weights).all()


def test_without_triangles_nothing_is_shown() -> None:
    assert (texels_of(np.zeros((0, 3, 2)), (4, 3)).face == -1).all()
