"""How long one waits before anything happens."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from polyfield.benchmarks.cells import Cell, Settings
from polyfield.benchmarks.processes import polyfield

NAME = "startup"
TITLE = "Starting"
NOTE = "Wall-clock seconds of whole processes, median of 5 and of 3, kernels compiled before."
COLUMNS = {"seconds": ("seconds", ".2f")}


def cells(settings: Settings) -> list[Cell]:
    """`--help`, and a training of one step."""

    def of_help() -> dict[str, float]:
        return {"seconds": statistics.median(polyfield("--help").seconds for _ in range(5))}

    def of_first_step() -> dict[str, float]:
        seconds = []
        with tempfile.TemporaryDirectory() as folder:
            for i in range(4):
                run = Path(folder) / str(i)
                words = ["data=procedural", f"run={run}", "trainer.max_steps=1"]
                seconds.append(polyfield("train", *words).seconds)
        return {"seconds": statistics.median(seconds[1:])}  # the first may compile

    return [
        Cell(NAME, "polyfield --help", {}, of_help),
        Cell(NAME, "train one step and evaluate ten views", {}, of_first_step),
    ]
