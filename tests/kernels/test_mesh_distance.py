"""Distances and winding numbers of meshes: against all triangles one by one, and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from polyfield.kernels.mesh_distance import (
    mesh_distance,
    mesh_distance_reference,
    signed_distance,
    winding_number,
    winding_number_reference,
)
from polyfield.kernels.mesh_tree import build_tree


def soup(m: int, seed: int = 0, size: float = 0.3) -> np.ndarray:
    """[m, 3, 3] random triangles."""
    random = np.random.default_rng(seed)
    return random.uniform(-1, 1, (m, 1, 3)) + size * random.normal(size=(m, 3, 3))


def ball(subdivisions: int = 3) -> np.ndarray:
    return np.array(trimesh.creation.icosphere(subdivisions=subdivisions).triangles)


def places(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1.5, 1.5, (n, 3))


@pytest.mark.parametrize("m", [1, 2, 5, 6, 7, 100, 1000])
def test_distances_are_those_to_all_triangles(m: int) -> None:
    triangles, points = soup(m), places(200)
    found = mesh_distance(build_tree(triangles), points)
    np.testing.assert_allclose(found, mesh_distance_reference(triangles, points), atol=1e-12)


def test_degenerate_triangles_are_segments_and_points() -> None:
    triangles = soup(40)
    triangles[:20, 2] = triangles[:20, 1]
    triangles[20:30] = triangles[20:30, :1]
    points = places(200)
    found = mesh_distance(build_tree(triangles), points)
    np.testing.assert_allclose(found, mesh_distance_reference(triangles, points), atol=1e-9)
    assert np.isfinite(winding_number(build_tree(triangles), points)).all()


def test_corners_edges_and_faces_are_at_distance_zero() -> None:
    triangles = soup(50)
    tree = build_tree(triangles)
    weights = np.random.default_rng(0).dirichlet(np.ones(3), 50)
    inner = np.einsum("mk,mkd->md", weights, triangles)
    for on in (triangles.reshape(-1, 3), triangles.mean(axis=1), inner):
        assert mesh_distance(tree, on).max() < 1e-7


def test_a_ball_has_the_distance_of_a_ball() -> None:
    points = places(2000)
    found = signed_distance(build_tree(ball(4)), points)
    np.testing.assert_allclose(found, np.linalg.norm(points, axis=1) - 1, atol=3e-3)


@pytest.mark.parametrize("triangles", [soup(300), ball(2)], ids=["soup", "ball"])
def test_winding_numbers_are_sums_of_solid_angles(triangles: np.ndarray) -> None:
    tree, points = build_tree(triangles), places(300)
    truth = winding_number_reference(triangles, points)
    np.testing.assert_allclose(winding_number(tree, points, beta=np.inf), truth, atol=1e-10)
    error = {beta: np.abs(winding_number(tree, points, beta) - truth).max() for beta in (2, 4, 8)}
    assert error[2] < 0.06
    assert error[8] <= error[4] <= error[2]
    # What is left out is of second order in radius over distance, and r^2 / l^2 < 1 / beta^2.
    assert error[8] < 2e-3


def test_what_a_far_node_leaves_out_falls_with_the_fourth_power_of_distance() -> None:
    triangles = soup(40)
    tree = build_tree(triangles)
    away = np.random.default_rng(2).normal(size=(200, 3))
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    errors = []
    for distance in (20, 40):
        truth = winding_number_reference(triangles, distance * away)
        errors.append(np.abs(winding_number(tree, distance * away, beta=0.0) - truth).mean())
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.15)  # 8 without the first moment


def test_a_closed_mesh_winds_once_inside_and_a_turned_one_backwards() -> None:
    points = places(1000)
    radius = np.linalg.norm(points, axis=1)
    found = winding_number(build_tree(ball()), points)
    away = np.abs(radius - 1) > 0.05
    np.testing.assert_allclose(found[away], (radius < 1)[away], atol=0.05)
    turned = winding_number(build_tree(ball()[:, ::-1]), points)
    np.testing.assert_allclose(turned, -found, atol=1e-12)


def test_a_hole_does_not_turn_the_inside_out() -> None:
    triangles = ball()
    open_ball = triangles[triangles.mean(axis=1)[:, 2] > -0.85]
    assert len(open_ball) < len(triangles)
    points = places(1000)
    radius = np.linalg.norm(points, axis=1)
    clear = (np.abs(radius - 1) > 0.05) & (points[:, 2] > -0.6)
    found = winding_number(build_tree(open_ball), points) > 0.5
    np.testing.assert_array_equal(found[clear], radius[clear] < 1)


def test_no_points_have_no_distances() -> None:
    tree = build_tree(ball(0))
    assert signed_distance(tree, np.zeros((0, 3))).shape == (0,)
