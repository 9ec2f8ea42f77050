"""Cells of rotation: what a field owes to the axes, by scores of straight and of turned data."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from polyfield.commands.schema import configuration
from polyfield.training.assembly import build_task, build_trainer
from polyfield.training.bottleneck import find_rotations, kept, take_rotations, weakened
from polyfield.training.catalogue import load_data, task_kind


def measure(data: str, words: list[str], turns: list[list[str]], steps: int) -> dict[str, Any]:
    """Train on the data in each orientation, and score it.

    Args:
        data: a file or folder.
        words: settings as on the command line.
        turns: settings that turn the data, for each orientation; the first leaves it as it is.
        steps: of training, those in which rotations are found included.
    """
    results = [train(data, [*words, *turn], steps) for turn in turns]
    return {
        "score": results[0]["score"],
        "parameters": results[0]["parameters"],
        "straight": results[0]["value"],
        "turned": [result["value"] for result in results[1:]],
        "seconds": [result["seconds"] for result in results],
    }


def train(data: str, words: list[str], steps: int) -> dict[str, Any]:
    """One training: the name and value of its score, parameters, seconds of training."""
    config = configuration(
        f"data={data}", *words, f"trainer.max_steps={steps}", "trainer.log_every=0"
    )
    found = load_data(config)
    config = task_kind(config).settle(config, found)
    weak = weakened(config) if config["trainer"]["bottleneck"] else None
    config = kept(config) if weak else config
    task = build_task(config, found)
    if weak is not None:
        rotations = find_rotations(weak, found)
        if rotations is None:
            raise KeyboardInterrupt
        take_rotations(task, rotations)
    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as folder:
        outcome = build_trainer(config, task, Path(folder)).train()
    if outcome.interrupted:
        raise KeyboardInterrupt
    scores = task.evaluate("test", None, None)
    parameters = sum(p.numel() for group in task.parameter_groups() for p in group["params"])
    return {
        "score": task.score_name,
        "value": float(scores[task.score_name]),
        "parameters": parameters,
        "seconds": outcome.elapsed,
    }
