"""Cells of files of Gaussians: seconds to read and write them, and how large they are.

What is written is flushed to the disk and what is read was just written, so that it is in memory.
Processor time stands beside the clock's: of a shared machine it says more.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from polyfield.benchmarks.running import environment
from polyfield.splats import Splats
from polyfield.splats.formats import read_splats, write_splats
from polyfield.splats.splats import HARMONICS

OPACITY = 0.02  # the least that is made, so that a conversion leaves none out


def measure(
    suffix: str, gaussians: int, degree: int, repetitions: int, into: str | None = None
) -> dict[str, Any]:
    """Bytes a Gaussian, and by "write" and "read", or "convert": "seconds" and "cpu".

    Args:
        suffix: of the file's name, which tells the format.
        gaussians: how many, made at random.
        degree: of their harmonics.
        repetitions: of which the best counts.
        into: the suffix that `polyfield convert` is to write, its process and start included.
    """
    splats = made(gaussians, degree)
    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as folder:
        file = Path(folder) / f"a{suffix}"
        write = best(lambda: write_splats(splats, file), repetitions)
        bytes_each = file.stat().st_size / gaussians
        if into is None:
            read = best(lambda: read_splats(file), repetitions)
            return {"bytes": bytes_each, "write": write, "read": read}
        other = Path(folder) / f"b{into}"
        seconds = best(lambda: convert(file, other), repetitions)
        return {"bytes": other.stat().st_size / gaussians, "convert": seconds}


def made(n: int, degree: int) -> Splats:
    """Gaussians around a sphere, flat and small, the same every time."""
    random = np.random.default_rng(0)
    directions = random.normal(size=(n, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    opacity = random.uniform(OPACITY, 1 - OPACITY, n)
    return Splats(
        means=directions * random.normal(2, 0.1, (n, 1)),
        quats=random.normal(size=(n, 4)),
        log_scales=random.normal(-4.5, 0.7, (n, 3)) - np.array([0, 0, 1.5]),
        opacity_logits=np.log(opacity / (1 - opacity)),
        sh_dc=random.normal(size=(n, 3)),
        sh_rest=random.normal(0, 0.1, (n, HARMONICS[degree], 3)),
    )


def best(run: Callable[[], object], repetitions: int) -> dict[str, float]:
    """The least seconds by the clock, and the least of processors, this process's and its own."""
    turns = []
    for _ in range(repetitions):
        began, used = time.perf_counter(), processor_seconds()
        run()
        turns.append((time.perf_counter() - began, processor_seconds() - used))
    seconds, cpu = (min(column) for column in zip(*turns, strict=True))
    return {"seconds": seconds, "cpu": cpu}


def processor_seconds() -> float:
    """What this process has used, and those that it began and that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def convert(file: Path, out: Path) -> None:
    """`polyfield convert`, once."""
    words = ["convert", str(file), str(out), "overwrite=true"]
    subprocess.run(
        [sys.executable, "-m", "polyfield", *words],
        check=True,
        capture_output=True,
        env=environment(),
    )
