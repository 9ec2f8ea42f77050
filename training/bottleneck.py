"""TILTED's first phase: a deliberately weak field finds the rotations that a strong one then keeps.

A CP field with few features cannot represent a scene in wrong frames, so its rotations must turn
to the scene's own (Yi et al. 2023, section 3.3). Only they survive: the field that is wanted starts
anew with them, and they stay fixed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.errors import InputError
from polyfield.fields.rotations import Rotations
from polyfield.training.assembly import build_task, build_trainer
from polyfield.training.catalogue import Data
from polyfield.training.progress import Display
from polyfield.training.task import Task

FEATURES = 32  # of the weak field, at least; the paper's number
RESOLUTION = 256
WIDTH = 32  # of its decoder's network
HOLD = 0.1  # share of the phase until which rotations learn at the full rate


def weakened(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the first phase.

    Args:
        config: of the run; `trainer.bottleneck` is the share of the budget that this phase gets.

    Raises:
        InputError: for a share that is none, or a field without transforms.
    """
    share, transforms = config["trainer"]["bottleneck"], config["field"].get("transforms", 0)
    if not 0 < share < 1:
        raise InputError(field="trainer.bottleneck", found=share, expected="0, or below 1")
    if not transforms:
        raise InputError(
            field="trainer.bottleneck",
            found=f"{share:g}, and a field without transforms",
            expected="0, or field.transforms above 0",
        )
    field = {
        "_target_": "polyfield.fields.CP",
        "resolution": RESOLUTION,
        "density": 0,
        "color": -(-FEATURES // transforms) * transforms,
        "transforms": transforms,
        "reach": config["field"].get("reach", 1.0),
        "rotation_lr": config["field"].get("rotation_lr") or 1.0,
        "rotation_hold": HOLD,
        "rotation_end": 1.0,
    }
    layers = "trunk" if "trunk" in config["decoder"] else "hidden"  # of radiance, of a signal
    decoder = {"_target_": config["decoder"]["_target_"], layers: [WIDTH]}
    trainer = {**config["trainer"], "bottleneck": 0.0}
    for bound in ("max_steps", "max_seconds"):
        if trainer.get(bound) is not None:
            trainer[bound] = max(type(trainer[bound])(share * trainer[bound]), 1)
    quiet = {"eval_every": 0, "save_every": 0, "save_seconds": 0.0, "log_every": 0}
    return {**config, "field": field, "decoder": decoder, "trainer": {**trainer, **quiet}}


def kept(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the second phase: rotations stay as they are."""
    return {**config, "field": {**config["field"], "rotation_lr": 0.0}}


def find_rotations(
    weak: Mapping[str, Any], data: Data, display: Display | None = None
) -> Float[Tensor, "t 3 3"] | None:
    """The rotations that a weak field finds for its data; None when it was interrupted.

    Args:
        weak: the configuration of the first phase, see `weakened`.
    """
    task = build_task(weak, data)
    with tempfile.TemporaryDirectory(prefix="polyfield-bottleneck-") as folder:
        outcome = build_trainer(weak, task, Path(folder), display=display).train()
    if outcome.interrupted:
        return None
    return rotations_of(task).matrices().detach()


def rotations_of(task: Task) -> Rotations:
    """The rotations of a task's field."""
    return next(part for part in task.module.modules() if isinstance(part, Rotations))


def take_rotations(task: Task, found: Float[Tensor, "t 3 3"]) -> None:
    """Give a task's field the rotations that were found."""
    with torch.no_grad():
        rotations_of(task).set(found)
