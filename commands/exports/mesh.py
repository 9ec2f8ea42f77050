"""`polyfield export format=mesh`: surfaces as triangles."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from polyfield.commands.opening import open_task, stands_for_run
from polyfield.commands.text import facts, size
from polyfield.errors import InputError
from polyfield.export.meshes.extract import check_settings, extract
from polyfield.export.meshes.files import SUFFIXES, TEXTURED, write_mesh
from polyfield.export.meshes.mesh import Mesh
from polyfield.export.meshes.obj import beside
from polyfield.export.meshes.texture import check_texture, textured
from polyfield.export.meshes.textured_mesh import TexturedMesh
from polyfield.export.out_file import check_out, check_suffix
from polyfield.export.splats import checked_frame, up_of
from polyfield.training.task import Task


def write(config: dict[str, Any], out: Path) -> None:
    """Write a mesh and say what it has."""
    began = time.perf_counter()
    check_suffix(out, SUFFIXES)
    check_out(out, config["overwrite"])
    crop = checked_crop(config["crop"])
    checks = {key: config[key] for key in ("method", "resolution", "components", "faces")}
    check_settings(**checks)
    rest = {key: config[key] for key in ("level", "time", "watertight")}
    frame = checked_frame(config["frame"])
    if stands_for_run(config) is not None:
        raise InputError("Gaussians have no surface", file=config["run"], field="run")
    texture = config["texture"] or "none"
    task = open_task(config, recorded=True)
    if texture != "none":
        check_textured_out(out, config["overwrite"])
        check_texture(task, texture)
    found = extract(task, crop=crop, frame=frame, **checks, **rest)
    mesh = found.mesh
    scene: Any = getattr(task, "scene", None)
    up = None if scene is None else up_of(task, frame)
    surface = mesh if texture == "none" else _baked(mesh, task, texture, frame)
    write_mesh(surface, out, up)
    seconds = time.perf_counter() - began
    low, high = (end.round(4).tolist() for end in (mesh.vertices.min(0), mesh.vertices.max(0)))
    lines = {
        "mesh": f"{len(mesh.vertices):,} vertices, {len(mesh):,} triangles",
        "watertight": found.watertight,
        "removed": f"{found.removed:,} small parts" if found.removed else None,
        "bounds": f"{low} to {high}",
        "texture": texture_line(surface) if isinstance(surface, TexturedMesh) else None,
        "written": f"{out}: {size(out.stat().st_size)}, in {seconds:.1f} s",
        "note": found.note,
    }
    print(facts(lines))


def check_textured_out(out: Path, overwrite: bool) -> None:
    """Whether a mesh with a texture can be written there.

    Raises:
        InputError: for a format without, and for what is there already, the picture included.
    """
    check_suffix(out, TEXTURED)
    if out.suffix.lower() == ".obj":
        for file in beside(out):
            check_out(file, overwrite)


def texture_line(surface: TexturedMesh) -> str:
    """`2048x1024 texels`."""
    h, w = surface.texture.shape[:2]
    return f"{w}x{h} texels"


def _baked(mesh: Mesh, task: Task, size: Any, frame: str) -> TexturedMesh:
    """A mesh of a frame with its texture."""
    scene: Any = getattr(task, "scene", None)
    T = scene.source_from_world.double().numpy() if frame == "source" else np.eye(4)
    return textured(mesh.transformed(np.linalg.inv(T)), task, size).transformed(T)


def checked_crop(crop: Any) -> np.ndarray | None:
    """[2,3] corners of a box; None for none.

    Raises:
        InputError: for anything but six numbers, the lower corner first.
    """
    if crop is None:
        return None
    expected = "[x0,y0,z0,x1,y1,z1], the lower corner first"
    try:
        box = np.array(crop, np.float64).reshape(2, 3)
    except (ValueError, TypeError):
        raise InputError(field="crop", found=crop, expected=expected) from None
    if not np.isfinite(box).all() or not (box[0] < box[1]).all():
        raise InputError(field="crop", found=crop, expected=expected)
    return box
