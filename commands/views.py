"""Views of a scene as a video or a folder of pictures.

Letters: h, w pixels.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyfield.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from polyfield.cameras import Cameras
    from polyfield.datasets.scene import Scene
    from polyfield.renderers import Render
    from polyfield.renderers.pictures import Picture
    from polyfield.training.photo_task import Renderable

MODES = ("rgb", "depth", "median", "normal", "opacity")
DISTANCES = ("depth", "median")  # modes of distances along rays: expected, and to half the light
BACKGROUNDS = ("auto", "white", "black")
LOOKS = 6  # small views from which the range of depth colours is taken


@dataclass(frozen=True)
class Shown:
    """What is looked at, and from where.

    Attributes:
        renderer: of the scene.
        cameras: one a view.
        background: [3] behind everything; None for black.
        code: of the light, as the renderer takes it; None for none.
        scale: units of the user's data in a unit of the world.
    """

    renderer: Renderable
    cameras: Cameras
    background: Tensor | None
    code: Tensor | None = None
    scale: float = 1.0


def source_scale(scene: Scene) -> float:
    """Units of the user's data in a unit of the world."""
    return float(scene.source_from_world[:3, :3].det()) ** (1 / 3)


def of_color(name: str) -> Tensor:
    """[3] "white" or "black"."""
    import torch

    return torch.full((3,), float(name == "white"))


def check_settings(config: dict[str, Any]) -> None:
    """InputError for modes, a background or numbers that cannot be."""
    checked_modes(config["modes"])
    if config["background"] not in BACKGROUNDS:
        found = config["background"]
        raise InputError(field="background", found=found, expected="auto, white or black")
    for name in ("frames", "fps", "scale"):
        if not config[name] > 0:
            raise InputError(field=name, found=config[name], expected="above 0")


def show(shown: Shown, out: Path, config: dict[str, Any]) -> None:
    """Render all views into a video or a folder, and say where they are."""
    modes = checked_modes(config["modes"])
    views = Views(shown, modes)
    began = time.perf_counter()
    write = _write_video if out.suffix == ".mp4" else _write_folder
    count = write(out, views, config)
    seconds = time.perf_counter() - began
    width, height = shown.cameras.size[0].tolist()
    print(f"rendered  {count} views of {width}x{height} in {seconds:.1f} s, {' | '.join(modes)}")
    if views.distances is not None:
        near, far = (shown.scale * distance for distance in views.span)
        print(f"depth     {near:.4g} (red) to {far:.4g} (blue), in units of the data")
    print(f"written   {out}")


class Views:
    """Pictures, rendered one by one as they are asked for.

    Args:
        shown: of what.
        modes: what to show of each view.
    """

    def __init__(self, shown: Shown, modes: list[str]) -> None:
        self.shown, self.modes = shown, modes
        self.distances = next((mode for mode in modes if mode in DISTANCES), None)
        self.span = (0.0, 1.0) if self.distances is None else self._depth_range(self.distances)

    def __len__(self) -> int:
        return len(self.shown.cameras)

    def __iter__(self) -> Iterator[tuple[dict[str, Picture], Render]]:
        """Pictures by mode, and what they were made from."""
        for i in range(len(self)):
            render = self._render(self.shown.cameras, i)
            yield {mode: self._picture(mode, render) for mode in self.modes}, render

    def _render(self, cameras: Cameras, i: int) -> Render:
        modes, shown = tuple(self.modes), self.shown
        return shown.renderer.image(cameras, i, shown.background, modes, appearance=shown.code)

    def _depth_range(self, mode: str) -> tuple[float, float]:
        from polyfield.renderers.pictures import depth_range

        step = max(len(self.shown.cameras) // LOOKS, 1)
        small = self.shown.cameras[slice(0, None, step)].scaled(0.25)
        renders = [self._render(small, i) for i in range(len(small))]
        depths = [distances_of(render, mode).numpy() for render in renders]
        return depth_range(depths, [r.opacity.numpy() for r in renders])

    def _picture(self, mode: str, render: Render) -> Picture:
        from polyfield.renderers.pictures import depth_picture, normal_picture, picture

        if mode == "rgb":
            return picture(render.rgb.numpy())
        if mode == "opacity":
            return picture(render.opacity.numpy())
        if mode == "normal":
            assert render.normals is not None
            return normal_picture(render.normals.numpy())
        depth = distances_of(render, mode).numpy()
        return depth_picture(depth, render.opacity.numpy(), self.span)


def distances_of(render: Render, mode: str) -> Tensor:
    """[h, w] along the rays, world units: the expected ones of "depth", those of "median"."""
    if mode == "depth":
        return render.depth
    assert render.median_depth is not None
    return render.median_depth


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
            for mode in DISTANCES:
                if mode == "depth" or mode in shown:
                    raw = _raw_depth(render, mode, views.shown.scale)
                    np.save(out / f"{mode}_{i:04d}.npy", raw)
    return len(views)


def _raw_depth(render: Render, mode: str, scale: float) -> np.ndarray:
    import numpy as np

    depth = distances_of(render, mode).numpy() * scale
    depth = np.where(render.opacity.numpy() > 0.5, depth, np.nan)
    return depth.astype(np.float32)


def _progress(views: Views) -> Iterator[tuple[dict[str, Picture], Render]]:
    """The views, with a bar where somebody looks."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    shown = console.is_terminal
    return iter(track(views, "render", len(views), console=console, disable=not shown))


def checked_modes(modes: list[str] | str) -> list[str]:
    """One or several modes as a list; InputError for one that there is not."""
    modes = [modes] if isinstance(modes, str) else modes
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown or not modes:
        found = unknown[0] if unknown else "nothing"
        raise InputError(field="modes", found=found, expected=f"some of {', '.join(MODES)}")
    return list(modes)
