"""What a camera sees of triangles, against rays cut with every one of them."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from polyfield.kernels.mesh_raster import Seen, mesh_raster

LENS, SIZE = (30.0, 34.0, 17.0, 11.0), (36, 24)
NEAR = 0.1


def pose_of(seed: int) -> np.ndarray:
    """A camera somewhere near the origin, looking anywhere."""
    rng = np.random.default_rng(seed)
    turn = trimesh.transformations.random_rotation_matrix(rng.random(3))[:3, :3]
    return np.concatenate([turn, rng.normal(size=(3, 1))], axis=1)


def reference(vertices: np.ndarray, faces: np.ndarray, pose: np.ndarray) -> Seen:
    """Rays of all pixel centres against all triangles, by solving for where they meet."""
    (fx, fy, cx, cy), (w, h) = LENS, SIZE
    x, y = np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5)
    rays = np.stack([(x - cx) / fx, (y - cy) / fy, np.ones_like(x)], axis=-1).reshape(-1, 1, 3)
    corners = (vertices @ pose[:, :3].T + pose[:, 3])[faces]
    a, b, c = (corners[:, k] for k in range(3))
    # z ray = a + u (b - a) + v (c - a)
    system = np.stack(np.broadcast_arrays(rays, a - b, a - c), axis=-1)
    solved = np.linalg.solve(system, np.broadcast_to(a, system.shape[:-1])[..., None])[..., 0]
    z, u, v = np.moveaxis(solved, -1, 0)
    met = (u >= 0) & (v >= 0) & (u + v <= 1) & (z >= NEAR)
    z = np.where(met, z, np.inf)
    face, pixel = z.argmin(axis=1), np.arange(w * h)
    hit = np.isfinite(z[pixel, face])
    u, v = u[pixel, face], v[pixel, face]
    return Seen(
        np.where(hit, face, -1).reshape(h, w),
        z[pixel, face].reshape(h, w),
        np.stack([1 - u - v, u], axis=-1).reshape(h, w, 2),
    )


@pytest.mark.parametrize("seed", range(6))
def test_it_equals_rays(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vertices = rng.normal(size=(40, 3)) * 2  # around the camera: many of them are behind it
    faces = rng.integers(0, 40, (30, 3))
    faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
    pose = pose_of(seed)

    seen = mesh_raster(vertices, faces, pose, LENS, SIZE, NEAR)

    expected = reference(vertices, faces, pose)
    assert (expected.face >= 0).mean() > 0.1
    np.testing.assert_array_equal(seen.face, expected.face)
    hit = expected.face >= 0
    np.testing.assert_allclose(seen.z_depth[hit], expected.z_depth[hit], rtol=1e-5)
    assert np.isinf(seen.z_depth[~hit]).all()
    np.testing.assert_allclose(seen.weights[hit], expected.weights[hit], atol=1e-5)


def test_a_closed_surface_has_no_cracks() -> None:
    ball = trimesh.creation.icosphere(subdivisions=4)
    pose = np.concatenate([np.eye(3), [[0.0], [0.0], [3.0]]], axis=1)

    seen = mesh_raster(ball.vertices, ball.faces, pose, (300.0, 300.0, 128.0, 128.0), (256, 256))

    x, y = np.meshgrid(np.arange(256) + 0.5, np.arange(256) + 0.5)
    inside = np.hypot(x - 128, y - 128) < 0.98 * 300 / np.sqrt(8)
    assert (seen.face[inside] >= 0).all()
    assert seen.z_depth.min() == pytest.approx(2, abs=1e-2)


@pytest.mark.parametrize("case", ["none", "flat", "behind", "nan"])
def test_what_cannot_be_seen_is_not(case: str) -> None:
    vertices = np.array([[-1.0, -1, 2], [1, -1, 2], [0, 1, 2]])
    faces = np.array([[0, 1, 2]])
    if case == "none":
        faces = np.zeros((0, 3), np.int32)
    elif case == "flat":
        vertices[2] = vertices[1]
    elif case == "behind":
        vertices[:, 2] = -2
    else:
        vertices[1] = np.nan

    seen = mesh_raster(vertices, faces, np.eye(3, 4), LENS, SIZE)

    assert (seen.face == -1).all()
    assert np.isinf(seen.z_depth).all()
