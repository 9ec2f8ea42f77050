"""Cells of size: what a field reaches with its parameters in a number of steps."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from polyfield.commands.schema import configuration
from polyfield.training.assembly import build_trainer
from polyfield.training.catalogue import load_data
from polyfield.training.preparation import prepared_task


def measure(data: str, words: list[str], steps: int) -> dict[str, Any]:
    """One training: the name and value of its score, parameters, seconds of training.

    Args:
        data: a file or folder.
        words: settings as on the command line.
        steps: of training, those of a phase before it included.
    """
    config = configuration(
        f"data={data}", *words, f"trainer.max_steps={steps}", "trainer.log_every=0"
    )
    task, settled, before = prepared_task(config, load_data(config))
    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as folder:
        trainer = build_trainer(settled, task, Path(folder))
        outcome = trainer.train()
        if outcome.interrupted:
            raise KeyboardInterrupt
        with trainer.average.applied() if trainer.average else nullcontext():
            scores = task.evaluate("test", None, None)
    parameters = sum(p.numel() for group in task.parameter_groups() for p in group["params"])
    return {
        "score": task.score_name,
        "value": float(scores[task.score_name]),
        "parameters": parameters,
        "seconds": before + outcome.elapsed,
    }
