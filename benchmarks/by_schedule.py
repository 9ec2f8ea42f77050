"""Cells of a schedule: a training in steps, scored along the way as a peer's is.

For what somebody else's code trains by the same schedule: the scores of both at the same steps say
how they learn, the seconds how fast they are.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from polyfield.benchmarks.training import Looks
from polyfield.commands.schema import configuration
from polyfield.datasets.load import load_scene
from polyfield.training.assembly import build_task, build_trainer
from polyfield.training.radiance import RadianceTask
from polyfield.training.trainer import Trainer


def measure(data: str, words: list[str], steps: int, look_every: int) -> dict[str, Any]:
    """Train, and score all test views along the way.

    Args:
        data: the scene's folder.
        words: settings as on the command line.
        steps: of training.
        look_every: steps between scores.
    """
    config = configuration(
        f"data={data}", *words, f"trainer.max_steps={steps}", "trainer.log_every=0"
    )
    scene = load_scene(**config["dataset"])
    task = build_task(config, scene)
    assert isinstance(task, RadianceTask)
    watch = Looks(task, [], None)

    def look(trainer: Trainer) -> None:
        if trainer.step % look_every == 0:
            watch.look(trainer)

    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as folder:
        outcome = build_trainer(config, task, Path(folder), on_step=[look]).train()
    if outcome.interrupted:
        raise KeyboardInterrupt
    return {
        "looks": watch.seen,
        "psnr": watch.seen[-1]["psnr"],
        "steps": outcome.step,
        "seconds": outcome.elapsed,
        "milliseconds_per_step": 1000 * outcome.elapsed / outcome.step,
    }
