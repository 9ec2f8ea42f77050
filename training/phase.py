"""Phases: short trainings before the one that is wanted, which get a share of its budget."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from polyfield.training.assembly import build_task, build_trainer
from polyfield.training.catalogue import Data
from polyfield.training.progress import Display
from polyfield.training.task import Task

# Keys of `trainer` that give a share of the budget to a phase.
SHARES = ("bottleneck", "geometry")
QUIET = {"eval_every": 0, "save_every": 0, "save_seconds": 0.0, "log_every": 0}


def divided(trainer: Mapping[str, Any], share: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """A trainer's node in two, neither with a phase before it: together they use its budget.

    Args:
        share: of the budget that the first gets; the second gets the rest.
    """
    whole = {**trainer, **dict.fromkeys(SHARES, 0.0)}
    steps, seconds = trainer.get("max_steps"), trainer.get("max_seconds")
    first, second = dict(whole), dict(whole)
    if steps is not None:
        first["max_steps"] = max(round(share * steps), 1)
        second["max_steps"] = max(steps - round(share * steps), 1)
    if seconds is not None:
        first["max_seconds"], second["max_seconds"] = share * seconds, (1 - share) * seconds
    return first, second


class Trained(NamedTuple):
    """A phase's task after its training, and the seconds that this took."""

    task: Task
    seconds: float


def trained(config: Mapping[str, Any], data: Data, display: Display | None = None) -> Trained:
    """Train a phase; no run is left of it.

    Raises:
        KeyboardInterrupt: when it was interrupted.
    """
    task = build_task(config, data)
    with tempfile.TemporaryDirectory(prefix="polyfield-phase-") as folder:
        outcome = build_trainer(config, task, Path(folder), display=display).train()
    if outcome.interrupted:
        raise KeyboardInterrupt
    return Trained(task, outcome.elapsed)
