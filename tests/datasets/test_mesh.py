"""Meshes: where they are placed, what is inside, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh

from polyfield.datasets.mesh import DIAGONAL, Mesh, load_mesh, make_mesh
from polyfield.errors import InputError


def box(extents: tuple[float, ...] = (2.0, 1.0, 0.5)) -> tuple[np.ndarray, np.ndarray]:
    mesh = trimesh.creation.box(extents=extents)
    return np.array(mesh.vertices) + np.array([10, 20, 30]), np.array(mesh.faces)


def test_a_mesh_is_centred_and_scaled_and_comes_back() -> None:
    vertices, faces = box()
    mesh = make_mesh(vertices, faces)
    low, high = mesh.triangles.min(axis=(0, 1)), mesh.triangles.max(axis=(0, 1))
    np.testing.assert_allclose(low, -high, atol=1e-12)
    assert np.linalg.norm(high - low) == pytest.approx(DIAGONAL)
    back = mesh.triangles @ mesh.source_from_world[:3, :3].T + mesh.source_from_world[:3, 3]
    np.testing.assert_allclose(back, vertices[faces], atol=1e-9)
    assert mesh.watertight


def test_a_turned_mesh_comes_back_too_and_stays_in_the_cube() -> None:
    vertices, faces = box()
    for seed in range(5):
        mesh = make_mesh(vertices, faces).turned(seed)
        back = mesh.triangles @ mesh.source_from_world[:3, :3].T + mesh.source_from_world[:3, 3]
        np.testing.assert_allclose(back, vertices[faces], atol=1e-9)
        assert np.abs(mesh.triangles).max() < 1
    same, other = (make_mesh(vertices, faces).turned(seed).triangles for seed in (1, 2))
    assert np.abs(same - other).max() > 0.1
    np.testing.assert_array_equal(same, make_mesh(vertices, faces).turned(1).triangles)


def test_distance_and_inside_of_a_box_are_those_of_a_box() -> None:
    mesh = make_mesh(*box((1.0, 1.0, 1.0)))
    half = DIAGONAL / np.sqrt(3) / 2
    x = np.random.default_rng(0).uniform(-1, 1, (2000, 3))
    beyond = np.abs(x) - half
    truth = np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(axis=1), 0)
    np.testing.assert_allclose(mesh.signed_distance(x), truth, atol=1e-6)
    np.testing.assert_array_equal(mesh.inside(x), truth < 0)


def test_a_mesh_that_is_inside_out_is_turned() -> None:
    vertices, faces = box()
    mesh = make_mesh(vertices, faces[:, ::-1])
    assert mesh.inside(np.zeros((1, 3)))[0]


def test_surface_points_are_on_the_surface_and_spread_by_area() -> None:
    mesh = make_mesh(*box((4.0, 1.0, 1.0)))
    x = mesh.surface_points(20000, np.random.default_rng(0))
    assert np.abs(mesh.signed_distance(x)).max() < 1e-6
    end = np.abs(x[:, 0]).max()
    assert (np.abs(x[:, 0]) > end - 1e-9).mean() == pytest.approx(2 / 18, abs=0.01)


def test_open_borders_are_seen_and_closed() -> None:
    ball = trimesh.creation.icosphere(subdivisions=3)
    keep = np.array(ball.triangles_center)[:, 2] < 0.9
    mesh = make_mesh(np.array(ball.vertices), np.array(ball.faces)[keep])
    assert not mesh.watertight
    assert "open borders" in mesh.headline()
    assert mesh.inside(np.zeros((1, 3)))[0]


def test_vertices_that_were_split_are_still_watertight() -> None:
    vertices, faces = box()
    mesh = make_mesh(vertices[faces].reshape(-1, 3), np.arange(36).reshape(-1, 3))
    assert mesh.watertight
    assert (mesh.n_vertices, mesh.n_faces) == (8, 12)


def test_a_record_is_the_mesh_without_its_triangles() -> None:
    mesh = make_mesh(*box(), Path("box.obj"))
    again = Mesh.of_record(json.loads(json.dumps(mesh.record())))
    assert again.record() == mesh.record()
    with pytest.raises(InputError, match="is gone"):
        _ = again.triangles


@pytest.mark.parametrize("suffix", ["obj", "ply", "stl", "off", "glb"])
def test_formats(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a ball (1).{suffix}"
    trimesh.creation.icosphere(subdivisions=1).export(file)
    mesh = load_mesh(file)
    assert (mesh.n_vertices, mesh.n_faces, mesh.watertight) == (42, 80, True)


def test_polygons_are_cut_into_triangles(tmp_path: Path) -> None:
    file = tmp_path / "a.obj"
    file.write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n")
    assert load_mesh(file).n_faces == 2


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 1 1 0\n", "faces: found none"),
        ("b.obj", "v 0 0 nan\nv 1 0 0\nv 1 1 0\nf 1 2 3\n", "vertex 0: found .*nan"),
        ("c.obj", "v 0 0 inf\nv 1 0 0\nv 1 1 0\nf 1 2 3\n", "vertex 0: found .*inf"),
        ("d.obj", "v 0 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 9\n", "cannot be read"),
        ("e.obj", "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "found no area"),
        ("f.obj", "v 0 0 0\nf 1 1 1\n", "found no area"),
        ("g.ply", "ply junk", "cannot be read"),
        ("h.stl", "", "faces: found none|cannot be read"),
        ("i.glb", "glTFjunk", "cannot be read"),
        ("j.obj", "", "faces: found none|cannot be read"),
    ],
)
def test_bad_meshes_are_one_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_mesh(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_faces_of_vertices_that_are_not_there_are_refused() -> None:
    vertices, faces = box()
    with pytest.raises(InputError, match="vertex 8, expected 0 to 7"):
        make_mesh(vertices, np.append(faces, [[0, 1, 8]], axis=0))


def test_a_seed_that_is_none_is_refused() -> None:
    vertices, faces = np.eye(3), np.array([[0, 1, 2]])
    with pytest.raises(InputError, match=r"task\.rotation_seed: found -1, expected a seed"):
        make_mesh(vertices, faces).turned(-1)
