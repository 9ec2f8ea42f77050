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


def part_of(trainer: Mapping[str, Any], share: float) -> dict[str, Any]:
    """A trainer's node with a share of its budget, and no phase before it."""
    bounds = {name: trainer.get(name) for name in ("max_steps", "max_seconds")}
    parts = {k: max(type(v)(share * v), 1) for k, v in bounds.items() if v is not None}
    return {**trainer, **parts, **dict.fromkeys(SHARES, 0.0)}


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
