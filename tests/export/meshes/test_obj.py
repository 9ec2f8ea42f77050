"""Textured .obj files and what lies beside them, read back by trimesh."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from polyfield.errors import InputError
from polyfield.export.meshes import Mesh, TexturedMesh
from polyfield.export.meshes.obj import beside, write_textured_obj

QUAD = Mesh(
    np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 1 / 3]], np.float32),
    np.array([[0, 1, 2], [0, 2, 3]], np.int32),
    np.tile(np.float32([0, 0, 1]), (4, 1)),
)
TEXTURE = np.random.default_rng(0).integers(0, 256, (5, 8, 3), np.uint8)
UVS = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
SURFACE = TexturedMesh(QUAD, UVS, TEXTURE)


@pytest.mark.parametrize("name", ["plain.obj", "two words #1.obj", "größer.obj"])
@pytest.mark.parametrize("normals", [True, False])
def test_it_comes_back(tmp_path: Path, name: str, normals: bool) -> None:
    out = tmp_path / name
    mesh = QUAD if normals else replace(QUAD, normals=None)

    write_textured_obj(TexturedMesh(mesh, UVS, TEXTURE), out)

    read = trimesh.load(out, process=False, force="mesh")
    np.testing.assert_allclose(read.vertices[read.faces], QUAD.vertices[QUAD.faces], atol=1e-6)
    np.testing.assert_allclose(read.visual.uv[read.faces], UVS[QUAD.faces], atol=1e-6)
    np.testing.assert_array_equal(np.array(read.visual.material.image)[..., :3], TEXTURE)
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {name, *(path.name for path in beside(out))}
    assert not any(" " in path.name for path in beside(out))


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "a.obj"
    write_textured_obj(SURFACE, out)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    changed = replace(SURFACE, texture=255 - TEXTURE, uvs=1 - UVS)
    monkeypatch.setattr("polyfield.export.meshes.obj._rows", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        write_textured_obj(changed, out)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_empty_mesh_is_refused(tmp_path: Path) -> None:
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    with pytest.raises(InputError, match="no triangles"):
        write_textured_obj(TexturedMesh(empty, UVS[:0], TEXTURE), tmp_path / "a.obj")
    assert not list(tmp_path.iterdir())
