"""`method=marching`: triangles where the function is at its level."""

from __future__ import annotations

from dataclasses import replace

from polyfield.errors import InputError
from polyfield.export.meshes.learned import Learned
from polyfield.export.meshes.mesh import Mesh
from polyfield.export.meshes.sparse_cubes import sparse_cubes
from polyfield.training.task import Task


def surface(task: Task, learned: Learned, resolution: int, closed: bool = False) -> Mesh:
    """The surface of what was learned; it ends at the box only where it has to.

    Raises:
        InputError: for Gaussians, which have no density.
    """
    if learned.surface is None:
        hint = "method=poisson takes what they look like"
        raise InputError("Gaussians have no density", field="method", found="marching", hint=hint)
    if closed:
        return sparse_cubes(replace(learned.surface, closed=True), resolution)
    return sparse_cubes(learned.surface, resolution)
