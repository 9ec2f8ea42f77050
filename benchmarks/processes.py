"""Running `polyfield` in a process of its own, with its time and its peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polyfield.benchmarks.cells import NotRun


@dataclass(frozen=True)
class Finished:
    """A process that ended well.

    Attributes:
        seconds: of wall clock.
        peak_bytes: the most memory that it had, None where the system does not say.
        output: what it printed.
    """

    seconds: float
    peak_bytes: int | None
    output: str


def run(command: Sequence[str], cwd: Path | None = None) -> Finished:
    """Run a command to its end.

    Raises:
        NotRun: when it fails, with the last line that it said.
    """
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            list(command), cwd=cwd, stdout=output, stderr=subprocess.STDOUT, text=True
        )
        peak = None
        if hasattr(os, "wait4"):
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        process.wait()
        seconds = time.perf_counter() - began
        output.seek(0)
        said = output.read()
    if process.returncode != 0:
        last = said.strip().splitlines()[-1] if said.strip() else f"status {process.returncode}"
        raise NotRun(last)
    return Finished(seconds, peak, said)


def polyfield(*words: str) -> Finished:
    """Run `polyfield WORDS...`."""
    return run([sys.executable, "-m", "polyfield", *words])
