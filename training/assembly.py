"""A task, and its trainer, of a configuration: the plain data of `conf/` or of a run.

dataset  -> data      (catalogue.load_data)
field, decoder, renderer, task -> task      (radiance_assembly, signal_assembly)
trainer, optimizer, logging    -> trainer
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from polyfield.errors import InputError
from polyfield.training.cadence import Cadence
from polyfield.training.catalogue import Data, task_kind
from polyfield.training.instantiate import configuration_node, make
from polyfield.training.progress import Display
from polyfield.training.schedules import Schedule
from polyfield.training.task import Task
from polyfield.training.trainer import Trainer

Config = Mapping[str, Any]

DEFAULT_SECONDS = 300.0


def with_budget(config: Config) -> dict[str, Any]:
    """A configuration whose trainer is bounded: in seconds, where nothing bounds it."""
    trainer = dict(config.get("trainer") or {})
    if trainer.get("max_steps") is None and trainer.get("max_seconds") is None:
        trainer["max_seconds"] = DEFAULT_SECONDS
    return {**config, "trainer": trainer}


def build_task(config: Config, data: Data) -> Task:
    """The task of a configuration.

    Args:
        config: nodes `field`, `decoder`, `renderer`, `task` (with `name`), optionally `domain`,
            `seed`, and `trust`: packages whose classes may be named besides polyfield's.
        data: what is learned: a scene, or the signal that the task is about.

    Raises:
        InputError: for what is missing, unknown, not trusted or does not fit together.
    """
    kind = task_kind(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(config.get("seed") or 0))
        return kind.build(config, data)


def build_trainer(
    config: Config,
    task: Task,
    run: Path | str,
    *,
    display: Display | None = None,
    on_step: Sequence[Callable[[Trainer], None]] = (),
) -> Trainer:
    """The trainer of a configuration: its nodes `trainer`, `optimizer`, `logging` and `seed`."""
    settings = with_budget(config)["trainer"]
    cadence = Cadence(**_taken(settings, [field.name for field in fields(Cadence)]))
    if cadence.eval_every and cadence.eval_split not in task.splits:
        have = " or ".join(task.splits)
        raise InputError(field="trainer.eval_split", found=cadence.eval_split, expected=have)
    schedule = _taken(settings, ["decay", "final", "warmup_steps", "hold"])
    if "decay" in schedule:
        schedule["kind"] = schedule.pop("decay")
    _taken(settings, ["bottleneck", "geometry"])  # phases before this one: `training.preparation`
    unknown = set(settings) - {"max_steps", "max_seconds", "ema", "restart"}
    if unknown:
        raise InputError(field=f"trainer.{min(unknown)}", found="an unknown key")

    def optimizer(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        trust, kind = config.get("trust") or (), torch.optim.Optimizer
        node = configuration_node(config, "optimizer")
        return make(node, groups, kind=kind, trust=trust, field="optimizer")

    return Trainer(
        task,
        run,
        optimizer=optimizer,
        schedule=Schedule(**schedule),
        seed=int(config.get("seed") or 0),
        cadence=cadence,
        score=task.score_name,
        logging=config.get("logging"),
        display=display,
        on_step=on_step,
        **settings,
    )


def _taken(settings: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The settings of these names, taken out."""
    return {name: settings.pop(name) for name in names if name in settings}
