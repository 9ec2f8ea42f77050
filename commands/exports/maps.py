"""`polyfield export format=depth` and `format=normal`: a picture of each view of the data."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from polyfield.commands.opening import open_task, stands_for_run
from polyfield.commands.text import facts
from polyfield.errors import InputError
from polyfield.export.camera_files import paths_of, photo_folder, write_transforms
from polyfield.export.depth_maps import depth_maps
from polyfield.export.map_files import checked_ending, step_of, write_depth, write_normals
from polyfield.export.out_file import check_out
from polyfield.export.splats import checked_frame
from polyfield.training.photo_task import PhotoTask

if TYPE_CHECKING:
    from polyfield.cameras import Cameras

LOOKS = 0.25  # of the size of pictures, that the farthest depth is looked for in
ROOM = 1.25  # by which what is farther still may be


def write(config: dict[str, Any], out: Path) -> None:
    """Write a file a view and `transforms.json`, and say what they mean."""
    began = time.perf_counter()
    frame, ending = checked_frame(config["frame"]), checked_ending(config["encoding"])
    if stands_for_run(config) is not None:
        raise InputError("a file of Gaussians has no cameras", file=config["run"], field="run")
    _check_folder(out, config["overwrite"])
    task = open_task(config, recorded=True)
    if not isinstance(task, PhotoTask):
        found, expected = type(task).__name__, "a run that learned from posed photos"
        raise InputError(file=config["run"], field="run", found=found, expected=expected)
    numbers = _numbers(task, str(config["split"]))
    cameras = task.scene.cameras[torch.tensor(numbers)]
    if not 0 < config["scale"] <= 16:
        raise InputError(field="scale", found=config["scale"], expected="above 0, 16 at most")
    cameras = cameras.scaled(config["scale"])
    names = _names([task.scene.images.names[i] for i in numbers], ending)
    T = task.scene.source_from_world if frame == "source" else torch.eye(4, dtype=torch.float64)
    lines = {"views": f"{len(cameras)} of {config['split']}"}
    photos = [paths_of(task.scene, photo_folder(task.scene), out)[i] for i in numbers]
    out.mkdir(parents=True, exist_ok=True)
    if config["format"] == "depth":
        lines |= _depths(task, cameras, T, out, names, photos)
    else:
        lines |= _normals(task, cameras, T, out, names, photos)
    lines["written"] = f"{out}, in {time.perf_counter() - began:.1f} s"
    print(facts(lines))


def _depths(
    task: PhotoTask,
    cameras: Cameras,
    T: torch.Tensor,
    out: Path,
    names: list[str],
    photos: list[str],
) -> dict[str, str]:
    unit = float(torch.linalg.det(T[:3, :3])) ** (1 / 3)
    step = 1.0
    if names[0].endswith(".png"):
        farthest = max(float(seen.z_depth().max()) for seen in _glances(task, cameras))
        if farthest == 0:
            hint = "train longer, or choose another checkpoint"
            raise InputError("no surface", field="run", found="no opaque pixel", hint=hint)
        step = step_of(ROOM * farthest * unit)
    extra = [{"depth_file_path": name, "depth_unit_scale_factor": step} for name in names]
    write_transforms(out / "transforms.json", cameras.transformed(T), photos, None, extra)
    for name, seen in zip(names, depth_maps(task, cameras)):
        write_depth(out / name, unit * seen.z_depth().numpy(), step)
    return {"depth": f"along the optical axis; 1 in a file is {step:g} units, 0 unknown"}


def _glances(task: PhotoTask, cameras: Cameras) -> Any:
    few = cameras[slice(None, None, max(len(cameras) // 8, 1))]
    return depth_maps(task, few.scaled(LOOKS))


def _normals(
    task: PhotoTask,
    cameras: Cameras,
    T: torch.Tensor,
    out: Path,
    names: list[str],
    photos: list[str],
) -> dict[str, str]:
    linear = T[:3, :3] / torch.linalg.det(T[:3, :3]) ** (1 / 3)
    write_transforms(out / "transforms.json", cameras.transformed(T), photos)
    for name, seen in zip(names, depth_maps(task, cameras, normals=True)):
        assert seen.normals is not None
        write_normals(out / name, (seen.normals.double() @ linear.T).numpy())
    meaning = "128 + 127 n" if names[0].endswith(".png") else "n"
    return {"normals": f"{meaning}, in the axes of the frame; n is 0 where there is no surface"}


def _numbers(task: PhotoTask, split: str) -> list[int]:
    """The images of a split, or all."""
    scene = task.scene
    if split == "all":
        return list(range(len(scene)))
    if not len(scene.splits.get(split, ())):
        raise InputError(field="split", found=split, expected=" or ".join([*scene.splits, "all"]))
    return [int(i) for i in scene.splits[split]]


def _names(photos: list[str], ending: str) -> list[str]:
    """Of files, flat: as the photos, with their folders in the name where these tell them apart."""
    stems = [Path(photo).stem for photo in photos]
    if len(set(stems)) < len(stems):
        stems = [Path(photo).with_suffix("").as_posix().replace("/", "_") for photo in photos]
    return [stem + ending for stem in stems]


def _check_folder(out: Path, overwrite: bool) -> None:
    """InputError where files cannot be written, or other files are."""
    if out.is_file() or (out.suffix and not out.is_dir()):
        raise InputError(field="out", found=out, expected="a folder, its name without an ending")
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise InputError(
            "is not empty", file=out, hint="overwrite=true writes into it all the same"
        )
    above = out
    while not above.exists():
        above = above.parent
    check_out(above / f".{out.name}.try", overwrite=True)
