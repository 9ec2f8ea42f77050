"""`polyfield render`: a video or pictures of a run, or its signal at any size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyfield.commands.arguments import override_key, parse
from polyfield.commands.hydra_job import execute, job, overrides
from polyfield.commands.moments import path_times, time_span
from polyfield.commands.opening import open_radiance, open_task, run_folder
from polyfield.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from polyfield.cameras import Cameras
    from polyfield.datasets.scene import Scene
    from polyfield.renderers import Render
    from polyfield.renderers.pictures import Picture
    from polyfield.training.photo_task import PhotoTask

HELP = """\
polyfield render: make a video or pictures from a run

usage: polyfield render run=RUN [path=PATH] [out=FILE.mp4|FOLDER] [key=value ...]

  run=RUN                the run
  path=orbit             orbit | spiral | interpolate (through the training views), or the views
                         train | val | test themselves, or a cameras.json in the frame of the data
  out=OUT                FILE.mp4, or a folder for PNGs; in RUN/renders by default
  modes=[rgb]            rgb, depth, normal, opacity; beside each other in a video
  frames=120  fps=30     of a path
  time=0:1               of a scene that moves: from when to when a path goes, or one moment;
                         without it views of the data keep their own times
  scale=1.0              of the pictures' size
  background=auto        auto (as trained) | white | black
  raw=false              in a folder, also depth_NNNN.npy: float32 [h,w], the distance along each
                         ray in units of the data, NaN where nothing was hit
  checkpoint=latest      latest | best | a step
  data=PATH              where the photos lie now, if they were moved; only their views need them
  device=auto            auto | cpu | cuda
  trust=[PACKAGE,...]    packages whose classes the run may name, for fields of your own

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
  polyfield render run=runs/photo size=1920x1080 out=large.png
