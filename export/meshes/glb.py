"""Meshes as binary glTF 2.0, with vertex colours or a texture, shown as they are.

Letters: n vertices, m triangles.

What was baked holds its light, so the material is unlit (`KHR_materials_unlit`), and rough and not
metallic for programs that do not know that. A texture of base colours is sRGB; colours of vertices
are linear. Coordinates are those of the mesh: a node turns them to glTF's axes, +y up.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt16

from polyfield.durable import replacing
from polyfield.errors import InputError
from polyfield.export.meshes.mesh import Mesh
from polyfield.export.meshes.picture import png
from polyfield.export.meshes.textured_mesh import TexturedMesh
from polyfield.splats.glb import write_glb
from polyfield.version import __version__

FLOAT, UINT16, UINT32 = 5126, 5123, 5125
VERTICES, CORNERS = 34962, 34963
LINEAR, LINEAR_MIPMAP_LINEAR, CLAMP = 9729, 9987, 33071
HALF = math.sqrt(0.5)
TURNS = {
    (0, 1): (0.0, 0.0, 0.0, 1.0),
    (0, 2): (-HALF, 0.0, 0.0, HALF),
    (0, 0): (0.0, 0.0, HALF, HALF),
    (1, 1): (0.0, 0.0, 1.0, 0.0),
    (1, 2): (HALF, 0.0, 0.0, HALF),
    (1, 0): (0.0, 0.0, -HALF, HALF),
}
"""Quaternions x, y, z, w that turn an axis to +y, by whether it is negative, and which it is."""


def write(
    surface: Mesh | TexturedMesh, path: Path, up: Float[np.ndarray, "3"] | None = None
) -> None:
    """Write a mesh; the file has its name only when it is whole.

    Args:
        surface: its colours are sRGB.
        path: the file.
        up: where up is in the frame of the mesh; the axis nearest to it becomes glTF's +y, as a
            file of Gaussians has it whose frame is y down. None for no turn.

    Raises:
        InputError: for a mesh without triangles, or of more than 4 GB.
        OSError: for a file that cannot be written.
    """
    mesh = surface.mesh if isinstance(surface, TexturedMesh) else surface
    if not len(mesh):
        raise InputError("no triangles to write", file=path)
    picture = png(surface.texture) if isinstance(surface, TexturedMesh) else None
    accessors, views, pieces = _buffers(surface, mesh)
    primitive: dict[str, Any] = {
        "attributes": {name: i for i, name in enumerate(accessors) if name != "indices"},
        "indices": len(accessors) - 1,
        "material": 0,
    }
    node: dict[str, Any] = {"mesh": 0}
    if up is not None:
        node["rotation"] = list(turn_of(up))
    top: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": f"polyfield {__version__}"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [node],
        "meshes": [{"primitives": [primitive]}],
        "materials": [_material(picture is not None, mesh.colors is not None)],
        "accessors": list(accessors.values()),
        "bufferViews": views,
    }
    if "extensions" in top["materials"][0]:
        top["extensionsUsed"] = ["KHR_materials_unlit"]
    if picture is not None:
        start = sum(len(piece) for piece in pieces)
        views.append({"buffer": 0, "byteOffset": start, "byteLength": len(picture)})
        pieces.append(picture + b"\0" * (-len(picture) % 4))
        filters = {"magFilter": LINEAR, "minFilter": LINEAR_MIPMAP_LINEAR}
        top["images"] = [{"bufferView": len(views) - 1, "mimeType": "image/png"}]
        top["samplers"] = [{**filters, "wrapS": CLAMP, "wrapT": CLAMP}]
        top["textures"] = [{"source": 0, "sampler": 0}]
    top["buffers"] = [{"byteLength": sum(len(piece) for piece in pieces)}]
    with replacing(path) as temporary:
        write_glb(temporary, top, pieces)


def turn_of(up: Float[np.ndarray, "3"]) -> tuple[float, float, float, float]:
    """The quaternion x, y, z, w that turns the axis nearest to a direction to +y."""
    axis = int(np.argmax(np.abs(up)))
    return TURNS[int(up[axis] < 0), axis]


def _material(textured: bool, colored: bool) -> dict[str, Any]:
    plain: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": 1.0}
    if textured:
        plain["baseColorTexture"] = {"index": 0}
    material = {"pbrMetallicRoughness": plain, "doubleSided": True}
    if textured or colored:
        material["extensions"] = {"KHR_materials_unlit": {}}
    return material


def _buffers(
    surface: Mesh | TexturedMesh, mesh: Mesh
) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]], list[bytes | memoryview]]:
    """Accessors by name, the triangles' last; views of the buffer; and its pieces."""
    columns: dict[str, np.ndarray] = {"POSITION": mesh.vertices.astype("<f4")}
    if mesh.normals is not None:
        columns["NORMAL"] = mesh.normals.astype("<f4")
    if isinstance(surface, TexturedMesh):
        columns["TEXCOORD_0"] = (surface.uvs * (1, -1) + (0, 1)).astype("<f4")
    elif mesh.colors is not None:
        columns["COLOR_0"] = linear_colors(mesh.colors)
    columns["indices"] = mesh.faces.astype("<u4").reshape(-1, 1)
    accessors: dict[str, dict[str, Any]] = {}
    views: list[dict[str, Any]] = []
    start = 0
    for name, values in columns.items():
        kind = {"f4": FLOAT, "u2": UINT16, "u4": UINT32}[values.dtype.str[1:]]
        shape = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}[values.shape[1]]
        accessor: dict[str, Any] = {"bufferView": len(views), "count": len(values)}
        accessor |= {"componentType": kind, "type": shape}
        if kind == UINT16:
            accessor["normalized"] = True
        if name == "POSITION":
            accessor |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        accessors[name] = accessor
        target = CORNERS if name == "indices" else VERTICES
        views.append(
            {"buffer": 0, "byteOffset": start, "byteLength": values.nbytes, "target": target}
        )
        start += values.nbytes
    return accessors, views, [values.tobytes() for values in columns.values()]


def linear_colors(srgb: Float[np.ndarray, "n 3"]) -> UInt16[np.ndarray, "n 4"]:
    """Opaque linear colours of 16 bits, so that dark ones keep their steps, of sRGB in [0, 1]."""
    value = np.clip(srgb.astype(np.float64), 0, 1)
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    opaque = np.pad(linear, ((0, 0), (0, 1)), constant_values=1)
    colors: np.ndarray = np.round(opaque * 65535).astype("<u2")
    return colors
