"""Quality for time: each field on each scene, trained for some seconds on this machine."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from polyfield.benchmarks.cells import Cell, Settings
from polyfield.benchmarks.processes import polyfield
from polyfield.training.records import read_records

NAME = "scenes"
TITLE = "Quality for time"
NOTE = (
    "Trained for the seconds given, then scored on all held-out views. `30 dB` and `32 dB`: "
    "seconds of training after which 8 of these views first reach it, in the same run."
)
COLUMNS = {
    "train_seconds": ("seconds", ".0f"),
    "steps": ("steps", ",d"),
    "psnr": ("PSNR dB", ".2f"),
    "ssim": ("SSIM", ".4f"),
    "30": ("30 dB s", ".1f"),
    "32": ("32 dB s", ".1f"),
    "peak_mb": ("peak MB", ",.0f"),
}
LEVELS = (30, 32)
# (scene, seconds, fields)
TRAININGS = (
    ("procedural", 60, ("hash", "dense", "mlp")),
    ("lego_200", 20, ("hash",)),
    ("lego_200", 60, ("hash", "dense", "mlp")),
    ("lego_200", 600, ("hash",)),
    ("lego_400", 600, ("hash",)),
    ("fox", 300, ("hash",)),
    ("llff_fern", 300, ("hash",)),
    ("colmap_cup", 300, ("hash",)),
)


def cells(settings: Settings) -> list[Cell]:
    """A cell a training."""
    made = []
    for scene, seconds, fields in TRAININGS:
        for field in fields:
            budget = seconds * settings.budget
            depends = {"scene": scene, "field": field, "seconds": budget}
            name = f"{scene} {field} {budget:g} s"
            made.append(Cell(NAME, name, depends, partial(measure, settings, scene, field, budget)))
    return made


def measure(settings: Settings, scene: str, field: str, seconds: float) -> dict[str, Any]:
    """Train in a process of its own and read the scores."""
    data = settings.scene(scene)
    run = settings.out / "runs" / f"{scene}-{field}-{seconds:g}"
    if run.exists():  # a bench that was stopped in the middle
        shutil.rmtree(run)
    done = polyfield(
        *("train", f"data={data}", f"field={field}", f"run={run}"),
        *(f"trainer.max_seconds={seconds}", "trainer.eval_every=100", "trainer.eval_images=8"),
        "trainer.log_every=100",
    )
    scores = json.loads((run / "eval.json").read_text(encoding="utf-8"))
    return {
        "train_seconds": seconds,
        "steps": scores["step"],
        "psnr": scores["psnr"],
        "ssim": scores["ssim"],
        "peak_mb": None if done.peak_bytes is None else done.peak_bytes / 1e6,
        **{str(level): seconds_until(run, level) for level in LEVELS},
    }


def seconds_until(run: Path, level: float) -> float | None:
    """Seconds of training until an evaluation first reached a PSNR; None if none did."""
    elapsed: dict[int, float] = {}
    for row in read_records(run):
        if "elapsed" in row:
            elapsed[row["step"]] = row["elapsed"]
        if row.get("eval/psnr", 0.0) >= level and row["step"] in elapsed:
            return elapsed[row["step"]]
    return None
