"""Gaussians of meshes lie in the surface, flat, and have its colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from polyfield.cameras.poses import rotation_from_quaternion
from polyfield.errors import InputError
from polyfield.splats.splats import SH0
from polyfield.training.seeds import gaussians_from_mesh, gaussians_from_mesh_file
from polyfield.training.seeds.surface import quaternion_to


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_quaternions_take_z_to_the_normal() -> None:
    normals = np.random.default_rng(0).normal(size=(200, 3))
    normals = np.concatenate([normals, np.eye(3), -np.eye(3), [[1e-6, 0, -1]]])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    q = quaternion_to(normals)
    np.testing.assert_allclose(np.linalg.norm(q, axis=1), 1)
    R = rotation_from_quaternion(torch.from_numpy(q)).numpy()
    np.testing.assert_allclose(R[:, :, 2], normals, atol=1e-6)


def test_gaussians_lie_flat_in_the_surface() -> None:
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=2.0)
    seeds = gaussians_from_mesh(sphere.vertices, sphere.faces, 4000, generator())
    radius = seeds["means"].norm(dim=1)
    assert radius.min() > 1.98
    assert radius.max() <= 2.0001
    normal = rotation_from_quaternion(seeds["quats"])[:, :, 2]
    assert ((normal * seeds["means"] / radius[:, None]).sum(dim=1) > 0.99).all()
    scales = seeds["log_scales"].exp()
    spacing = (4 * np.pi * 4 / 4000) ** 0.5
    assert (scales[:, 0] / spacing).mean().item() == pytest.approx(0.73, rel=0.01)
    torch.testing.assert_close(scales[:, 2], 0.1 * scales[:, 0])
    assert seeds["means"].mean(dim=0).abs().max() < 0.1  # as many on every side


def test_large_triangles_get_more() -> None:
    vertices = np.array([[0, 0, 0], [3, 0, 0], [0, 1, 0], [0, 0, 5], [1, 0, 5], [0, 1, 5.0]])
    seeds = gaussians_from_mesh(vertices, [[0, 1, 2], [3, 4, 5]], 8000, generator())
    low = seeds["means"][:, 2] < 1
    assert low.float().mean().item() == pytest.approx(0.75, abs=0.02)
    middle = seeds["means"][low].mean(dim=0)
    torch.testing.assert_close(middle, torch.tensor([1.0, 1 / 3, 0]), atol=0.03, rtol=0)


def test_colours_of_vertices_and_of_faces(tmp_path: Path) -> None:
    box = trimesh.creation.box()
    ramp = (box.vertices + 0.5).clip(0, 1)
    seeds = gaussians_from_mesh(box.vertices, box.faces, 500, generator(), colors=ramp)
    rgb = 0.5 + SH0 * seeds["sh_dc"]
    torch.testing.assert_close(rgb, seeds["means"] + 0.5, atol=1e-5, rtol=0)
    faces = np.where(box.face_normals[:, 2:] > 0.5, [[1.0, 0, 0]], [[0, 0, 1.0]])
    box.visual.face_colors = (faces * 255).astype(np.uint8)
    box.export(tmp_path / "box.ply")
    for seeds in (
        gaussians_from_mesh(box.vertices, box.faces, 500, generator(), colors=faces),
        gaussians_from_mesh_file(tmp_path / "box.ply", 500, generator()),
    ):
        red = (0.5 + SH0 * seeds["sh_dc"])[:, 0] > 0.5
        assert torch.equal(red, seeds["means"][:, 2] > 0.4999)


def test_a_file_is_moved_into_the_scene(tmp_path: Path) -> None:
    trimesh.creation.box().export(tmp_path / "box.obj")
    world_from_source = torch.diag(torch.tensor([2.0, 2, 2, 1], dtype=torch.float64))
    world_from_source[:3, 3] = torch.tensor([10, 0, 0])
    seeds = gaussians_from_mesh_file(
        tmp_path / "box.obj", 300, generator(), world_from_source=world_from_source
    )
    low, high = seeds["means"].amin(dim=0), seeds["means"].amax(dim=0)
    torch.testing.assert_close(low, torch.tensor([9.0, -1, -1]), atol=0.05, rtol=0)
    torch.testing.assert_close(high, torch.tensor([11.0, 1, 1]), atol=0.05, rtol=0)
    assert not seeds["sh_dc"].any() or (0.5 + SH0 * seeds["sh_dc"]).isfinite().all()


def test_a_file_may_be_a_cloud(tmp_path: Path) -> None:
    points = np.random.default_rng(0).random((50, 3))
    colors = np.tile(np.array([[255, 0, 51]], np.uint8), (50, 1))
    trimesh.PointCloud(points, colors).export(tmp_path / "cloud.ply")
    seeds = gaussians_from_mesh_file(tmp_path / "cloud.ply", 100, generator())
    np.testing.assert_allclose(seeds["means"].numpy(), points, atol=1e-6)
    rgb = 0.5 + SH0 * seeds["sh_dc"]
    torch.testing.assert_close(rgb, torch.tensor([1.0, 0, 0.2]).expand(50, 3))


def test_what_is_no_mesh_is_refused(tmp_path: Path) -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, np.nan, 0]])
    with pytest.raises(InputError, match="vertex 2"):
        gaussians_from_mesh(vertices, np.array([[0, 1, 2]]), 10, generator())
    with pytest.raises(InputError, match="no area"):
        gaussians_from_mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]), 10, generator())
    with pytest.raises(InputError, match="count"):
        gaussians_from_mesh(np.eye(3), np.array([[0, 1, 2]]), 0, generator())
    with pytest.raises(InputError, match="colors"):
        gaussians_from_mesh(
            np.eye(3), np.array([[0, 1, 2]]), 3, generator(), colors=np.zeros((2, 3))
        )
    (tmp_path / "broken.ply").write_bytes(b"ply\nnonsense")
    with pytest.raises(InputError, match=r"broken\.ply"):
        gaussians_from_mesh_file(tmp_path / "broken.ply", 10, generator())
    with pytest.raises(InputError, match=r"absent\.ply"):
        gaussians_from_mesh_file(tmp_path / "absent.ply", 10, generator())
