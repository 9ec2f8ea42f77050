"""A surface in another frame: where its corners lie, and which side is outside."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from polyfield.export.meshes import Mesh

BALL = trimesh.creation.icosphere(subdivisions=2)
NORMALS = (BALL.vertices / np.linalg.norm(BALL.vertices, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_transformed_surface_keeps_its_outside(mirrored: bool) -> None:
    turn = trimesh.transformations.random_rotation_matrix(np.array([0.3, 0.6, 0.1]))
    similarity = trimesh.transformations.translation_matrix([1.0, -2.0, 3.0]) @ turn
    similarity[:3, :3] *= 2.5
    if mirrored:
        similarity[:, 0] *= -1
    mesh = Mesh(BALL.vertices.astype(np.float32), BALL.faces.astype(np.int32), NORMALS)

    moved = mesh.transformed(similarity)

    assert moved.normals is not None
    outward = moved.vertices - np.array([1.0, -2.0, 3.0])
    np.testing.assert_allclose(moved.normals, outward / 2.5, atol=1e-5)
    volume = trimesh.Trimesh(moved.vertices, moved.faces, process=False).volume
    assert volume == pytest.approx(BALL.volume * 2.5**3, rel=1e-4)
    back = moved.transformed(np.linalg.inv(similarity))
    np.testing.assert_allclose(back.vertices, mesh.vertices, atol=1e-5)
    np.testing.assert_array_equal(back.faces, mesh.faces)
