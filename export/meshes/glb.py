"""Meshes as .glb: one primitive of triangles, in the frame that it is given in.

Letters: n vertices, m triangles.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt16

from polyfield.export.meshes.mesh import Mesh
from polyfield.splats.glb import write_glb
from polyfield.version import __version__

KINDS = {"float32": 5126, "uint16": 5123, "uint32": 5125}
VERTICES, INDICES = 34962, 34963  # what a part of the buffer is for


def write(mesh: Mesh, path: Path) -> None:
    """Write positions, and normals and colours where there are any; not atomic."""
    arrays = {"POSITION": mesh.vertices}
    if mesh.normals is not None:
        arrays["NORMAL"] = mesh.normals
    if mesh.colors is not None:
        arrays["COLOR_0"] = linear_colors(mesh.colors)
    attributes = {name: number for number, name in enumerate(arrays)}
    arrays["indices"] = mesh.faces.astype(np.uint32).reshape(-1, 1)
    accessors: list[dict[str, Any]] = []
    views: list[dict[str, Any]] = []
    start = 0
    for name, values in arrays.items():
        accessor: dict[str, Any] = {"bufferView": len(views), "count": len(values)}
        accessor |= {"componentType": KINDS[values.dtype.name]}
        accessor |= {"type": {1: "SCALAR", 3: "VEC3", 4: "VEC4"}[values.shape[1]]}
        if name == "COLOR_0":
            accessor["normalized"] = True
        if name == "POSITION":
            accessor |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        accessors.append(accessor)
        view = {"buffer": 0, "byteOffset": start, "byteLength": values.nbytes}
        views.append({**view, "target": INDICES if name == "indices" else VERTICES})
        start += values.nbytes
    primitive = {"attributes": attributes, "indices": len(attributes), "mode": 4, "material": 0}
    rough = {"metallicFactor": 0.0, "roughnessFactor": 1.0}
    top = {
        "asset": {"version": "2.0", "generator": f"polyfield {__version__}"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "materials": [{"pbrMetallicRoughness": rough}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": start}],
    }
    write_glb(path, top, [np.ascontiguousarray(values).tobytes() for values in arrays.values()])


def linear_colors(colors: Float[np.ndarray, "n 3"]) -> UInt16[np.ndarray, "n 4"]:
    """sRGB in [0, 1] as glTF has it: linear, opaque, in so many bits that the dark is not lost."""
    srgb = np.clip(colors.astype(np.float64), 0, 1)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    whole = np.concatenate([linear, np.ones((len(linear), 1))], axis=1)
    return np.round(whole * 65535).astype(np.uint16)
