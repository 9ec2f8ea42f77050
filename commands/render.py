"""`polyfield render`: a video or pictures of a run or a file, or a signal at any size."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyfield.commands.arguments import override_key, parse
from polyfield.commands.device import choose
from polyfield.commands.hydra_job import execute, job, overrides
from polyfield.commands.moments import path_times, time_span
from polyfield.commands.opening import open_radiance, open_task, run_folder, stands_for_run
from polyfield.commands.views import Shown, check_settings, of_color, show, source_scale
from polyfield.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from polyfield.cameras import Cameras
    from polyfield.datasets.scene import Scene
    from polyfield.training.photo_task import PhotoTask

HELP = """\
polyfield render: make a video or pictures from a run or a file of Gaussians

usage: polyfield render run=RUN [path=PATH] [out=FILE.mp4|FOLDER] [key=value ...]

  run=RUN                the run, or a file of Gaussians: scene.ply, .spz ...
  path=orbit             orbit | spiral | interpolate (through the training views), or the views
                         train | val | test themselves, or a cameras.json in the frame of the data
  out=OUT                FILE.mp4, or a folder for PNGs; in RUN/renders by default
  modes=[rgb]            rgb, depth, median (depth that a thin haze does not pull about), normal,
                         opacity; beside each other in a video
  frames=120  fps=30     of a path
  time=0:1               of a scene that moves: from when to when a path goes, or one moment;
                         without it views of the data keep their own times
  scale=1.0              of the pictures' size
  background=auto        auto (as trained) | white | black
  raw=false              in a folder, also depth_NNNN.npy (and median): float32 [h,w], the distance
                         along each ray in units of the data, NaN where nothing was hit
  checkpoint=latest      latest | best | a step
  data=PATH              where the photos lie now, if they were moved; only their views need them
  device=auto            auto | cpu | cuda
  trust=[PACKAGE,...]    packages whose classes the run may name, for fields of your own

A file of Gaussians has no cameras. Paths are orbit and spiral, around where most of it is, and a
cameras.json in its frame; pictures lie beside it by default, on black, and what else counts is

  size=800x800           of the pictures
  fov=50                 degrees across their shorter side
  up=auto                x | y | z | -x | -y | -z, or a direction [x,y,z]; auto is -y, as of 3DGS

A picture or another signal on a grid is sampled instead, at any size:

  size=SIZE              WIDTHxHEIGHT, or the samples along each axis, or a factor such as 2x
  out=OUT                a file; in RUN/renders by default

Depth is coloured red for near and blue for far, over the range that is printed.

examples:
  polyfield render run=runs/first
  polyfield render run=runs/first path=spiral out=spiral.mp4 modes=[rgb,depth]
  polyfield render run=runs/first path=test out=pictures modes=[rgb,depth,normal] raw=true
  polyfield render run=runs/first path=cameras.json out=flight.mp4 scale=2
  polyfield render run=runs/moving time=0.5
  polyfield render run=scene.spz up=z size=1280x720 background=white
  polyfield render run=runs/photo size=1920x1080 out=large.png
