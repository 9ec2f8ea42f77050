"""Milliseconds a picture, of the fields that `scenes` trained."""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import Any

from polyfield.benchmarks.cells import Cell, NotRun, Settings

NAME = "frames"
TITLE = "Rendering"
NOTE = "Milliseconds a picture of an orbit, median of 10, colour and depth."
SIZES = (200, 400, 800)
COLUMNS = {str(size): (f"{size} px", ".1f") for size in SIZES}
FIELDS = ("hash", "dense", "mlp")
SECONDS = 60  # of the trainings in `scenes` that are shown
VIEWS = 10


def cells(settings: Settings) -> list[Cell]:
    """A cell a field, on the built-in scene and on lego."""
    made = []
    for scene in ("procedural", "lego_200"):
        for field in FIELDS:
            depends = {"scene": scene, "field": field, "seconds": SECONDS * settings.budget}
            made.append(
                Cell(NAME, f"{scene} {field}", depends, partial(measure, settings, scene, field))
            )
    return made


def measure(settings: Settings, scene: str, field: str) -> dict[str, Any]:
    """Render an orbit at each size."""
    from polyfield.cameras import orbit
    from polyfield.training.runs import open_run

    run = settings.out / "runs" / f"{scene}-{field}-{SECONDS * settings.budget:g}"
    if not (run / "eval.json").exists():
        raise NotRun("needs the run of suite=scenes")
    _, data, task = open_run(run)
    cameras = orbit(data.cameras[data.splits["train"]], VIEWS + 1)
    numbers = {}
    for size in SIZES:
        scaled = cameras.scaled(size / int(cameras.size[0, 0]))
        times = []
        for i in range(VIEWS + 1):
            began = time.perf_counter()
            task.renderer.image(scaled, i, task.background)
            times.append(time.perf_counter() - began)
        numbers[str(size)] = 1000 * statistics.median(times[1:])
    return numbers
