"""Measurements, one JSON each: measured once for a configuration, and kept with where and when."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import polyfield
from polyfield.commands.installation import machine
from polyfield.training.durable import replace_file


class NotRun(Exception):
    """A cell that cannot be measured here; its text says why."""


@dataclass(frozen=True)
class Settings:
    """What a bench is asked for.

    Attributes:
        budget: multiplies the seconds of every training.
        data: a folder with evaluation scenes, or None.
        peers: a folder with other people's code, or None.
        out: where cells and runs are kept.
    """

    budget: float
    data: Path | None
    peers: Path | None
    out: Path

    def scene(self, name: str) -> str:
        """The path of a scene by the name of its folder, wherever it lies below `data`.

        Raises:
            NotRun: when it is not there.
        """
        if name == "procedural":
            return name
        if self.data is None:
            raise NotRun("data=DIR not given")
        for path in sorted(self.data.rglob(name)):
            if path.is_dir():
                return str(path)
        raise NotRun(f"no {name} in {self.data}")


@dataclass(frozen=True)
class Cell:
    """One measurement.

    Attributes:
        suite: the table that it is a row of.
        name: the row, unique in its table.
        depends: plain data that decides the outcome; another value is another measurement.
        measure: takes it; numbers by column.
    """

    suite: str
    name: str
    depends: dict[str, Any]
    measure: Callable[[], dict[str, Any]]

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits of the suite, the name and what the cell depends on."""
        text = json.dumps([self.suite, self.name, self.depends], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def measure_all(
    cells: Iterable[Cell], out: Path, say: Callable[[str], None] = print
) -> list[dict[str, Any]]:
    """Measure the cells that are not measured yet.

    Args:
        out: where the JSONs are.
        say: told of every cell.

    Returns:
        The records, in order: those on disk and those of cells that could not be run.
    """
    out.mkdir(parents=True, exist_ok=True)
    records = []
    for cell in cells:
        file = out / f"{cell.suite}-{cell.name.replace('/', '_').replace(' ', '_')}-{cell.key}.json"
        title = f"{cell.suite}: {cell.name}"
        if file.exists():
            say(f"{title}: measured before")
            records.append(json.loads(file.read_text(encoding="utf-8")))
            continue
        say(f"{title} ...")
        record = {"suite": cell.suite, "name": cell.name, "key": cell.key, **provenance()}
        record["depends"] = cell.depends
        began = time.perf_counter()
        try:
            record["numbers"] = cell.measure()
        except NotRun as reason:
            say(f"{title}: not run, {reason}")
            records.append({**record, "not_run": str(reason)})
            continue
        record["seconds"] = round(time.perf_counter() - began, 1)
        replace_file(file, (json.dumps(record, indent=1) + "\n").encode())
        records.append(record)
    return records


def provenance() -> dict[str, Any]:
    """Where and when something is measured, and of what."""
    facts = machine()
    return {
        "version": polyfield.__version__,
        "commit": commit(),
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": f"{facts['processor']}, {facts['cores']} cores, {facts['vectors']}",
    }


def commit() -> str:
    """The commit of this working tree, `+` where it was changed since; "installed" for a wheel."""
    root = Path(str(polyfield.__file__)).parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root.resolve():
            return "installed"
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "installed"
