"""Normals and colours of a mesh's vertices, of what it was made from.

Letters: n vertices.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float

from polyfield.export.meshes.learned import Learned
from polyfield.export.meshes.mesh import Mesh
from polyfield.renderers.normals import density_normals

CHUNK = 1 << 16  # vertices


def with_normals(mesh: Mesh, learned: Learned, width: float) -> Mesh:
    """The mesh with the directions in which the function falls, or those of its faces.

    Args:
        width: half the distance between the two points of a difference, world units.
    """
    fallback = face_normals(mesh)
    if learned.surface is None:
        return replace(mesh, normals=fallback)
    made = np.empty_like(mesh.vertices)
    for first in range(0, len(made), CHUNK):
        part = slice(first, first + CHUNK)
        x = torch.from_numpy(mesh.vertices[part])
        found = density_normals(learned.surface.value, x, x.new_full((len(x),), width)).numpy()
        # What looks into its own faces is noise.
        good = (found * fallback[part]).sum(axis=1) > 0
        made[part] = np.where(good[:, None], found, fallback[part])
    return replace(mesh, normals=made)


def face_normals(mesh: Mesh) -> Float[np.ndarray, "n 3"]:
    """Unit normals of vertices: of their faces, weighted by area."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = np.stack(
        [
            np.bincount(mesh.faces.reshape(-1), np.repeat(across[:, a], 3), len(mesh.vertices))
            for a in range(3)
        ],
        axis=1,
    )
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    up = np.array([0.0, 0.0, 1.0])
    return np.where(length > 0, summed / length.clip(1e-300), up).astype(np.float32)


def with_colors(mesh: Mesh, learned: Learned) -> Mesh:
    """The mesh with what its vertices look like from the front, where that is not known yet."""
    if mesh.colors is not None or learned.colors is None or mesh.normals is None:
        return mesh
    made = np.empty_like(mesh.vertices)
    for first in range(0, len(made), CHUNK):
        part = slice(first, first + CHUNK)
        x, normals = (torch.from_numpy(a[part]) for a in (mesh.vertices, mesh.normals))
        made[part] = learned.colors(x, -normals).numpy()
    return replace(mesh, colors=made)
