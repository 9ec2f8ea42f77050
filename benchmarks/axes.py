"""Cells of signals on grids: a field of networks along the axes against a network of all of them.

Letters: n samples along an edge of the built-in volume.
"""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from polyfield.commands.schema import configuration
from polyfield.datasets.procedural import procedural_scene, procedural_truth
from polyfield.fields.factored.product_grid import grid_points
from polyfield.training.assembly import build_task, build_trainer
from polyfield.training.catalogue import load_data
from polyfield.training.trainer import Trainer

EDGE = 1.5  # samples within which the density of the built-in volume falls from 0.88 to 0.12
ALONG = 96  # n


def measure(
    words: list[str],
    contenders: dict[str, list[str]],
    seconds: float,
    looks: list[float],
    data: str | None = None,
) -> dict[str, Any]:
    """Train each contender on a signal for as long, and look at it on the way.

    Args:
        words: settings as on the command line; contenders: more of them, by name.
        seconds: of training.
        looks: seconds of training after which the whole signal is scored.
        data: a file or folder; the built-in volume where there is none.
    """
    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as folder:
        path = data or str(built_in_volume(Path(folder) / "volume.npy"))
        return {
            name: train([f"data={path}", *words, *more], seconds, looks)
            for name, more in contenders.items()
        }


def train(words: list[str], seconds: float, looks: list[float]) -> dict[str, Any]:
    """One training: looks along it, parameters, steps."""
    config = configuration(*words, f"trainer.max_seconds={seconds}", "trainer.log_every=0")
    task = build_task(config, load_data(config))
    waiting, seen = sorted(at for at in looks if at < seconds), []

    def look(trainer: Trainer) -> None:
        if not waiting or trainer.elapsed < waiting[0]:
            return
        while waiting and trainer.elapsed >= waiting[0]:
            waiting.pop(0)
        with trainer.average.applied() if trainer.average else nullcontext():
            psnr = task.evaluate("test", None, 1)["psnr"]
        seen.append({"seconds": trainer.elapsed, "step": trainer.step, "psnr": psnr})

    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as folder:
        trainer = build_trainer(config, task, Path(folder), on_step=[look])
        outcome = trainer.train()
        if outcome.interrupted:
            raise KeyboardInterrupt
        with trainer.average.applied() if trainer.average else nullcontext():
            scores = task.evaluate("test", None, None)
    final = {"seconds": outcome.elapsed, "step": outcome.step, "psnr": scores["psnr"]}
    groups = task.parameter_groups()
    return {
        "looks": [*seen, final],
        "psnr": scores["psnr"],
        "resolution": scores["resolution"],
        "parameters": sum(p.numel() for group in groups for p in group["params"]),
        "milliseconds_per_step": 1000 * outcome.elapsed / outcome.step,
        "sample_seconds": scores["seconds"],
    }


def built_in_volume(file: Path, n: int = ALONG) -> Path:
    """The solids of the built-in scene as densities in [0, 1], n samples along an edge."""
    scene = procedural_scene(1, 1, 8)
    low, high = scene.bounds.double()
    places = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    axes = [low[a] + (high[a] - low[a]) * places for a in range(3)]
    distance = procedural_truth(scene).signed_distance(grid_points(axes))
    width = EDGE * float((high - low).max()) / n
    density = 0.5 - 0.5 * torch.tanh(distance / width)
    np.save(file, density.view(n, n, n).float().numpy())
    return file
