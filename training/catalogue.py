"""The tasks by name: what each learns from, how that is read and recorded, how it is put together.

This table is all that the trainer, the runs and the command line know of tasks; a task is added
here, with a file in `conf/task`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from polyfield.datasets.describe import headline
from polyfield.datasets.load import load_scene
from polyfield.datasets.scene import Scene
from polyfield.datasets.signals import SIGNALS, Signal, kind_of, load_signal
from polyfield.errors import InputError
from polyfield.training import radiance_assembly, signal_assembly
from polyfield.training.grid_task import GridTask
from polyfield.training.scene_defaults import with_tables
from polyfield.training.scene_record import check_same_scene, read_scene, write_scene
from polyfield.training.shape import OccupancyTask, SdfTask
from polyfield.training.signal_record import check_same_signal, read_signal, write_signal
from polyfield.training.task import Task

Config = Mapping[str, Any]
Data = Scene | Signal


@dataclass(frozen=True)
class TaskKind:
    """What differs from task to task outside of it.

    Attributes:
        load: path, format and other keys of the node `dataset` -> data.
        build: configuration and data -> task.
        settle: configuration and data -> the configuration with what follows from the data.
        write: run and data -> the record of the data in the run.
        read: run -> that record as data without its samples, None where there is none.
        check: data and the recorded: raises where they differ.
        headline: data -> a line about it.
        renders: what a run can be rendered as: "views" along a path of cameras, "samples" of any
            size, or "nothing".
    """

    load: Callable[..., Any]
    build: Callable[[Config, Any], Task]
    settle: Callable[[dict[str, Any], Any], dict[str, Any]]
    write: Callable[[Path, Any], None]
    read: Callable[[Path], Any]
    check: Callable[[Any, Any], None]
    headline: Callable[[Any], str]
    renders: str


def _load_photos(path: str, format: str = "auto", **settings: Any) -> Scene:
    if format in SIGNALS:
        raise _refused("dataset", format, "radiance", "posed photos", SIGNALS[format].tasks)
    kind = SIGNALS.get(kind_of(Path(path)) or "") if format == "auto" else None
    if kind is not None and Path(path).is_file():
        hint = f"task={' or task='.join(kind.tasks)} learns {kind.noun}"
        expected = "photos with their cameras"
        raise InputError(file=path, found=kind.noun, expected=expected, hint=hint)
    return load_scene(path, format=format, **settings)


def _signal(task: type, name: str, data: str) -> TaskKind:
    def load(path: str, format: str = data, **settings: Any) -> Signal:
        if settings.pop("undistort", False):
            hint = "task=radiance learns Gaussians from photos"
            message = f"task={name} learns a field of points"
            raise InputError(message, field="field", found="gaussians", hint=hint)
        if format != data:
            others = SIGNALS[format].tasks if format in SIGNALS else ("radiance",)
            raise _refused("dataset", format, name, data, others)
        return load_signal(path, format, **settings)

    return TaskKind(
        load=load,
        build=partial(signal_assembly.build_signal_task, task),
        settle=lambda config, _: with_tables(config),
        write=write_signal,
        read=read_signal,
        check=check_same_signal,
        headline=lambda signal: signal.headline(),
        renders="samples" if issubclass(task, GridTask) else "nothing",
    )


def _refused(key: str, found: str, task: str, expected: str, others: tuple[str, ...]) -> InputError:
    hint = f"task={' or task='.join(others)} learns from {found}"
    return InputError(f"task={task} needs {expected}", field=key, found=found, hint=hint)


TASKS = {
    "radiance": TaskKind(
        load=_load_photos,
        build=radiance_assembly.build_radiance,
        settle=radiance_assembly.settled,
        write=write_scene,
        read=read_scene,
        check=check_same_scene,
        headline=headline,
        renders="views",
    ),
    "image": _signal(GridTask, "image", "image"),
    "audio": _signal(GridTask, "audio", "audio"),
    "volume": _signal(GridTask, "volume", "volume"),
    "video": _signal(GridTask, "video", "video"),
    "sdf": _signal(SdfTask, "sdf", "mesh"),
    "occupancy": _signal(OccupancyTask, "occupancy", "mesh"),
}


def task_name(config: Config) -> str:
    """The task of a configuration.

    Raises:
        InputError: for one that does not exist.
    """
    name = (config.get("task") or {}).get("name", "radiance")
    if name not in TASKS:
        raise InputError(field="task.name", found=name, expected=" or ".join(TASKS))
    return str(name)


def task_kind(config: Config) -> TaskKind:
    """What is known of the task of a configuration; see `task_name`."""
    return TASKS[task_name(config)]


def load_data(config: Config) -> Data:
    """The data of a configuration's node `dataset`, as its task reads it."""
    settings = dict(config.get("dataset") or {})
    path = settings.pop("path", None) or config.get("data")
    data: Data = task_kind(config).load(path, **settings)
    return data
