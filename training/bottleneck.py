"""TILTED's first phase: a deliberately weak field finds the rotations that a strong one then keeps.

A CP field with few features cannot represent a scene in wrong frames, so its rotations must turn
to the scene's own (Yi et al. 2023, section 3.3). Only they survive: the field that is wanted starts
anew with them, and they stay fixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from polyfield.errors import InputError
from polyfield.fields.rotations import Rotations
from polyfield.training.phase import QUIET, divided
from polyfield.training.task import Task

FEATURES = 32  # of the weak field, at least; the paper's number
# Along its lines. The paper has 1024, and 5000 steps: in hundreds of steps rotations are pulled
# nowhere by lines that are still noise (lego_200: 15 dB after 300 steps with 256 vertices).
RESOLUTION = 32
WIDTH = 32  # of its decoder's network
RATE = 0.02  # its learning rate, that of field=cp; of its rotations, too
HOLD = 0.1  # share of the phase until which rotations learn at the full rate


def weakened(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the first phase.

    Args:
        config: of the run; `trainer.bottleneck` is the share of the budget that this phase gets.

    Raises:
        InputError: for a share that is none, or a field without transforms.
    """
    share, transforms = config["trainer"]["bottleneck"], config["field"].get("transforms", 0)
    if not isinstance(share, (int, float)) or not 0 < share < 1:
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
        "rotation_lr": 1.0,
        "rotation_hold": HOLD,
        "rotation_end": 1.0,
        "tv": config["field"].get("tv") or 0.0,
    }
    decoder = {**config["decoder"], "hidden": [WIDTH]}
    if "trunk" in decoder:  # of radiance: all features go through it
        decoder.update(trunk=[WIDTH], skip=-1, summed=1)
    renderer = config.get("renderer")
    if renderer and "faint" in renderer:  # it is for decoders without a trunk
        renderer = {**renderer, "faint": 0.0}
    trainer = {**divided(config["trainer"], share)[0], **QUIET}
    changed = {"field": field, "decoder": decoder, "renderer": renderer, "trainer": trainer}
    if "lr" in (config.get("optimizer") or {}):
        changed["optimizer"] = {**config["optimizer"], "lr": RATE}
    return {**config, **changed, "logging": None}


def kept(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the second phase: what is left of the budget, rotations as they are."""
    field = {**config["field"], "rotation_lr": 0.0}
    trainer = divided(config["trainer"], config["trainer"]["bottleneck"])[1]
    return {**config, "field": field, "trainer": trainer}


def rotations_of(task: Task) -> Rotations:
    """The rotations of a task's field.

    Raises:
        InputError: when it has none.
    """
    for part in task.module.modules():
        if isinstance(part, Rotations):
            return part
    raise InputError(field="field.transforms", found="a field without rotations", expected="some")


def take_rotations(task: Task, weak: Task) -> None:
    """Give a task's field the rotations that a weak one found."""
    with torch.no_grad():
        rotations_of(task).set(rotations_of(weak).matrices())
