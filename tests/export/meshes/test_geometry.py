"""Measures of geometry, where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh

from polyfield.datasets.mesh import make_mesh
from polyfield.datasets.procedural import procedural_scene, procedural_truth
from polyfield.export.meshes import Mesh
from polyfield.export.meshes.geometry import compare, truth_of_mesh, truth_of_procedural
from polyfield.export.meshes.implicit import Implicit
from polyfield.export.meshes.sparse_cubes import sparse_cubes

BALL = trimesh.creation.icosphere(subdivisions=4)
TRUTH = truth_of_mesh(make_mesh(5 * BALL.vertices + 1, BALL.faces))


def ball(radius: float) -> Mesh:
    vertices = 5 * radius * BALL.vertices + 1
    return Mesh(vertices.astype(np.float32), np.asarray(BALL.faces, np.int32))


def test_the_truth_itself_is_perfect() -> None:
    found = compare(ball(1.0), TRUTH, n=2000)
    assert found["f_score"] == 1.0
    assert found["chamfer"] < 1e-6


def test_a_larger_ball_is_off_by_what_it_is_larger() -> None:
    diagonal = TRUTH.diagonal
    assert diagonal == pytest.approx(10 * 3**0.5, rel=1e-6)
    found = compare(ball(1.02), TRUTH, n=2000)
    assert found["chamfer"] * diagonal == pytest.approx(0.1, rel=0.01)
    assert found["f_score"] == 1.0  # 0.1 of 0.173
    assert compare(ball(1.02), TRUTH, n=2000, share=0.005)["f_score"] == 0.0


def test_half_of_it_is_precise_and_half_complete() -> None:
    half = BALL.copy()
    half.update_faces(np.asarray(half.triangles_center)[:, 2] < 0)
    mesh = Mesh((5 * half.vertices + 1).astype(np.float32), np.asarray(half.faces, np.int32))
    found = compare(mesh, TRUTH, n=4000, share=1e-3)
    assert found["precision"] == 1.0
    assert found["recall"] == pytest.approx(0.5, abs=0.04)
    assert found["f_score"] == pytest.approx(2 / 3, abs=0.04)


def test_what_no_camera_saw_does_not_count() -> None:
    scene = procedural_scene(n_train=8, n_test=0, size=4)
    truth = procedural_truth(scene)

    def value(x: torch.Tensor) -> torch.Tensor:
        return -truth.signed_distance(x)

    box = np.array([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
    mesh = sparse_cubes(
        Implicit(value, box, lambda x, half: value(x).abs() <= half.norm(), bend=False), 96
    )
    everything = truth_of_procedural(truth)
    seen = truth_of_procedural(truth, scene.cameras.positions)
    assert compare(mesh, everything, n=4000)["f_score"] > 0.99
    # Without what lies below the disc half of it is missing, but only to those who know of it.
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    up = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] > 0
    above = Mesh(mesh.vertices, mesh.faces[up | (corners[:, :, 2].max(axis=1) > -0.52)])
    assert compare(above, everything, n=4000)["recall"] < 0.8
    assert compare(above, seen, n=4000)["f_score"] > 0.97
