"""Other people's public code on this machine and the same photos.

Each is run from its checkout in `peers=DIR`, by `DIR/<name>/.venv/bin/python` where there is one.
What is absent is recorded as not run, never guessed.
"""

from __future__ import annotations

import re
import sys
import tempfile
from functools import partial
from typing import Any

from polyfield.benchmarks.cells import Cell, NotRun, Settings
from polyfield.benchmarks.processes import run

NAME = "peers"
TITLE = "Beside others"
NOTE = (
    "Public code of others, on the same photos and test views. Seconds are of wall clock, their "
    "own evaluations included; `30 dB` and `31.5 dB` are of 5 test views every 100 steps."
)
COLUMNS = {
    "seconds": ("seconds", ".0f"),
    "psnr": ("PSNR dB", ".2f"),
    "30": ("30 dB s", ".0f"),
    "31.5": ("31.5 dB s", ".0f"),
}
LEVELS = (30, 31.5)
# The configuration of their lego, at the size of our photos and a grid of 64^3 to 128^3.
TENSORF = {
    "config": "configs/lego.txt",
    "downsample_train": 4.0,
    "batch_size": 1024,
    "N_voxel_init": 64**3,
    "N_voxel_final": 128**3,
    "N_vis": 5,
    "vis_every": 100,
    "progress_refresh_rate": 10,
}
STEPS = 2000
SCHEDULE = {"upsamp_list": (2000, 3000, 4000, 5500, 7000), "update_AlphaMask_list": (2000, 4000)}


def cells(settings: Settings) -> list[Cell]:
    """TensoRF on lego."""
    steps = max(round(STEPS * settings.budget), 1)
    depends = {**TENSORF, "steps": steps}
    return [
        Cell(NAME, f"TensoRF lego_200 {steps} steps", depends, partial(tensorf, settings, steps))
    ]


def tensorf(settings: Settings, steps: int) -> dict[str, Any]:
    """Train TensoRF and read its progress line.

    Source: Chen et al. 2022, github.com/apchenstu/TensoRF.
    """
    if settings.peers is None:
        raise NotRun("peers=DIR not given")
    home = settings.peers / "TensoRF"
    if not (home / "train.py").exists():
        raise NotRun(f"no checkout at {home}")
    own = home / ".venv" / "bin" / "python"
    words = [f"--{key}={value}" for key, value in TENSORF.items()]
    # Their schedule, whose last event is at step 7000, shortened in proportion.
    for key, at in SCHEDULE.items():
        words += [f"--{key}={max(step * steps // 10000, 1)}" for step in at]
    with tempfile.TemporaryDirectory() as logs:
        done = run(
            [
                str(own if own.exists() else sys.executable),
                *("train.py", *words, f"--n_iters={steps}", f"--basedir={logs}", "--expname=bench"),
                *(f"--datadir={settings.scene('lego_200')}", "--render_test=1"),
            ],
            cwd=home,
        )
    final = re.findall(r"test all psnr: ([\d.]+)", done.output)
    if not final:
        raise NotRun("no score in its output")
    return {"seconds": done.seconds, "psnr": float(final[-1]), **times(done.output)}


def times(output: str) -> dict[str, float | None]:
    """Seconds after which each level was first shown, from lines of tqdm."""
    found: dict[str, float | None] = {str(level): None for level in LEVELS}
    for psnr, clock in re.findall(r"test_psnr = ([\d.]+).*?\[([\d:]+)<", output):
        seconds = 0.0
        for part in clock.split(":"):
            seconds = 60 * seconds + int(part)
        for level in LEVELS:
            if found[str(level)] is None and float(psnr) >= level:
                found[str(level)] = seconds
    return found
