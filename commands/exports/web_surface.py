"""Pages of what are no Gaussians: their surface, with a texture where there are photos."""

from __future__ import annotations

import importlib.util
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from polyfield.commands.arguments import override_key
from polyfield.commands.hydra_job import overrides
from polyfield.commands.splat_scene import standing
from polyfield.commands.text import facts, size
from polyfield.commands.views import of_color
from polyfield.errors import InputError
from polyfield.export.meshes import Mesh, TexturedMesh
from polyfield.export.meshes.extract import extract
from polyfield.export.meshes.open3d_found import obstacle
from polyfield.export.meshes.texture import check_texture, textured
from polyfield.export.splats import up_of
from polyfield.export.web import Look, mesh_page
from polyfield.training.photo_task import PhotoTask
from polyfield.training.task import Task

FACES = 200_000  # that a browser draws without effort
NEAREST = 0.01  # world units
OF_GAUSSIANS = ("degree", "keep_transparent")
SIZE, FOV = (800, 800), math.radians(50)  # of cameras around what comes without any


@dataclass(frozen=True)
class Drawn:
    """What a page takes: see `export.web.surfaces.Surface`."""

    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray | None = None
    uvs: np.ndarray | None = None
    texture: np.ndarray | None = None


def write_surface(config: dict[str, Any], task: Task, out: Path, began: float) -> None:
    """Write the page of a run's surface and say what is in it.

    Raises:
        InputError: for keys of Gaussians, and as `extract` and `textured`.
    """
    for word in overrides():
        if override_key(word) in OF_GAUSSIANS:
            raise InputError("does not fit", field=override_key(word), found="no Gaussians")
    wanted = config["texture"]
    has_photos = isinstance(task, PhotoTask)
    if wanted is None:
        wanted = "auto" if has_photos and importlib.util.find_spec("xatlas") else "none"
    if wanted != "none":
        check_texture(task, wanted)
    shape = {key: config[key] for key in ("resolution", "time")}
    faces = config["faces"] or (FACES if obstacle() is None else None)
    mesh = extract(task, faces=faces, frame="world", **shape).mesh
    surface = mesh if wanted == "none" else textured(mesh, task, wanted)
    T = _frame(task, config["frame"])
    look = look_of_run(task, config) if has_photos else _look_around(mesh.transformed(T), config)
    n_bytes = mesh_page(_drawn(surface.transformed(T)), look, out, overwrite=config["overwrite"])
    lines = {
        "mesh": f"{len(mesh.vertices):,} vertices, {len(mesh):,} triangles",
        "texture": "none" if wanted == "none" else "baked from the views of the training",
        "up": list(look.up),
        "written": f"{out}: {size(n_bytes)}, in {time.perf_counter() - began:.1f} s",
    }
    print(facts(lines))


def _drawn(surface: Mesh | TexturedMesh) -> Drawn:
    if isinstance(surface, Mesh):
        return Drawn(surface.vertices, surface.faces, surface.colors)
    mesh = surface.mesh
    return Drawn(mesh.vertices, mesh.faces, None, surface.uvs, surface.texture)


def _frame(task: Task, frame: str) -> np.ndarray:
    """[4,4] from the world of the training to the frame that is written."""
    holder: Any = task.scene if isinstance(task, PhotoTask) else getattr(task, "mesh", None)
    if frame == "world" or holder is None:
        return np.eye(4)
    return np.asarray(holder.source_from_world, np.float64)


def look_of_run(task: Task, config: dict[str, Any]) -> Look:
    """From the cameras that it was trained on, on its background."""
    scene: Any = getattr(task, "scene", None)
    renderer: Any = getattr(task, "renderer", None)
    cameras, scale = scene.cameras[scene.splits["train"]], 1.0
    if config["frame"] == "source":
        cameras = cameras.transformed(scene.source_from_world)
        scale = float(scene.source_from_world[:3, :3].double().det()) ** (1 / 3)
    up = up_of(task, config["frame"]).tolist()
    behind: Any = getattr(task, "background", None)
    color = None if behind is None else behind.detach()
    if config["background"] != "auto":
        color = of_color(config["background"])
    return Look(
        cameras,
        up=(up[0], up[1], up[2]),
        near=max(getattr(renderer, "near", 0.0), NEAREST) * scale,
        background=triple(color),
        title=config["title"] or Path(config["run"]).resolve().name,
    )


def _look_around(mesh: Mesh, config: dict[str, Any]) -> Look:
    """At a shape, from around it, on black by default; +z is up."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    center, radius = torch.from_numpy((low + high) / 2).double(), 0.5 * math.dist(low, high)
    up, name = (0.0, 0.0, 1.0), config["background"]
    return Look(
        standing(center, radius, up, SIZE, FOV),
        up=up,
        near=NEAREST * radius,
        background=triple(of_color("black" if name == "auto" else name)),
        title=config["title"] or Path(config["run"]).resolve().name,
        of_photos=False,
    )


def triple(color: Any) -> tuple[float, float, float]:
    """A colour as a page takes it; black for none."""
    red, green, blue = (0.0, 0.0, 0.0) if color is None else color.tolist()
    return red, green, blue