"""

OF_FILES = ("size", "fov", "up")  # keys that say nothing of a run, which has cameras
PATHS = ("orbit", "spiral", "interpolate")
SPLITS = ("train", "val", "test")
OTHER_FILES = (".avi", ".gif", ".jpeg", ".jpg", ".mkv", ".mov", ".png", ".webm")


def main(words: list[str]) -> None:
    """Run `polyfield render WORDS...`."""
    execute("render", run, parse(words))


@job
def run(config: dict[str, Any]) -> None:
    """Render a run as what it is, and say where that is.

    Raises:
        InputError: for settings of another way to render.
    """
    render_as(None, config)


def render_as(wanted: str | None, config: dict[str, Any]) -> None:
    """Render a run as what it is.

    Args:
        wanted: "views" for those of a scene alone; None for anything.
        config: of `polyfield render`.

    Raises:
        InputError: for settings of another way to render, and another run than is wanted.
    """
    way, what = _way(config)
    if wanted == "views" and way == "samples":
        expected = "a run with views, or a file of Gaussians"
        raise InputError(file=config["run"], field="run", found=what, expected=expected)
    render, foreign = WAYS[way]
    for word in overrides():
        if override_key(word) in foreign:
            raise InputError("does not fit", field=override_key(word), found=what)
    render(config)


def _way(config: dict[str, Any]) -> tuple[str, str]:
    """One of `WAYS`, and what it is that is rendered so."""
    from polyfield.training.catalogue import task_kind, task_name
    from polyfield.training.runs import read_config

    if stands_for_run(config) is not None:
        return "file", "a file of Gaussians"
    stored = read_config(run_folder(config))
    way = task_kind(stored).renders
    if way not in WAYS:
        found, expected = f"task={task_name(stored)}", "a task with pictures to render"
        raise InputError(file=config["run"], field="run", found=found, expected=expected)
    return way, f"a run of task={task_name(stored)}"


def render_samples(config: dict[str, Any]) -> None:
    """Sample a signal at a size and say where it is."""
    from polyfield.export.grids import check_out, default_name, parse_size, write_samples
    from polyfield.training.grid_task import GridTask

    task = open_task(config)
    assert isinstance(task, GridTask)
    grid = task.grid
    counts = parse_size(config["size"], grid)
    out = Path(config["out"] or run_folder(config) / "renders" / default_name(grid))
    check_out(out, grid, counts)
    began = time.perf_counter()
    write_samples(out, grid, task.sample(counts))
    seconds = time.perf_counter() - began
    order = counts[::-1] if grid.d == 2 else counts
    print(f"rendered  {'x'.join(map(str, order))} samples in {seconds:.1f} s")
    print(f"written   {out}")


def render_views(config: dict[str, Any]) -> None:
    """Render along a path and say where it is."""
    check_settings(config)
    out = _out(config, run_folder(config) / "renders")
    span = time_span(config["time"])
    task = open_radiance(config)
    cameras = path_cameras(task.scene, config["path"], config["frames"]).scaled(config["scale"])
    cameras = replace(cameras, times=path_times(task.scene, cameras, span))
    behind = _background(task, config["background"])
    shown = Shown(task.renderer, cameras, behind, task.code, source_scale(task.scene))
    show(shown, out, config)


def render_file(config: dict[str, Any]) -> None:
    """Render Gaussians of a file along a path around them and say where it is."""
    from polyfield.commands.splat_scene import path_around, renderer_of_file

    check_settings(config)
    file = run_folder(config)
    stem = file.name.partition(".")[0] or file.name
    out = _out(config, file.parent, f"{stem}_")
    choose(config["device"])
    splats, renderer = renderer_of_file(file)
    cameras = path_around(splats, config).scaled(config["scale"])
    name = "black" if config["background"] == "auto" else config["background"]
    show(Shown(renderer, cameras, of_color(name)), out, config)


# By what a task renders as: how, and the keys of other ways.
WAYS: dict[str, tuple[Callable[[dict[str, Any]], None], tuple[str, ...]]] = {
    "views": (render_views, OF_FILES),
    "samples": (
        render_samples,
        ("path", "modes", "frames", "fps", "time", "scale", "background", "raw", "fov", "up"),
    ),
    "file": (render_file, ("checkpoint", "data", "time", "trust")),
}
# What to try after a training.
EXAMPLES: dict[str, list[dict[str, str]]] = {
    "views": [{"path": "orbit"}],
    "samples": [{"size": "2x"}],
    "nothing": [],
}


def path_cameras(scene: Scene, path: str, frames: int) -> Cameras:
    """The cameras of a path, in the world of the scene.

    Args:
        path: one of `PATHS` or `SPLITS`, or a file of cameras in the frame of the user's data.
        frames: of the former.
    """
    import torch

    from polyfield.cameras import files, paths

    if path in PATHS:
        seen = scene.cameras[scene.splits["train"]]
        if path == "orbit":
            return paths.orbit(seen, frames)
        return (paths.spiral if path == "spiral" else paths.interpolate)(seen, frames)
    if path in SPLITS:
        if not len(scene.splits.get(path, ())):
            raise InputError(field="path", found=path, expected=f"a split of {list(scene.splits)}")
        return scene.cameras[scene.splits[path]]
    if not Path(path).is_file():
        expected = f"{', '.join(PATHS + SPLITS)} or a file of cameras"
        raise InputError(field="path", found=path, expected=expected)
    return files.load_cameras(path).transformed(torch.linalg.inv(scene.source_from_world))


def _out(config: dict[str, Any], folder: Path, prefix: str = "") -> Path:
    """Where pictures go: what is given, or a name in a folder."""
    path = str(config["path"])
    if config["out"] is None:
        return folder / (prefix + (f"{path}.mp4" if path in PATHS else Path(path).stem))
    out = Path(config["out"])
    if out.suffix.lower() in OTHER_FILES or (out.suffix != ".mp4" and out.is_file()):
        raise InputError(field="out", found=out, expected="a name that ends in .mp4, or a folder")
    return out


def _background(task: PhotoTask, name: str) -> Tensor | None:
    if name == "auto":
        return None if task.background is None else task.background.detach()
    return of_color(name)
