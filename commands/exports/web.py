"""`polyfield export format=web`: a page that shows a scene in a browser."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyfield.commands.arguments import override_key
from polyfield.commands.exports.web_surface import look_of_run, triple, write_surface
from polyfield.commands.hydra_job import overrides
from polyfield.commands.opening import open_task, stands_for_run
from polyfield.commands.splat_lines import count_line, file_line
from polyfield.commands.splat_scene import NEAR, direction, standing_around
from polyfield.commands.text import facts
from polyfield.commands.views import BACKGROUNDS, of_color
from polyfield.errors import InputError
from polyfield.export.splats import checked_frame, dropped_line, splats_of
from polyfield.export.web import Look, check_page, splats_page
from polyfield.fields.gaussians import Gaussians
from polyfield.splats import Splats
from polyfield.splats.cleaning import checked_degree, clean
from polyfield.splats.extent import robust_sphere
from polyfield.splats.formats import read_splats

if TYPE_CHECKING:
    from polyfield.cameras import Cameras
    from polyfield.training.task import Task

OF_RUNS = ("checkpoint", "frame", "trust", "device")  # keys that say nothing of a file
OF_FILES = ("up",)  # of a run it is known
OF_SURFACES = ("resolution", "faces", "texture", "time")
SIZE, FOV = (800, 800), math.radians(50)  # of cameras around what comes without any


def write(config: dict[str, Any], out: Path) -> None:
    """Write a page and say what is in it, and how large it is."""
    began = time.perf_counter()
    check_page(out, config["overwrite"])
    _check_settings(config)
    if stands_for_run(config) is None:
        _refuse_foreign("a run", True)
        task = open_task(config, recorded=True)
        if not isinstance(getattr(getattr(task, "renderer", None), "field", None), Gaussians):
            write_surface(config, task, out, began)
            return
        splats, look, lines = _run(task, config)
    else:
        _refuse_foreign("a file of Gaussians", False)
        splats, look, lines = _file(config)
    for word in overrides():
        if override_key(word) in OF_SURFACES:
            raise InputError("does not fit", field=override_key(word), found="Gaussians")
    written, dropped = splats_page(
        splats,
        look,
        out,
        degree=config["degree"],
        keep_transparent=config["keep_transparent"],
        overwrite=config["overwrite"],
        source=Path(config["run"]),
    )
    seconds = time.perf_counter() - began
    lines["dropped"] = dropped_line(dropped)
    lines["written"] = f"{file_line(out, written)}, in {seconds:.1f} s"
    print(facts(lines))


def _check_settings(config: dict[str, Any]) -> None:
    checked_frame(config["frame"])
    if config["degree"] is not None:
        checked_degree(config["degree"])
    if config["background"] not in BACKGROUNDS:
        found = config["background"]
        raise InputError(field="background", found=found, expected="auto, white or black")
    direction(config["up"])


def _file(config: dict[str, Any]) -> tuple[Splats, Look, dict[str, Any]]:
    """The Gaussians of a file, how they are looked at, and what to say of them."""
    file = Path(config["run"])
    splats = read_splats(file)
    return splats, _look_at_file(splats, file, config), {"read": file_line(file, splats)}


def _run(task: Task, config: dict[str, Any]) -> tuple[Splats, Look, dict[str, Any]]:
    """Those of a run."""
    splats = splats_of(task, config["frame"], Path(config["run"]))
    look = look_of_run(task, config)
    read = f"{config['run']}: {count_line(splats)}, {len(look.cameras)} cameras"
    return splats, look, {"read": read, "up": list(look.up)}


def _refuse_foreign(of: str, is_run: bool) -> None:
    for word in overrides():
        key = override_key(word)
        if key in (OF_FILES if is_run else OF_RUNS):
            raise InputError("does not fit", field=key, found=of)


def _look_at_file(splats: Splats, file: Path, config: dict[str, Any]) -> Look:
    """From around it, on black by default."""
    seen = clean(splats, transparent=not config["keep_transparent"])
    if not len(seen.splats):
        found = dropped_line(seen.dropped)
        raise InputError("no Gaussian is left", file=file, found=found)
    up, name = direction(config["up"]), config["background"]
    return Look(
        _around(seen.splats, up),
        up=up,
        near=NEAR * robust_sphere(seen.splats)[1],
        background=triple(of_color("black" if name == "auto" else name)),
        title=config["title"] or file.name,
        of_photos=False,
    )


def _around(splats: Splats, up: tuple[float, float, float]) -> Cameras:
    return standing_around(splats, up, SIZE, FOV)
