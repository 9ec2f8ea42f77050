"""Files of meshes: .ply, .obj, .glb, .stl, .off.

Letters: n vertices, m triangles.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from polyfield.durable import replacing, write_file
from polyfield.errors import InputError
from polyfield.export.meshes import glb
from polyfield.export.meshes.mesh import Mesh
from polyfield.export.meshes.obj import write_textured_obj
from polyfield.export.meshes.textured_mesh import TexturedMesh

SUFFIXES = (".ply", ".obj", ".glb", ".stl", ".off")


TEXTURED = (".glb", ".obj")


def write_mesh(
    surface: Mesh | TexturedMesh, path: Path, up: Float[np.ndarray, "3"] | None = None
) -> None:
    """Write a mesh in the format that the name tells; the file has its name only when it is whole.

    Colours go into .ply, .obj and .glb; normals into those as well; textures into `TEXTURED`.

    Args:
        up: where up is in the frame of the mesh, for .glb, which has it at +y; None for no turn.

    Raises:
        InputError: for a name of another kind, and for a mesh without triangles.
        OSError: for a file that cannot be written.
    """
    mesh = surface.mesh if isinstance(surface, TexturedMesh) else surface
    suffixes = SUFFIXES if surface is mesh else TEXTURED
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise InputError(file=path, expected=f"a name that ends in one of {', '.join(suffixes)}")
    if not len(mesh):
        raise InputError("no triangles to write", file=path)
    if isinstance(surface, TexturedMesh) and suffix == ".obj":
        write_textured_obj(surface, path)
        return
    with replacing(path) as temporary:
        if suffix == ".glb":
            glb.write(surface, temporary, up)
        else:
            data = _ply(mesh) if suffix == ".ply" else _by_trimesh(mesh, suffix[1:])
            write_file(temporary, [data])


def bytes_of(colors: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] as bytes."""
    return (np.clip(colors, 0, 1) * 255 + 0.5).astype(np.uint8)


def _ply(mesh: Mesh) -> bytes:
    """Binary, little-endian: float32 positions and normals, bytes of colours, int32 corners."""
    columns: list[tuple[str, str, np.ndarray]] = []
    columns += [(name, "<f4", mesh.vertices[:, i]) for i, name in enumerate("xyz")]
    if mesh.normals is not None:
        columns += [(f"n{name}", "<f4", mesh.normals[:, i]) for i, name in enumerate("xyz")]
    if mesh.colors is not None:
        names = ("red", "green", "blue")
        columns += [(name, "u1", bytes_of(mesh.colors)[:, i]) for i, name in enumerate(names)]
    rows = np.empty(len(mesh.vertices), [(name, kind) for name, kind, _ in columns])
    for name, _, values in columns:
        rows[name] = values
    corners = np.empty(len(mesh), [("n", "u1"), ("corners", "<i4", 3)])
    corners["n"], corners["corners"] = 3, mesh.faces
    kinds = {"<f4": "float", "u1": "uchar"}
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}"]
    header += [f"property {kinds[kind]} {name}" for name, kind, _ in columns]
    header += [f"element face {len(corners)}", "property list uchar int vertex_indices"]
    return "\n".join([*header, "end_header\n"]).encode() + rows.tobytes() + corners.tobytes()


def _by_trimesh(mesh: Mesh, kind: str) -> bytes:
    import trimesh

    settings: dict[str, Any] = (
        {"include_normals": mesh.normals is not None} if kind == "obj" else {}
    )
    colors = bytes_of(mesh.colors) if kind == "obj" and mesh.colors is not None else None
    made = trimesh.Trimesh(
        mesh.vertices, mesh.faces, vertex_normals=mesh.normals, vertex_colors=colors, process=False
    )
    data = made.export(file_type=kind, **settings)
    return data.encode() if isinstance(data, str) else bytes(data)
