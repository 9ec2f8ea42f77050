"""Files of meshes are read by others as they were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from polyfield.errors import InputError
from polyfield.export.meshes import Mesh
from polyfield.export.meshes.files import SUFFIXES, write_mesh
from polyfield.splats.glb import read_glb

BALL = trimesh.creation.icosphere(subdivisions=2)
NORMALS = np.asarray(BALL.vertices, np.float32)
COLORS = (0.5 + 0.5 * NORMALS).astype(np.float32)
MESH = Mesh(2 * NORMALS + 5, np.asarray(BALL.faces, np.int32), NORMALS, COLORS)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("plain", [True, False])
def test_a_file_holds_the_mesh(tmp_path: Path, suffix: str, plain: bool) -> None:
    file = tmp_path / f"a (1){suffix}"
    write_mesh(Mesh(MESH.vertices, MESH.faces) if plain else MESH, file)
    read = trimesh.load_mesh(str(file), process=False)
    np.testing.assert_allclose(read.triangles, MESH.vertices[MESH.faces], atol=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    if plain or suffix in (".stl", ".off"):
        return
    np.testing.assert_allclose(normals_in(file, read), NORMALS, atol=1e-3)
    np.testing.assert_allclose(colors_in(file, read), COLORS, atol=1 / 250)


def colors_in(file: Path, read: trimesh.Trimesh) -> np.ndarray:
    """sRGB; those of .glb are linear."""
    if file.suffix != ".glb":
        return np.asarray(read.visual.vertex_colors)[:, :3] / 255
    linear = attribute(file, "COLOR_0", np.uint16, 4)[:, :3] / 65535
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def attribute(file: Path, name: str, kind: type, width: int) -> np.ndarray:
    """What a .glb has of each vertex."""
    document = read_glb(file)
    primitive = document.json["meshes"][0]["primitives"][0]
    view = document.json["bufferViews"][primitive["attributes"][name]]
    start = view["byteOffset"]
    data = document.binary[start : start + view["byteLength"]]
    return np.frombuffer(data, kind).reshape(-1, width)


def normals_in(file: Path, read: trimesh.Trimesh) -> np.ndarray:
    """What the file says, as trimesh makes its own."""
    if file.suffix == ".ply":
        rows = read.metadata["_ply_raw"]["vertex"]["data"]
        return np.stack([rows[name] for name in ("nx", "ny", "nz")], axis=-1)
    if file.suffix == ".obj":
        lines = [row.split()[1:] for row in file.read_text().splitlines() if row.startswith("vn ")]
        return np.array(lines, float)
    return attribute(file, "NORMAL", np.float32, 3)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.fbx: expected a name that ends in one of \.ply"):
        write_mesh(MESH, tmp_path / "a.fbx")
    with pytest.raises(InputError, match="no triangles to write"):
        write_mesh(Mesh(MESH.vertices, MESH.faces[:0]), tmp_path / "a.ply")
    assert not list(tmp_path.iterdir())
