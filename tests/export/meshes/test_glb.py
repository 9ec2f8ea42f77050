"""Binary glTF of meshes, read back by trimesh."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from polyfield.errors import InputError
from polyfield.export.meshes import Mesh, TexturedMesh
from polyfield.export.meshes.glb import linear_colors, turn_of
from polyfield.export.meshes.glb import write as write_mesh_glb
from polyfield.splats.glb import read_glb

QUAD = Mesh(
    np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0]], np.float32),
    np.array([[0, 1, 2], [0, 2, 3]], np.int32),
    np.tile(np.float32([0, 0, 1]), (4, 1)),
)
UVS = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)


def pattern() -> np.ndarray:
    """[5,8,3], no two texels the same."""
    return np.random.default_rng(0).integers(0, 256, (5, 8, 3), np.uint8)


def only(path: Path) -> trimesh.Trimesh:
    """The one mesh of a file, where its node puts it."""
    return trimesh.load(path, process=False, force="mesh")


def test_a_texture_comes_back(tmp_path: Path) -> None:
    out = tmp_path / "with blanks.glb"

    write_mesh_glb(TexturedMesh(QUAD, UVS, pattern()), out)

    read = only(out)
    np.testing.assert_array_equal(read.vertices, QUAD.vertices)
    np.testing.assert_array_equal(read.faces, QUAD.faces)
    np.testing.assert_array_equal(read.vertex_normals, QUAD.normals)
    np.testing.assert_allclose(read.visual.uv, UVS)  # trimesh's begin at the lower left, as ours
    np.testing.assert_array_equal(np.array(read.visual.material.baseColorTexture), pattern())
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_it_is_shown_without_light_and_as_srgb(tmp_path: Path) -> None:
    out = tmp_path / "a.glb"

    write_mesh_glb(TexturedMesh(QUAD, UVS, pattern()), out)

    document = read_glb(out)
    material = document.json["materials"][0]
    assert material["extensions"] == {"KHR_materials_unlit": {}}
    assert document.json["extensionsUsed"] == ["KHR_materials_unlit"]
    assert material["pbrMetallicRoughness"]["metallicFactor"] == 0
    assert material["pbrMetallicRoughness"]["roughnessFactor"] == 1
    view = document.json["bufferViews"][document.json["images"][0]["bufferView"]]
    start = view["byteOffset"]
    held = bytes(document.binary[start : start + view["byteLength"]])
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(held))), pattern())
    # glTF's places in a texture begin at the upper left.
    number = document.json["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"]
    start = document.json["bufferViews"][number]["byteOffset"]
    places = np.frombuffer(document.binary[start : start + 32], "<f4").reshape(4, 2)
    np.testing.assert_array_equal(places, UVS * (1, -1) + (0, 1))


def test_colours_of_vertices_are_linear(tmp_path: Path, ball_mesh: Callable[..., Mesh]) -> None:
    mesh = ball_mesh(1, False)
    srgb = np.random.default_rng(0).random((len(mesh.vertices), 3)).astype(np.float32)
    out = tmp_path / "a.glb"

    write_mesh_glb(Mesh(mesh.vertices, mesh.faces, None, srgb), out)

    document = read_glb(out)
    primitive = document.json["meshes"][0]["primitives"][0]
    accessor = document.json["accessors"][primitive["attributes"]["COLOR_0"]]
    assert accessor["normalized"]
    view = document.json["bufferViews"][accessor["bufferView"]]
    start = view["byteOffset"]
    stored = np.frombuffer(document.binary[start : start + view["byteLength"]], "<u2")
    linear = stored.reshape(-1, 4)[:, :3] / 65535
    back = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(back, srgb, atol=2e-4)
    np.testing.assert_array_equal(only(out).faces, mesh.faces)


def test_linear_colours_are_those_of_the_standard() -> None:
    values = linear_colors(np.array([[0.0, 0.5, 1.0], [-1, 0.04, 2]]))
    np.testing.assert_array_equal(
        values, [[0, round(0.214041 * 65535), 65535, 65535], [0, 203, 65535, 65535]]
    )


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("sign", [1, -1])
def test_up_is_plus_y(tmp_path: Path, axis: int, sign: int) -> None:
    up = 0.1 * np.ones(3)
    up[axis] = sign
    out = tmp_path / "a.glb"

    write_mesh_glb(QUAD, out, up)

    x, y, z, w = turn_of(up)
    turn = trimesh.transformations.quaternion_matrix([w, x, y, z])
    np.testing.assert_allclose(turn[:3, :3] @ np.eye(3)[axis] * sign, [0, 1, 0], atol=1e-9)
    read = only(out)
    np.testing.assert_allclose(read.vertices, QUAD.vertices @ turn[:3, :3].T, atol=1e-6)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_y_down_is_turned_as_gaussians_are() -> None:
    x, y, z, w = turn_of(np.array([0.0, -1, 0]))
    turn = trimesh.transformations.quaternion_matrix([w, x, y, z])[:3, :3]
    np.testing.assert_allclose(turn, np.diag([-1, -1, 1]), atol=1e-9)


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "a.glb"
    out.write_bytes(b"old")
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    with pytest.raises(InputError, match="no triangles"):
        write_mesh_glb(empty, out)
    monkeypatch.setattr("polyfield.export.meshes.glb.write_glb", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_mesh_glb(QUAD, out)
    assert out.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.glb"]
