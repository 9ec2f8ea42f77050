"""Charts: every triangle has a place of its own, and none is lost."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

from polyfield.errors import InputError
from polyfield.export.meshes import Mesh
from polyfield.export.meshes.atlas import PART, Atlas, atlas_of, parts_of
from polyfield.export.meshes.texture import best_size, corners_of, places_of, size_of
from polyfield.kernels.texels import texels_of


@pytest.fixture
def atlas(ball_mesh: Callable[..., Mesh]) -> Atlas:
    pytest.importorskip("xatlas")
    return atlas_of(ball_mesh(4))


def sorted_rows(values: np.ndarray) -> np.ndarray:
    return values[np.lexsort(values.T)]


def test_the_surface_stays_what_it_is(atlas: Atlas, ball_mesh: Callable[..., Mesh]) -> None:
    mesh = ball_mesh(4)
    whole = mesh.vertices[mesh.faces].reshape(-1, 9)
    cut = atlas.mesh.vertices[atlas.mesh.faces].reshape(-1, 9)
    # xatlas may begin a triangle at another corner, but never turns it round.
    turns = np.concatenate([np.roll(whole, 3 * k, axis=1) for k in range(3)])
    assert len(atlas.mesh) == len(mesh)
    assert {row.tobytes() for row in cut} <= {row.tobytes() for row in turns}
    assert len(np.unique(np.sort(cut.reshape(-1, 3, 3)[:, :, 0], axis=1), axis=0)) > 0
    np.testing.assert_array_equal(atlas.mesh.normals, atlas.mesh.vertices)
    np.testing.assert_allclose(
        sorted_rows(cut.reshape(-1, 3, 3).mean(axis=1).round(5)),
        sorted_rows(whole.reshape(-1, 3, 3).mean(axis=1).round(5)),
        atol=2e-5,
    )


def test_no_texel_is_of_two_triangles(atlas: Atlas) -> None:
    width, height = size_of(atlas, 700)
    corners = corners_of(atlas, (width, height))
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    covered = np.zeros((height, width), int)
    for triangle in corners:
        low = np.floor(triangle.min(axis=0)).astype(int).clip(0)
        high = np.ceil(triangle.max(axis=0)).astype(int)
        part = np.s_[low[1] : high[1], low[0] : high[0]]
        a, b, c = triangle
        signs = [
            (q[0] - p[0]) * (y[part] - p[1]) - (q[1] - p[1]) * (x[part] - p[0])
            for p, q in ((a, b), (b, c), (c, a))
        ]
        inside = (np.stack(signs) > 1e-9).all(axis=0) | (np.stack(signs) < -1e-9).all(axis=0)
        covered[part] += inside
    assert covered.max() == 1
    assert covered.mean() > 0.3
    assert atlas.uvs.min() >= 0
    assert atlas.uvs.max() <= 1


def test_texels_lie_on_the_surface(atlas: Atlas) -> None:
    shape = size_of(atlas, 256)
    texels = texels_of(corners_of(atlas, shape), shape)

    points, normals = places_of(atlas.mesh, texels, texels.face >= 0)

    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=5e-3)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    assert (np.einsum("pc,pc->p", points, normals) > 0.99).all()


def test_sharper_views_ask_for_larger_textures(atlas: Atlas, painted: object) -> None:
    cameras = painted.scene.cameras  # type: ignore[attr-defined]
    sizes = [best_size(atlas, cameras.scaled(factor)) for factor in (0.5, 4, 1000)]
    assert sizes[0] < sizes[1] < sizes[2] == 4096


def test_parts_are_small_and_whole(ball_mesh: Callable[..., Mesh]) -> None:
    mesh = ball_mesh(4)
    parts = parts_of(mesh)
    assert len(parts) > 1
    assert max(map(len, parts)) <= PART
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(mesh)))


def test_an_empty_mesh_and_a_missing_package_are_named(
    ball_mesh: Callable[..., Mesh], monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    monkeypatch.setitem(sys.modules, "xatlas", None)
    with pytest.raises(InputError, match=r"pip install 'polyfield\[mesh\]'"):
        atlas_of(ball_mesh())
    monkeypatch.undo()
    pytest.importorskip("xatlas")
    with pytest.raises(InputError, match="no triangles"):
        atlas_of(empty)


def test_flat_triangles_do_no_harm() -> None:
    pytest.importorskip("xatlas")
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 0, 0]], np.float32)
    flat = np.array([[0, 1, 2], [0, 1, 3], [1, 1, 1]], np.int32)

    atlas = atlas_of(Mesh(vertices, flat))

    assert len(atlas.mesh) == 3
    assert np.isfinite(atlas.uvs).all()