"""

PATHS = ("orbit", "spiral", "interpolate")
SPLITS = ("train", "val", "test")
MODES = ("rgb", "depth", "normal", "opacity")
OTHER_FILES = (".avi", ".gif", ".jpeg", ".jpg", ".mkv", ".mov", ".png", ".webm")
LOOKS = 6  # small views from which the range of depth colours is taken


def main(words: list[str]) -> None:
    """Run `polyfield render WORDS...`."""
    execute("render", run, parse(words))


@job
def run(config: dict[str, Any]) -> None:
    """Render a run as what it is, and say where that is.

    Raises:
        InputError: for settings of another way to render.
    """
    from polyfield.training.catalogue import task_kind, task_name
    from polyfield.training.runs import read_config

    stored = read_config(run_folder(config))
    way = task_kind(stored).renders
    if way not in WAYS:
        found, expected = f"task={task_name(stored)}", "a task with pictures to render"
        raise InputError(file=config["run"], field="run", found=found, expected=expected)
    render, foreign = WAYS[way]
    for word in overrides():
        if override_key(word) in foreign:
            task = f"a run of task={task_name(stored)}"
            raise InputError("does not fit", field=override_key(word), found=task)
    render(config)


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
    modes = _modes(config["modes"])
    out = _out(config, run_folder(config))
    if config["background"] not in ("auto", "white", "black"):
        found = config["background"]
        raise InputError(field="background", found=found, expected="auto, white or black")
    for name in ("frames", "fps", "scale"):
        if not config[name] > 0:
            raise InputError(field=name, found=config[name], expected="above 0")
    span = time_span(config["time"])
    task = open_radiance(config)
    cameras = path_cameras(task.scene, config["path"], config["frames"]).scaled(config["scale"])
    cameras = replace(cameras, times=path_times(task.scene, cameras, span))
    views = Views(task, cameras, _background(task, config["background"]), modes)
    began = time.perf_counter()
    write = _write_video if out.suffix == ".mp4" else _write_folder
    count = write(out, views, config)
    seconds = time.perf_counter() - began
    width, height = cameras.size[0].tolist()
    print(f"rendered  {count} views of {width}x{height} in {seconds:.1f} s, {' | '.join(modes)}")
    if "depth" in modes:
        near, far = (views.source_scale * distance for distance in views.span)
        print(f"depth     {near:.4g} (red) to {far:.4g} (blue), in units of the data")
    print(f"written   {out}")


# By what a task renders as: how, and the keys of other ways.
WAYS: dict[str, tuple[Callable[[dict[str, Any]], None], tuple[str, ...]]] = {
    "views": (render_views, ("size",)),
    "samples": (
        render_samples,
        ("path", "modes", "frames", "fps", "time", "scale", "background", "raw"),
    ),
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


class Views:
    """Views of a task as pictures, rendered one by one as they are asked for.

    Args:
        task: with its trained renderer.
        cameras: one a view.
        background: [3] behind everything; None for black.
        modes: what to show of each.
    """

    def __init__(
        self, task: PhotoTask, cameras: Cameras, background: Tensor | None, modes: list[str]
    ) -> None:
        self.task, self.cameras, self.background, self.modes = task, cameras, background, modes
        self.span = self._depth_range() if "depth" in modes else (0.0, 1.0)

    def __len__(self) -> int:
        return len(self.cameras)

    def __iter__(self) -> Iterator[tuple[dict[str, Picture], Render]]:
        """Pictures by mode, and what they were made from."""
        for i in range(len(self)):
            render = self._render(self.cameras, i)
            yield {mode: self._picture(mode, render) for mode in self.modes}, render

    @property
    def source_scale(self) -> float:
        """Units of the user's data in a unit of the world."""
        return float(self.task.scene.source_from_world[:3, :3].det()) ** (1 / 3)

    def _render(self, cameras: Cameras, i: int) -> Render:
        modes, code = tuple(self.modes), self.task.code
        return self.task.renderer.image(cameras, i, self.background, modes, appearance=code)

    def _depth_range(self) -> tuple[float, float]:
        from polyfield.renderers.pictures import depth_range

        step = max(len(self.cameras) // LOOKS, 1)
        small = self.cameras[slice(0, None, step)].scaled(0.25)
        renders = [self._render(small, i) for i in range(len(small))]
        return depth_range([r.depth.numpy() for r in renders], [r.opacity.numpy() for r in renders])

    def _picture(self, mode: str, render: Render) -> Picture:
        from polyfield.renderers.pictures import depth_picture, normal_picture, picture

        if mode == "rgb":
            return picture(render.rgb.numpy())
        if mode == "opacity":
            return picture(render.opacity.numpy())
        if mode == "normal":
            assert render.normals is not None
            return normal_picture(render.normals.numpy())
        return depth_picture(render.depth.numpy(), render.opacity.numpy(), self.span)


def _write_video(out: Path, views: Views, config: dict[str, Any]) -> int:
    import numpy as np

    from polyfield.export.video import write_video

    if config["raw"]:
        raise InputError(field="raw", found="true with a video", expected="out=FOLDER")
    frames = (np.concatenate(list(shown.values()), axis=1) for shown, _ in _progress(views))
    return write_video(out, frames, config["fps"])


def _write_folder(out: Path, views: Views, config: dict[str, Any]) -> int:
    import numpy as np

    from polyfield.renderers.pictures import write_picture

    out.mkdir(parents=True, exist_ok=True)
    for i, (shown, render) in enumerate(_progress(views)):
        for mode, image in shown.items():
            write_picture(out / f"{mode}_{i:04d}.png", image)
        if config["raw"]:
            np.save(out / f"depth_{i:04d}.npy", _raw_depth(render, views.source_scale))
    return len(views)


def _raw_depth(render: Render, scale: float) -> np.ndarray:
    import numpy as np

    depth = np.where(render.opacity.numpy() > 0.5, render.depth.numpy() * scale, np.nan)
    return depth.astype(np.float32)


def _progress(views: Views) -> Iterator[tuple[dict[str, Picture], Render]]:
    """The views, with a bar where somebody looks."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    shown = console.is_terminal
    return iter(track(views, "render", len(views), console=console, disable=not shown))


def _modes(modes: list[str] | str) -> list[str]:
    modes = [modes] if isinstance(modes, str) else modes
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown or not modes:
        found = unknown[0] if unknown else "nothing"
        raise InputError(field="modes", found=found, expected=f"some of {', '.join(MODES)}")
    return list(modes)


def _out(config: dict[str, Any], run: Path) -> Path:
    path = str(config["path"])
    if config["out"] is None:
        return run / "renders" / (f"{path}.mp4" if path in PATHS else Path(path).stem)
    out = Path(config["out"])
    if out.suffix.lower() in OTHER_FILES or (out.suffix != ".mp4" and out.is_file()):
        raise InputError(field="out", found=out, expected="a name that ends in .mp4, or a folder")
    return out


def _background(task: PhotoTask, name: str) -> Tensor | None:
    import torch

    if name == "auto":
        return None if task.background is None else task.background.detach()
    return torch.full((3,), float(name == "white"))
