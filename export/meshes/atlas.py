"""A place in a texture for every triangle: charts that are cut out, flattened and packed by xatlas.

Letters: n vertices, m triangles, k parts.

The time that xatlas takes grows faster than a mesh; so charts are sought in boxes of a thousand
triangles, which its threads take side by side, and packed together. Charts end where parts do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from polyfield.errors import InputError
from polyfield.export.meshes.mesh import Mesh

PART = 1024  # triangles at most, in which charts are sought at once
GUTTER = 4  # texels between charts of a texture of `PACKED`
PACKED = 2048  # texels of the side for which charts are packed
HINT = "pip install 'polyfield[mesh]'"


@dataclass(frozen=True)
class Atlas:
    """A mesh cut along the borders of charts.

    Attributes:
        mesh: its vertices as often as charts meet there; triangles in another order.
        uvs: of the vertices, in [0, 1], (0, 0) the lower left corner of the texture.
        aspect: height of the texture in the unit of its width.
        charts: how many.
    """

    mesh: Mesh
    uvs: Float[np.ndarray, "n 2"]
    aspect: float
    charts: int


def atlas_of(mesh: Mesh) -> Atlas:
    """Charts of a mesh, packed.

    Raises:
        InputError: without xatlas, or for a mesh without triangles.
    """
    xatlas = _xatlas()
    if not len(mesh):
        raise InputError("no triangles to lay a texture on", field="texture")
    atlas = xatlas.Atlas()
    parts = [np.unique(mesh.faces[part], return_inverse=True) for part in parts_of(mesh)]
    for used, corners in parts:
        atlas.add_mesh(mesh.vertices[used], corners.reshape(-1, 3).astype(np.uint32))
    charts, packing = xatlas.ChartOptions(), xatlas.PackOptions()
    charts.max_iterations = 1
    packing.bruteForce, packing.blockAlign = False, True
    packing.padding, packing.resolution = GUTTER, PACKED
    atlas.generate(charts, packing)
    origins, faces, uvs, start = [], [], [], 0
    for k, (used, _) in enumerate(parts):
        origin, corners, places = atlas.get_mesh(k)
        origins.append(used[origin])
        faces.append(corners.astype(np.int64) + start)
        uvs.append(places)
        start += len(origin)
    cut = _picked(mesh, np.concatenate(origins), np.concatenate(faces))
    aspect = atlas.height / atlas.width
    return Atlas(cut, np.concatenate(uvs).astype(np.float32), aspect, atlas.chart_count)


def parts_of(mesh: Mesh) -> list[Int[np.ndarray, " p"]]:
    """The triangles of a mesh in boxes of at most `PART`: halved across the longest side."""
    middles = mesh.vertices[mesh.faces].mean(axis=1)
    waiting, parts = [np.arange(len(mesh))], []
    while waiting:
        part = waiting.pop()
        if len(part) <= PART:
            parts.append(part)
            continue
        places = middles[part]
        axis = int(np.argmax(places.max(axis=0) - places.min(axis=0)))
        order = np.argpartition(places[:, axis], len(part) // 2)
        waiting += [part[order[: len(part) // 2]], part[order[len(part) // 2 :]]]
    return parts


def _picked(mesh: Mesh, vertices: Int[np.ndarray, " n"], faces: Int[np.ndarray, "m 3"]) -> Mesh:
    """A mesh of some of the vertices, each as often as it is named."""
    normals, colors = (None if x is None else x[vertices] for x in (mesh.normals, mesh.colors))
    return Mesh(mesh.vertices[vertices], faces.astype(np.int32), normals, colors)


def _xatlas() -> Any:
    try:
        import xatlas
    except ImportError:
        raise InputError("textures need xatlas", field="texture", hint=HINT) from None
    return xatlas
