"""What a viewer is given: scenes to look at, what exports them, and newer checkpoints."""

from __future__ import annotations

import contextlib
import io
import math
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyfield.errors import InputError

if TYPE_CHECKING:
    from polyfield.viewer.jobs import Exporter, Tell
    from polyfield.viewer.server import Viewer
    from polyfield.viewer.viewed import Viewed

EVERY = 1.0  # seconds between looks at the checkpoints of a run
START = (800, 600)  # size of the first view of a file


def viewed_of(config: dict[str, Any]) -> tuple[Viewed, bool]:
    """What a configuration of `polyfield view` names, and whether that is a file."""
    from polyfield.commands.opening import stands_for_run

    file = stands_for_run(config)
    return (viewed_run(config), False) if file is None else (viewed_file(file, config), True)


def viewed_run(config: dict[str, Any]) -> Viewed:
    """A run as a checkpoint has it; its photos are opened when somebody wants one.

    Raises:
        InputError: for a run that is none, has no views or nothing to show yet.
    """
    from polyfield.commands.opening import open_task, run_folder
    from polyfield.training import checkpoint
    from polyfield.viewer.viewed import check_viewable, of_task

    run = run_folder(config)
    path = checkpoint.resolve(run, config["checkpoint"])
    task: Any = open_task({**config, "data": None}, recorded=True)
    check_viewable(task, run)
    data = LazyData(config)
    step = checkpoint.read_state(path).get("step")
    return of_task(task, photo=data.photo, points=data.points, step=lambda: step)


class LazyData:
    """The data of a run, read when it is first asked for.

    Args:
        config: of `polyfield view`.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._config, self._scene = config, None
        self._lock = threading.Lock()

    def photo(self, i: int) -> Any:
        """Photo i, uint8 [h,w,c]; InputError where it is gone."""
        return self._open().images[i]

    def points(self) -> Any:
        """The sparse points and their colours, None where there are none."""
        from polyfield.viewer.viewed import points_of

        return points_of(self._open())

    def _open(self) -> Any:
        from polyfield.commands.opening import run_folder
        from polyfield.training.runs import open_data, read_config

        with self._lock:
            if self._scene is None:
                run = run_folder(self._config)
                stored = {**read_config(run), "trust": self._config["trust"]}
                moved = self._config.get("data")
                if moved is not None:
                    stored["data"] = moved
                    stored["dataset"] = {**(stored.get("dataset") or {}), "path": moved}
                self._scene = open_data(run, stored)
            return self._scene


def viewed_file(file: Path, config: dict[str, Any]) -> Viewed:
    """A file of Gaussians; its own frame is the world.

    Raises:
        InputError: for a file that is damaged or shows nothing.
    """
    import torch

    from polyfield.commands.device import choose
    from polyfield.commands.splat_scene import direction, renderer_of_file, sphere, standing_around
    from polyfield.viewer.viewed import Light, Viewed

    choose(config["device"])
    if not 1 <= config["fov"] <= 170:
        raise InputError(field="fov", found=config["fov"], expected="degrees, 1 to 170")
    up = direction(config["up"])
    splats, renderer = renderer_of_file(file)
    center, radius = sphere(splats)
    start = standing_around(splats, up, START, math.radians(config["fov"]))[0]
    return Viewed(
        renderer=renderer,
        light=Light,
        bounds=torch.stack([center - radius, center + radius]),
        start=start,
        up=up,
    )


def exporters_of(config: dict[str, Any]) -> dict[str, Exporter]:
    """By name, what `polyfield export` writes of the same run or file."""
    from polyfield.commands.exports.formats import FORMATS
    from polyfield.viewer.jobs import Exporter

    found = {}
    for name, each in FORMATS.items():
        for suffix in each.suffixes:
            found[f"{name} {suffix}"] = Exporter(suffix, _writer(name, config))
    return found


def _writer(name: str, config: dict[str, Any]) -> Any:
    def write(out: Path, tell: Tell) -> None:
        from polyfield.commands.exports.formats import chosen_format
        from polyfield.commands.schema import configuration

        settings = configuration(f"format={name}", verb="export")
        settings.update(run=str(config["run"]), out=str(out))
        kept = ("checkpoint", "trust", "device", "up")
        settings.update({key: config[key] for key in kept if key in config})
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            chosen_format(name).writer().write(settings, out)

    return write


class Follower(threading.Thread):
    """Shows a newer checkpoint as soon as it is there.

    Args:
        viewer: whose scene is replaced.
        config: of `polyfield view`.
    """

    def __init__(self, viewer: Viewer, config: dict[str, Any]) -> None:
        super().__init__(name="polyfield-follower", daemon=True)
        self._viewer, self._config = viewer, config
        self._shown, self._failed = self._newest(), ""

    def run(self) -> None:
        """Look again and again."""
        while not self._viewer.closed.wait(EVERY):
            self.look()

    def look(self) -> None:
        """Show the newest checkpoint unless it is shown already."""
        newest = self._newest()
        if newest is None or newest == self._shown:
            return
        try:
            viewed = viewed_run(self._config)
        except (InputError, OSError) as error:  # replaced once more while it was read
            if str(error) != self._failed:
                self._failed = str(error)
                self._viewer.say("the old checkpoint stays", str(error), color="red")
            return
        self._shown, self._failed = newest, ""
        old = self._viewer.stage.viewed  # photos that are open already
        self._viewer.screen.show(replace(viewed, photo=old.photo, points=old.points))

    def _newest(self) -> tuple[str, int] | None:
        from polyfield.training import checkpoint

        try:
            path = checkpoint.resolve(Path(self._config["run"]), self._config["checkpoint"])
            return path.name, (path / checkpoint.MODEL).stat().st_mtime_ns
        except (InputError, OSError):
            return None
