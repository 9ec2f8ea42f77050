"""Cells and their records: what is measured, and what came of it, one JSON file each.

A record is kept for as long as it says what would be measured now: the same settings (their hash)
at the same state of the code (`provenance.revision`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polyfield.durable import replace_json
from polyfield.errors import InputError

FOLDER = "cells"
Record = dict[str, Any]


class NotRun(Exception):
    """A measurement that cannot be taken here; its text says why."""


class Crashed(Exception):
    """A measurement that failed; its text says the last line of its process."""


@dataclass(frozen=True)
class Folders:
    """What a bench is given, each None where it is not.

    Attributes:
        data: holds the evaluation data.
        peers: holds clones of other people's code.
    """

    data: Path | None = None
    peers: Path | None = None


@dataclass(frozen=True)
class Cell:
    """One measurement.

    Attributes:
        suite: what it belongs to.
        name: unique, and the name of its file: letters, digits, dots, dashes, underscores.
        module: of `polyfield.benchmarks`; its `measure` is called.
        settings: plain data, the arguments of `measure`; other settings are another measurement.
        data: the scene that it needs, a path below the data folder, passed as `data`.
        peer: the clone that it needs, a folder below the peers' folder, passed as `peer`.
    """

    suite: str
    name: str
    module: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    data: str | None = None
    peer: str | None = None

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits of everything that decides what is measured."""
        parts = [self.suite, self.name, self.module, dict(self.settings), self.data, self.peer]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    def arguments(self, folders: Folders) -> dict[str, Any]:
        """The settings, and the paths of what the cell needs.

        Raises:
            NotRun: when that is not there.
        """
        found = dict(self.settings)
        for name, needed, folder in (
            ("data", self.data, folders.data),
            ("peer", self.peer, folders.peers),
        ):
            if needed is None:
                continue
            if folder is None or not (folder / needed).exists():
                raise NotRun(f"{name} not found: {needed}")
            found[name] = str((folder / needed).resolve())
        return found

    def file(self, out: Path) -> Path:
        """Where the record is."""
        return out / FOLDER / f"{self.name}.json"


def read_record(file: Path) -> Record | None:
    """A record, None where there is none or none that can be read."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("values"), dict) else None


def write_record(file: Path, record: Record) -> None:
    """Write a record whole or not at all.

    Raises:
        InputError: when the folder cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError("cannot write", file=file.parent, found=error.strerror) from error
    replace_json(file, record)


def is_current(record: Record | None, cell: Cell, revision: str) -> bool:
    """Whether a record says what measuring the cell now would."""
    if record is None:
        return False
    return record.get("hash") == cell.hash and record.get("commit") == revision
