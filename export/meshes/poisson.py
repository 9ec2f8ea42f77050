"""`method=poisson`: the smooth closed surface that fits points and their normals best.

Of shapes the points are spread over the surface, of anything that is seen they are what its
training cameras see of it; so it works for Gaussians too. Source: Kazhdan and Hoppe 2013.

Letters: n points.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from polyfield.datasets.mesh import surface_points
from polyfield.errors import InputError
from polyfield.export.meshes.cleaning import select
from polyfield.export.meshes.learned import Learned
from polyfield.export.meshes.mesh import Mesh
from polyfield.export.meshes.open3d_found import open3d
from polyfield.export.meshes.sparse_cubes import sparse_cubes
from polyfield.renderers.normals import density_normals
from polyfield.training.photo_task import PhotoTask
from polyfield.training.task import Task

POINTS = 400_000
EDGE = 0.9  # opacity above which a pixel's depth is that of a surface
REACH = 3.0  # cells beyond which from any point the surface is made up
MOST = 12  # levels of the octree that Open3D is asked for


class Oriented(NamedTuple):
    """Points of a surface.

    Attributes:
        points: in the world; normals: outward, of unit length.
    """

    points: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"]


def surface(task: Task, learned: Learned, resolution: int, closed: bool = False) -> Mesh:
    """A surface through oriented points.

    Args:
        closed: whether to keep what lies far from all of them, which is what closes it.

    Raises:
        InputError: where Open3D is not installed, and where there is nothing to go through.
    """
    o3d = open3d("method")
    found = _seen(task) if isinstance(task, PhotoTask) else _spread(learned, resolution)
    if len(found.points) < 16:
        hint = "has it been trained?"
        raise InputError("there is no surface", field="method", found="poisson", hint=hint)
    given = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(found.points.astype(np.float64)))
    given.normals = o3d.utility.Vector3dVector(found.normals.astype(np.float64))
    levels = min(math.ceil(math.log2(resolution)), MOST)
    made, _ = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(given, depth=levels)
    vertices, faces = np.asarray(made.vertices, np.float32), np.asarray(made.triangles, np.int32)
    mesh = Mesh(vertices, faces)
    if closed or not len(mesh):
        return mesh
    extent = float((found.points.max(axis=0) - found.points.min(axis=0)).max())
    return select(mesh, _held(mesh, found.points, REACH * extent / resolution))


def _held(mesh: Mesh, points: np.ndarray, reach: float) -> np.ndarray:
    """[m] whether all corners of triangles lie within reach of a point."""
    from scipy.spatial import cKDTree

    away, _ = cKDTree(points).query(mesh.vertices, distance_upper_bound=reach, workers=-1)
    return np.asarray((away < reach)[mesh.faces].all(axis=1))


def _spread(learned: Learned, resolution: int) -> Oriented:
    """Points spread over the surface of a function, and the directions in which it falls."""
    assert learned.surface is not None, "shapes have one"
    mesh = sparse_cubes(learned.surface, resolution)
    if not len(mesh):
        return Oriented(mesh.vertices, mesh.vertices)
    triangles = mesh.vertices[mesh.faces].astype(np.float64)
    points = surface_points(triangles, POINTS, np.random.default_rng(0))
    x = torch.from_numpy(points).float()
    width = x.new_full((len(x),), 0.5 * float(np.ptp(learned.box, axis=0).max()) / resolution)
    return Oriented(points, density_normals(learned.surface.value, x, width).numpy())


def _seen(task: PhotoTask) -> Oriented:
    """What the training cameras see, in pictures small enough for so many points."""
    cameras = task.scene.cameras[task.scene.splits["train"]]
    each = POINTS / max(len(cameras), 1)
    parts = [Oriented(np.empty((0, 3)), np.empty((0, 3)))]
    for i in range(len(cameras)):
        width, height = cameras.size[i].tolist()
        camera = cameras[i].scaled(min(1.0, math.sqrt(2 * each / (width * height))))
        render: Any = task.renderer.image(camera, 0, modes=("rgb", "normal"), appearance=task.code)
        opacity, depth = (part.cpu().flatten() for part in (render.opacity, render.depth))
        normals = render.normals.cpu().view(-1, 3)
        rays = camera.image_rays(0)
        facing = (normals * rays.directions.float()).sum(dim=1) < 0
        good = (opacity > EDGE) & (depth > 0) & depth.isfinite() & facing
        points = rays.origins + depth[:, None] * rays.directions
        parts.append(Oriented(points[good].double().numpy(), normals[good].double().numpy()))
    points, normals = (np.concatenate(column) for column in zip(*parts))
    return Oriented(points, normals)
