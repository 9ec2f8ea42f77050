"""From a trained task to a mesh: found, cut, cleaned, closed, thinned, coloured.

`METHODS` is where a way of finding surfaces is added: a module with `surface(task, learned,
resolution, closed) -> Mesh` in the world of the training, maybe with colours of its own.
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from polyfield.errors import InputError
from polyfield.export.meshes import cleaning
from polyfield.export.meshes.advice import advice, refuse_empty
from polyfield.export.meshes.appearance import with_colors, with_normals
from polyfield.export.meshes.learned import Learned, learned_surface
from polyfield.export.meshes.mesh import Mesh
from polyfield.export.meshes.open3d_found import obstacle
from polyfield.export.meshes.sparse_cubes import sparse_cubes
from polyfield.training.photo_task import PhotoTask
from polyfield.training.task import Task

METHODS = {
    "fusion": "polyfield.export.meshes.fusion",
    "marching": "polyfield.export.meshes.marching",
    "poisson": "polyfield.export.meshes.poisson",
}
LARGEST = 8192  # cells across
SMALL = 0.001  # share of the triangles


class Extracted(NamedTuple):
    """A mesh and what is to be said of it.

    Attributes:
        mesh: in the frame that was asked for.
        removed: how many small components were left out.
        watertight: whether it is.
        note: advice on the level, or None.
    """

    mesh: Mesh
    removed: int
    watertight: bool
    note: str | None


def extract(
    task: Task,
    *,
    method: str = "auto",
    resolution: int = 256,
    level: float | None = None,
    time: float | None = None,
    crop: Float[np.ndarray, "2 3"] | None = None,
    components: float = SMALL,
    watertight: bool = False,
    faces: int | None = None,
    frame: str = "source",
) -> Extracted:
    """The mesh of what a task has learned.

    Args:
        method: of `METHODS`, or "auto".
        resolution: cells along the longest edge of the region.
        level: at which the surface is; None for the usual.
        time: in [0, 1], of a scene that moves.
        crop: corners of a box, in the frame, outside of which nothing is kept.
        components: share of the triangles below which a separate part is left out.
        watertight: whether holes are closed.
        faces: how many triangles to keep, about; None for all.
        frame: "source" for the user's data, "world" for the training.

    Raises:
        InputError: for settings that there are not, where there is no surface, and where there is
            not enough memory.
    """
    check_settings(method, resolution, components, faces)
    learned = learned_surface(task, level, time)
    name, note = chosen_method(method, task, learned, level)
    if name == "fusion" and level is not None:
        raise InputError("does not fit", field="level", found=level, expected="method=marching")
    module: Any = importlib.import_module(METHODS[name])
    mesh: Mesh = module.surface(task, learned, resolution, watertight)
    if not len(mesh):
        refuse_empty(learned)
    if name == "marching":
        note = advice(mesh, learned) or note
    T = learned.source_from_world if frame == "source" else np.eye(4)
    if crop is not None:
        mesh = _cropped(mesh, T, crop)
    mesh, removed = cleaning.without_small(mesh, components)
    if watertight and not cleaning.is_watertight(mesh):
        mesh = sparse_cubes(cleaning.around(mesh, resolution), resolution)
    if faces is not None:
        mesh = cleaning.decimated(mesh, faces)
    mesh = finished(mesh, learned, resolution)
    return Extracted(mesh.transformed(T), removed, cleaning.is_watertight(mesh), note)


def finished(mesh: Mesh, learned: Learned, resolution: int) -> Mesh:
    """The mesh with normals, and colours where there are any."""
    box = learned.box
    width = 0.5 * float((box[1] - box[0]).max()) / resolution
    return with_colors(with_normals(mesh, learned, width), learned)


def chosen_method(
    method: str, task: Task, learned: Learned, level: float | None
) -> tuple[str, str | None]:
    """The name of a method and what to say of the choice.

    "auto" is fusion of what cameras saw, and marching of shapes, where a level is given, and where
    Open3D, which fuses, cannot be used.
    """
    if method != "auto":
        return method, None
    if not isinstance(task, PhotoTask) or (level is not None and learned.surface is not None):
        return "marching", None
    if learned.surface is not None and (reason := obstacle()) is not None:
        return "marching", f"method=marching, since Open3D {reason}"
    return "fusion", None


def check_settings(method: str, resolution: int, components: float, faces: int | None) -> None:
    """InputError for what no mesh can be made with."""
    if method != "auto" and method not in METHODS:
        raise InputError(field="method", found=method, expected=" or ".join(["auto", *METHODS]))
    if not 8 <= resolution <= LARGEST:
        raise InputError(field="resolution", found=resolution, expected=f"8 to {LARGEST}")
    if not 0 <= components <= 1:
        raise InputError(field="components", found=components, expected="a share, 0 to 1")
    if faces is not None and faces < 4:
        raise InputError(field="faces", found=faces, expected="4 or more")


def _cropped(mesh: Mesh, T: np.ndarray, crop: np.ndarray) -> Mesh:
    kept = cleaning.within(mesh.transformed(T), crop)
    if not kept.any():
        placed = mesh.transformed(T).vertices
        low, high = (np.round(end, 4).tolist() for end in (placed.min(axis=0), placed.max(axis=0)))
        expected = f"a part of what there is, {low} to {high}"
        raise InputError("nothing is left", field="crop", found=crop.tolist(), expected=expected)
    return cleaning.select(mesh, kept)
