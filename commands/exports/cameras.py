"""`polyfield export format=cameras`: poses and lenses of the photos for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from polyfield.commands.opening import run_folder, stands_for_run
from polyfield.commands.text import facts
from polyfield.datasets.detect import check_readable
from polyfield.datasets.scene import Scene
from polyfield.errors import InputError
from polyfield.export.camera_files import (
    at_photo_size,
    paths_of,
    photo_folder,
    write_transforms,
)
from polyfield.export.colmap_files import ENDINGS, FILES, Sparse, write_model
from polyfield.export.out_file import check_out
from polyfield.export.splats import checked_frame
from polyfield.training.catalogue import load_data, task_kind, task_name
from polyfield.training.runs import read_config


def write(config: dict[str, Any], out: Path) -> None:
    """Write cameras and say of which photos."""
    frame = checked_frame(config["frame"])
    folder, ending = _place(out, config["overwrite"])
    if stands_for_run(config) is not None:
        raise InputError("a file of Gaussians has no cameras", file=config["run"], field="run")
    scene = scene_of(config)
    photos = photo_folder(scene)
    cameras = at_photo_size(scene, photos)
    if frame == "source":
        cameras = cameras.transformed(scene.source_from_world)
    names = list(scene.images.names)
    if ending == ".json":
        names = paths_of(scene, photos, out.parent)
        write_transforms(out, cameras, names, scene.splits)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_model(folder, cameras, names, _sparse(scene, frame), ending)
    models = sorted({entry["model"] for entry in cameras.to_dict()})
    lines = {
        "cameras": f"{len(cameras)}, {', '.join(models)}",
        "photos": photos or "not found: their names stand alone",
        "written": out,
    }
    print(facts(lines))


def scene_of(config: dict[str, Any]) -> Scene:
    """The data of a run with its lenses as they are, also where it was trained on straightened
    photos; what the run remembers of it where it is gone.

    Raises:
        InputError: for a run of anything but photos, and data that cannot be read.
    """
    run = run_folder(config)
    stored = read_config(run)
    kind = task_kind(stored)
    if kind.renders != "views":
        found, expected = f"task={task_name(stored)}", "a run that learned from posed photos"
        raise InputError(file=run, field="run", found=found, expected=expected)
    dataset = {**(stored.get("dataset") or {}), "undistort": False}
    if config["data"] is not None:
        check_readable(Path(config["data"]))
        dataset["path"] = config["data"]
    path = str(dataset.get("path") or stored.get("data"))
    gone = Path(path).is_absolute() and not Path(path).exists()
    remembered = kind.read(run) if gone else None
    scene = load_data({**stored, "dataset": dataset}) if remembered is None else remembered
    assert isinstance(scene, Scene)
    return scene


def _place(out: Path, overwrite: bool) -> tuple[Path, str]:
    """The folder to write to and the ending; InputError before any work is done."""
    if out.suffix.lower() == ".json":
        check_out(out, overwrite)
        return out.parent, ".json"
    if out.suffix.lower() in ENDINGS:
        if out.stem not in FILES:
            expected = "cameras.txt or cameras.bin, whose folder gets a COLMAP model"
            raise InputError(field="out", found=out.name, expected=expected)
        folder, ending = out.parent, out.suffix.lower()
    elif out.suffix:
        expected = "a name that ends in .json, or a folder, or cameras.txt in one"
        raise InputError(field="out", found=out.name, expected=expected)
    else:
        folder, ending = out, ".bin"
    if out.is_file() and not out.suffix:
        raise InputError(file=out, found="a file", expected="a folder for a COLMAP model")
    above = folder
    while not above.exists():
        above = above.parent
    for name in FILES:
        check_out((folder if folder.exists() else above) / (name + ending), overwrite)
    return folder, ending


def _sparse(scene: Scene, frame: str) -> Sparse | None:
    """The data's sparse points, where it has any and is there."""
    if scene.points is None or scene.point_views is None:
        return None
    points = scene.points.double()
    if frame == "source":
        matrix = scene.source_from_world
        points = points @ matrix[:3, :3].T + matrix[:3, 3]
    colors = scene.point_colors
    if colors is None:
        colors = torch.full((len(points), 3), 128, dtype=torch.uint8)
    return Sparse(points, colors, scene.point_views)
