"""What was measured, by the names of cells, for whoever reads it: tables and targets.

Numbers are compared, so they are of one machine: that of the newest record. What was measured on
another counts as not measured; what was measured of another commit is marked.

A *look* is a score along a training: "seconds" of training, "step" and "psnr" in dB.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from polyfield.benchmarks.cells import Cell, Record, read_record

Values = Mapping[str, Any]
Look = Mapping[str, float]
Looks = Sequence[Look]


@dataclass(frozen=True)
class Book:
    """Records and what is known of those that are missing.

    Attributes:
        cells: those that are expected, in order.
        records: by cell's name; also of cells that are not expected.
        reasons: why a cell was not measured, by its name.
        elsewhere: cells whose record is of another machine than the newest.
    """

    cells: Sequence[Cell]
    records: Mapping[str, Record]
    reasons: Mapping[str, str]
    elsewhere: Sequence[str] = ()

    def values(self, name: str) -> Values | None:
        """What a cell found, None where it was not measured on this machine."""
        record = self.records.get(name)
        return None if record is None or name in self.elsewhere else record["values"]

    def missing(self, name: str) -> str:
        """What to say of a cell that was not measured."""
        if name in self.elsewhere:
            return "measured on another machine"
        reason = self.reasons.get(name, "")
        return reason if "not found" in reason else f"not run{': ' if reason else ''}{reason}"

    def names(self, prefix: str) -> list[str]:
        """Cells whose name begins so: the expected ones in order, then the others."""
        names = [cell.name for cell in self.cells]
        names += [name for name in sorted(self.records) if name not in names]
        return [name for name in names if name.startswith(prefix)]


def read_book(out: Path, cells: Sequence[Cell], known: Sequence[str], reasons: Values) -> Book:
    """The records in a folder.

    Args:
        cells: those that are expected.
        known: names of further cells that are shown where there is a record.
    """
    names = dict.fromkeys([cell.name for cell in cells] + list(known))
    found = {name: read_record(Cell("", name, "").file(out)) for name in names}
    records = {name: record for name, record in found.items() if record is not None}
    newest = max(records.values(), key=lambda record: str(record.get("date")), default={})
    elsewhere = [name for name, record in records.items() if _machine(record) != _machine(newest)]
    for name, record in records.items():
        other = [*(["machine"] if name in elsewhere else [])]
        other += ["commit"] if record.get("commit") != newest.get("commit") else []
        if other:
            mark = f"{record.get('commit')} (another {' and '.join(other)})"
            records[name] = {**record, "commit": mark}
    return Book(cells, records, {k: str(v) for k, v in reasons.items()}, elsewhere)


def _machine(record: Mapping[str, Any]) -> list[Any]:
    """What decides how fast a machine is."""
    facts = record.get("machine") or {}
    return [facts.get(key) for key in ("processor", "cores", "vectors", "system", "threads")]


def seconds_to(looks: Looks, level: float) -> float | None:
    """Seconds of training until a PSNR was reached, linear between looks; None if it never was."""
    before = {"seconds": 0.0, "psnr": -math.inf}
    for look in looks:
        if look["psnr"] >= level:
            if before["psnr"] == -math.inf:
                return look["seconds"]
            share = (level - before["psnr"]) / (look["psnr"] - before["psnr"])
            return before["seconds"] + share * (look["seconds"] - before["seconds"])
        before = dict(look)
    return None


def psnr_at(looks: Looks, seconds: float) -> float | None:
    """PSNR in dB after seconds of training, linear between looks; None outside of them."""
    for before, after in pairwise(looks):
        if before["seconds"] <= seconds <= after["seconds"]:
            span = after["seconds"] - before["seconds"]
            share = (seconds - before["seconds"]) / span if span else 1.0
            return before["psnr"] + share * (after["psnr"] - before["psnr"])
    return None


def at_equal_steps(ours: Values, theirs: Values) -> list[tuple[Look, Look]]:
    """The looks of two trainings at the same steps."""
    by_step = {look["step"]: look for look in theirs["looks"]}
    return [(look, by_step[look["step"]]) for look in ours["looks"] if look["step"] in by_step]


def sooner(ours: Looks, theirs: Looks, level: float) -> float | None:
    """How many times the seconds that ours took to a PSNR theirs took; None if ours never did.

    Where theirs never did, all of its seconds count: the least that it can be.
    """
    fast, slow = seconds_to(ours, level), seconds_to(theirs, level)
    return (slow or theirs[-1]["seconds"]) / fast if fast else None
