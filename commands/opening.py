"""The run that a line names, opened: for the verbs that look at what was trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyfield.commands import backbones
from polyfield.commands.device import choose
from polyfield.errors import InputError

if TYPE_CHECKING:
    from polyfield.training.photo_task import PhotoTask
    from polyfield.training.task import Task


def run_folder(config: dict[str, Any]) -> Path:
    """The run that a configuration names."""
    if config["run"] is None:
        raise InputError("no run given", hint="run=RUN names the folder of a training")
    return Path(config["run"])


def open_task(config: dict[str, Any]) -> Task:
    """The task of a run with the parameters of a checkpoint.

    Args:
        config: `run`, `checkpoint`, `data`, `device` and `trust` of a verb.
    """
    from polyfield.training.runs import open_run

    choose(config["device"])
    trust = [*config["trust"], *backbones.trusted()]
    folder, which = run_folder(config), config["checkpoint"]
    return open_run(folder, which, trust=trust, data=config["data"])[2]


def open_radiance(config: dict[str, Any]) -> PhotoTask:
    """The task of a run that has views to look at."""
    from polyfield.training.photo_task import PhotoTask

    task = open_task(config)
    if not isinstance(task, PhotoTask):
        found = type(task).__name__
        raise InputError(file=config["run"], field="task", found=found, expected="a radiance field")
    return task
