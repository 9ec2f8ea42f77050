"""Taking the measurements that are not there yet, each in a process of its own.

A process of its own gives a cell its own peak memory and a heap that no other cell has been in, and
a cell that crashes takes nothing with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from polyfield.benchmarks.cells import (
    Cell,
    Crashed,
    Folders,
    NotRun,
    Record,
    is_current,
    read_record,
    write_record,
)
from polyfield.benchmarks.provenance import provenance
from polyfield.cli import SPINS

Say = Callable[[str], None]


def run_cells(
    cells: Iterable[Cell],
    out: Path,
    folders: Folders,
    *,
    revision: str,
    fresh: bool = False,
    say: Say = print,
) -> tuple[dict[str, str], dict[str, str]]:
    """Measure the cells whose record is not of now.

    Args:
        out: where the records are.
        revision: the state of the code.
        fresh: measure also what is there.
        say: told of every cell.

    Returns:
        Why not, by the name of each cell that was not measured: of those that cannot be measured
        here, and of those that crashed.
    """
    absent: dict[str, str] = {}
    crashed: dict[str, str] = {}
    for cell in cells:
        file = cell.file(out)
        if not fresh and is_current(read_record(file), cell, revision):
            say(f"{cell.name}: there")
            continue
        began = time.perf_counter()
        try:
            arguments = cell.arguments(folders)
            say(f"{cell.name} ...")
            answer = in_process(cell.module, arguments)
        except (NotRun, Crashed) as reason:
            (absent if isinstance(reason, NotRun) else crashed)[cell.name] = str(reason)
            say(f"{cell.name}: {reason}")
            continue
        seconds = time.perf_counter() - began
        write_record(file, record_of(cell, answer, revision, seconds))
        say(f"{cell.name}: {seconds:.0f} s")
    return absent, crashed


def record_of(cell: Cell, answer: dict[str, Any], revision: str, seconds: float) -> Record:
    """The record of a measurement.

    Args:
        answer: of `in_process`: "machine" and "values".
        seconds: that it took.
    """
    return {
        "cell": cell.name,
        "suite": cell.suite,
        "settings": dict(cell.settings),
        "data": cell.data,
        "hash": cell.hash,
        **provenance(revision),
        "machine": answer["machine"],
        "seconds": round(seconds, 1),
        "values": answer["values"],
    }


def in_process(module: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call `measure` of a module of this package in a new process.

    Returns:
        "machine" and "values".

    Raises:
        NotRun: when it says that it cannot be run here.
        Crashed: when it fails.
    """
    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as folder:
        question, answer = Path(folder) / "question.json", Path(folder) / "answer.json"
        question.write_text(json.dumps({"module": module, "arguments": arguments}))
        command = [sys.executable, "-m", "polyfield.benchmarks.process", str(question), str(answer)]
        # It ends when the pipe it reads from does: with this process, should that be killed.
        with subprocess.Popen(
            command,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as child:
            assert child.stdout is not None
            said = child.stdout.read()
        if child.returncode != 0 or not answer.exists():
            print(said[-4000:], file=sys.stderr)
            lines = said.strip().splitlines() or [f"exit status {child.returncode}"]
            raise Crashed(f"failed: {lines[-1]}")
        found = json.loads(answer.read_text())
    if "not_run" in found:
        raise NotRun(found["not_run"])
    return dict(found)


def environment(**more: str) -> dict[str, str]:
    """That of a process that is measured: as the command line sets it."""
    return {"GOMP_SPINCOUNT": SPINS, **os.environ, **more}
