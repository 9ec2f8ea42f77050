"""Cells of rotation: what a field owes to the axes, by scores of straight and of turned data."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from polyfield.commands.schema import configuration
from polyfield.training.assembly import build_trainer
from polyfield.training.catalogue import load_data
from polyfield.training.preparation import prepared_task


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
    task, settled, before = prepared_task(config, load_data(config))
    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as folder:
        outcome = build_trainer(settled, task, Path(folder)).train()
    if outcome.interrupted:
        raise KeyboardInterrupt
    scores = task.evaluate("test", None, None)
    parameters = sum(p.numel() for group in task.parameter_groups() for p in group["params"])
    return {
        "score": task.score_name,
        "value": float(scores[task.score_name]),
        "parameters": parameters,
        "seconds": before + outcome.elapsed,
    }
