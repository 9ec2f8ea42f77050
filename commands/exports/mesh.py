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
from polyfield.export.meshes.files import SUFFIXES, write_mesh
from polyfield.export.out_file import check_out, check_suffix
from polyfield.export.splats import checked_frame


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
    found = extract(open_task(config, recorded=True), crop=crop, frame=frame, **checks, **rest)
    write_mesh(found.mesh, out)
    seconds = time.perf_counter() - began
    mesh = found.mesh
    low, high = (end.round(4).tolist() for end in (mesh.vertices.min(0), mesh.vertices.max(0)))
    lines = {
        "mesh": f"{len(mesh.vertices):,} vertices, {len(mesh):,} triangles",
        "watertight": found.watertight,
        "removed": f"{found.removed:,} small parts" if found.removed else None,
        "bounds": f"{low} to {high}",
        "written": f"{out}: {size(out.stat().st_size)}, in {seconds:.1f} s",
        "note": found.note,
    }
    print(facts(lines))


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
