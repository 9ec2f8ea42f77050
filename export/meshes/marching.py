"""`method=marching`: triangles where the function is at its level."""

from __future__ import annotations

from polyfield.export.meshes.learned import Learned
from polyfield.export.meshes.mesh import Mesh
from polyfield.export.meshes.sparse_cubes import sparse_cubes
from polyfield.training.task import Task


def surface(task: Task, learned: Learned, resolution: int) -> Mesh:
    """The surface of what was learned."""
    return sparse_cubes(learned.surface, resolution)
