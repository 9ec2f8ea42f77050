"""What is left of a mesh: the part in a box, the parts that are large, fewer triangles, no holes.

Letters: n vertices, m triangles, c components.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from polyfield.datasets.mesh import closed_edges
from polyfield.errors import InputError
from polyfield.export.meshes.implicit import Implicit
from polyfield.export.meshes.mesh import Mesh
from polyfield.export.meshes.open3d_found import open3d
from polyfield.kernels.mesh_distance import INSIDE, mesh_distance, winding_number
from polyfield.kernels.mesh_tree import build_tree

MARGIN = 2  # cells around a mesh that is closed


def select(mesh: Mesh, kept: Bool[np.ndarray, " m"]) -> Mesh:
    """Some of the triangles, and the vertices that they use."""
    faces = mesh.faces[kept]
    used = np.zeros(len(mesh.vertices), bool)
    used[faces] = True
    number = np.cumsum(used, dtype=np.int64) - 1
    normals = None if mesh.normals is None else mesh.normals[used]
    colors = None if mesh.colors is None else mesh.colors[used]
    return Mesh(mesh.vertices[used], number[faces].astype(np.int32), normals, colors)


def within(mesh: Mesh, box: Float[np.ndarray, "2 3"]) -> Bool[np.ndarray, " m"]:
    """Whether all corners of triangles lie in a box."""
    inside = ((mesh.vertices >= box[0]) & (mesh.vertices <= box[1])).all(axis=1)
    return np.asarray(inside[mesh.faces].all(axis=1))


def components(mesh: Mesh) -> Int[np.ndarray, " m"]:
    """The number of each triangle's component: of those that share vertices."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n, faces = len(mesh.vertices), mesh.faces
    pairs = np.concatenate([faces[:, :2], faces[:, 1:]])
    links = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, labels = connected_components(links, directed=False)
    return labels[faces[:, 0]]


def without_small(mesh: Mesh, share: float) -> tuple[Mesh, int]:
    """The mesh without its small components, and how many these were.

    Args:
        share: of all triangles, below which a component is small; 1 keeps the largest alone.
    """
    if share <= 0 or not len(mesh):
        return mesh, 0
    labels = components(mesh)
    counts = np.bincount(labels)
    large = counts >= min(share * len(mesh), counts.max())
    return select(mesh, large[labels]), int((counts > 0).sum() - (large & (counts > 0)).sum())


def is_watertight(mesh: Mesh) -> bool:
    """Whether every edge is there once in each direction."""
    return len(mesh) > 0 and closed_edges(mesh.faces)


def decimated(mesh: Mesh, target: int) -> Mesh:
    """About so many triangles, by quadric errors (Garland and Heckbert 1997); no colours.

    Raises:
        InputError: where Open3D is not installed.
    """
    if target < 4:
        raise InputError(field="faces", found=target, expected="4 or more")
    if len(mesh) <= target:
        return mesh
    o3d = open3d("faces")
    given = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(mesh.vertices.astype(np.float64)),
        o3d.utility.Vector3iVector(mesh.faces),
    )
    made = given.simplify_quadric_decimation(target)
    made.remove_degenerate_triangles()
    vertices, faces = np.asarray(made.vertices), np.asarray(made.triangles)
    return select(
        Mesh(vertices.astype(np.float32), faces.astype(np.int32)), np.ones(len(faces), bool)
    )


def around(mesh: Mesh, resolution: int) -> Implicit:
    """The space that a mesh winds around, which is closed whatever holes the mesh has.

    Args:
        resolution: cells along the longest edge of its box.
    """
    triangles = mesh.vertices[mesh.faces].astype(np.float64)
    tree = build_tree(triangles)
    low, high = triangles.min(axis=(0, 1)), triangles.max(axis=(0, 1))
    margin = MARGIN * float((high - low).max()) / resolution

    def value(x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return torch.from_numpy(winding_number(tree, x.numpy()) - INSIDE).float()

    def near(middles: Float[Tensor, "n 3"], half: Float[Tensor, "3"]) -> Bool[Tensor, " n"]:
        return torch.from_numpy(mesh_distance(tree, middles.numpy()) <= float(half.norm()))

    return Implicit(value, np.stack([low - margin, high + margin]), near)
