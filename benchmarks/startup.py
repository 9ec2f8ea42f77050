"""Cells of starting up: how long one waits for help, and for the first step of a training."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from polyfield.benchmarks.cells import NotRun
from polyfield.benchmarks.running import environment

PATIENCE = 600.0  # seconds
POLL = 0.01


def measure(what: str, repetitions: int = 1, data: str | None = None) -> dict[str, Any]:
    """Seconds of wall clock, from the start of a process.

    Args:
        what: "help", or "first step" of a training on `data`: with nothing compiled, and with what
            that left in the cache.
        repetitions: of help and of the warm start.
    """
    if what == "help":
        return {"seconds": spread([help_seconds() for _ in range(repetitions)])}
    assert data is not None
    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as folder:
        cache = Path(folder) / "cache"
        cold = first_step(data, Path(folder) / "cold", cache)
        warm = [first_step(data, Path(folder) / f"warm{i}", cache) for i in range(repetitions)]
    return {"cold": cold, "warm": spread(warm)}


def spread(seconds: list[float]) -> dict[str, float]:
    """The best and the median."""
    return {"best": min(seconds), "median": statistics.median(seconds)}


def help_seconds() -> float:
    """`polyfield --help`, once."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "polyfield", "--help"],
        check=True,
        capture_output=True,
        env=environment(),
    )
    return time.perf_counter() - began


def first_step(data: str, run: Path, cache: Path) -> float:
    """`polyfield train` until its first step is in `metrics.jsonl`.

    Args:
        run: where the training goes; it is stopped after that step.
        cache: where numba keeps what it compiles.
    """
    words = [f"data={data}", f"run={run}", "trainer.log_every=1", "trainer.max_steps=1"]
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "polyfield", "train", *words],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(NUMBA_CACHE_DIR=str(cache)),
        )
        try:
            while not written(run / "metrics.jsonl"):
                if process.poll() is not None or time.perf_counter() - began > PATIENCE:
                    output.seek(0)
                    lines = output.read().strip().splitlines() or ["nothing"]
                    raise NotRun(f"no first step: {lines[-1]}")
                time.sleep(POLL)
            return time.perf_counter() - began
        finally:
            process.kill()
            process.wait()


def written(file: Path) -> bool:
    """Whether a file has its first line."""
    return file.exists() and file.stat().st_size > 0
