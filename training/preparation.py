"""What is done before a training, on a share of its budget, and what is left of the budget.

    trainer.bottleneck              rotations, by a weak field               `training.bottleneck`
    trainer.geometry, field.points  where matter is, by a short training     `training.geometry`
                                    or from a file

What was found goes into the task that is then trained, before its trainer is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from polyfield.datasets.scene import Scene
from polyfield.errors import InputError
from polyfield.training import bottleneck, geometry
from polyfield.training.assembly import build_task, with_budget
from polyfield.training.catalogue import Data, task_kind
from polyfield.training.geometry import Placed
from polyfield.training.phase import trained
from polyfield.training.progress import Display
from polyfield.training.splatting import SplattingTask
from polyfield.training.task import Task

Config = Mapping[str, Any]


class Preparation(NamedTuple):
    """A phase before a training.

    Args:
        config: of the training that comes after it.
        run: task, data and display -> seconds of training that it took; the task is then ready.
        what: what it does, for a person who interrupts it.
    """

    config: Config
    run: Callable[[Task, Data, Display | None], float]
    what: str = ""


class Prepared(NamedTuple):
    """A task that is ready to be trained.

    Args:
        task: this task; config: to train it by, with what is left of the budget.
        seconds: of training that are gone.
    """

    task: Task
    config: Config
    seconds: float


def preparation(config: Config) -> Preparation:
    """What a configuration asks for before its training.

    Args:
        config: settled, see `catalogue.TaskKind`.

    Raises:
        InputError: for shares that are none, or that the field has no use for.
    """
    config = with_budget(config)  # a share of none would be all of it
    trainer, field = config["trainer"], config.get("field") or {}
    if trainer.get("bottleneck"):
        what = "the rotations were looked for"
        return Preparation(bottleneck.kept(config), _rotations(config), what)
    if field.get("points"):
        return Preparation(geometry.remaining(config), _given(config), "geometry was read")
    if trainer.get("geometry"):
        what = "the coarse geometry was looked for"
        return Preparation(geometry.remaining(config), _found(config), what)
    if (config.get("task") or {}).get("init"):
        return Preparation(config, _begun(config), "the first Gaussians were placed")
    return Preparation(config, lambda task, data, display: 0.0)


def prepared_task(config: Config, data: Data, display: Display | None = None) -> Prepared:
    """A task that is ready to be trained.

    Args:
        config: of the command line or of `configuration`.
        data: what is learned.
        display: shows the progress of a phase; nothing by default.

    Raises:
        KeyboardInterrupt: when a phase was interrupted.
    """
    phase = preparation(task_kind(config).settle(dict(config), data))
    task = build_task(phase.config, data)
    return Prepared(task, phase.config, phase.run(task, data, display))


def _rotations(config: Config) -> Callable[[Task, Data, Display | None], float]:
    weak = bottleneck.weakened(config)

    def run(task: Task, data: Data, display: Display | None) -> float:
        phase = trained(weak, data, display)
        bottleneck.take_rotations(task, phase.task)
        return phase.seconds

    return run


def _given(config: Config) -> Callable[[Task, Data, Display | None], float]:
    def run(task: Task, data: Data, display: Display | None) -> float:
        field, scene = geometry.placed_part(task), _scene(data, "field.points")
        domain = geometry.field_of(task).domain
        file = Path(config["field"]["points"])
        _place(field, geometry.given_points(file, scene, domain), config, display)
        return 0.0

    return run


def _found(config: Config) -> Callable[[Task, Data, Display | None], float]:
    coarse = geometry.coarse(config)

    def run(task: Task, data: Data, display: Display | None) -> float:
        field, scene = geometry.placed_part(task), _scene(data, "trainer.geometry")
        begun = geometry.begun_for(coarse, geometry.field_of(task).domain)
        phase = trained(begun, scene, display)
        points = geometry.occupied_points(geometry.field_of(phase.task), display)
        _place(field, points, config, display)
        return phase.seconds

    return run


def _begun(config: Config) -> Callable[[Task, Data, Display | None], float]:
    def run(task: Task, data: Data, display: Display | None) -> float:
        assert isinstance(task, SplattingTask), "none other has such a key"
        task.begin(torch.Generator().manual_seed(int(config.get("seed") or 0)), display)
        return 0.0

    return run


def _place(field: Placed, points: Tensor, config: Config, display: Display | None) -> None:
    field.place(points, torch.Generator().manual_seed(int(config.get("seed") or 0)))
    if display is not None:
        parameters = sum(parameter.numel() for parameter in field.parameters())
        display.note(f"geometry  {len(points):,} points, {parameters:,} parameters around them")


def _scene(data: Data, field: str) -> Scene:
    if not isinstance(data, Scene):
        found = f"set, and {data.headline().partition(':')[0]}"
        expected = "none, or task=radiance"
        raise InputError(
            "geometry is found in photos alone", field=field, found=found, expected=expected
        )
    return data
