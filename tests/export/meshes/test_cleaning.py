"""What is left of a mesh."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from polyfield.errors import InputError
from polyfield.export.meshes import Mesh, cleaning
from polyfield.export.meshes.open3d_found import obstacle
from polyfield.export.meshes.sparse_cubes import sparse_cubes


def mesh_of(made: trimesh.Trimesh) -> Mesh:
    return Mesh(np.asarray(made.vertices, np.float32), np.asarray(made.faces, np.int32))


def ball(x: float, radius: float, subdivisions: int = 3) -> trimesh.Trimesh:
    made = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return made.apply_translation([x, 0, 0])


def test_small_parts_are_left_out() -> None:
    both = mesh_of(trimesh.util.concatenate([ball(0, 1), ball(3, 0.1, 1)]))
    kept, removed = cleaning.without_small(both, 0.1)
    assert (len(kept), removed) == (1280, 1)
    assert kept.vertices[:, 0].max() < 1.1
    assert cleaning.is_watertight(kept)
    assert cleaning.without_small(both, 0.0) == (both, 0)
    only, removed = cleaning.without_small(both, 1.0)
    assert (len(only), removed) == (1280, 1)


def test_attributes_stay_with_their_vertices() -> None:
    both = mesh_of(trimesh.util.concatenate([ball(3, 0.1, 1), ball(0, 1)]))
    colors = np.linspace(0, 1, len(both.vertices), dtype=np.float32)[:, None].repeat(3, axis=1)
    kept, _ = cleaning.without_small(Mesh(both.vertices, both.faces, both.vertices, colors), 0.1)
    at = {tuple(v): c for v, c in zip(both.vertices.tolist(), colors.tolist())}
    assert kept.normals is not None
    assert kept.colors is not None
    np.testing.assert_array_equal(kept.normals, kept.vertices)
    assert [at[tuple(v)] for v in kept.vertices.tolist()] == kept.colors.tolist()


def test_holes_are_closed() -> None:
    made = ball(0, 1)
    made.update_faces(np.asarray(made.triangles_center)[:, 2] < 0.8)
    holed = mesh_of(made)
    assert not cleaning.is_watertight(holed)
    closed = sparse_cubes(cleaning.around(holed, 48), 48)
    assert cleaning.is_watertight(closed)
    low = closed.vertices[closed.vertices[:, 2] < 0.5]
    assert np.abs(np.linalg.norm(low, axis=1) - 1).max() < 0.05
    assert 0.7 < closed.vertices[:, 2].max() < 1.05


def test_fewer_triangles() -> None:
    if (reason := obstacle()) is not None:
        pytest.skip(f"Open3D {reason}")
    given = mesh_of(ball(0, 1, 5))
    made = cleaning.decimated(given, 1000)
    assert 900 <= len(made) <= 1000
    assert np.abs(np.linalg.norm(made.vertices, axis=1) - 1).max() < 0.02
    assert cleaning.decimated(made, 5000) is made
    with pytest.raises(InputError, match="faces: found 3, expected 4 or more"):
        cleaning.decimated(given, 3)
