"""Cells are told apart by what they measure; records are current or they are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from polyfield.benchmarks.cells import (
    Cell,
    Folders,
    NotRun,
    is_current,
    read_record,
    write_record,
)

CELL = Cell("radiance", "train-x", "training", {"seconds": 10, "words": ["field=hash"]}, "x")


def test_the_hash_is_of_what_is_measured() -> None:
    same = replace(CELL, settings={"words": ["field=hash"], "seconds": 10})
    assert same.hash == CELL.hash
    others = [
        replace(CELL, settings={**CELL.settings, "seconds": 20}),
        replace(CELL, settings={**CELL.settings, "words": ["field=dense"]}),
        replace(CELL, module="frames"),
        replace(CELL, data="y"),
        replace(CELL, peer="z"),
        replace(CELL, name="train-y"),
    ]
    hashes = {cell.hash for cell in [CELL, *others]}
    assert len(hashes) == 1 + len(others)


def test_a_record_is_current_for_its_settings_and_commit_alone() -> None:
    record = {"hash": CELL.hash, "commit": "abc", "values": {}}
    assert is_current(record, CELL, "abc")
    assert not is_current(record, CELL, "abd")
    assert not is_current(record, replace(CELL, data="y"), "abc")
    assert not is_current(None, CELL, "abc")


def test_records_come_back_and_damaged_ones_do_not(tmp_path: Path) -> None:
    file = CELL.file(tmp_path)
    assert read_record(file) is None
    write_record(file, {"hash": CELL.hash, "values": {"psnr": 30.5}})
    assert read_record(file) == {"hash": CELL.hash, "values": {"psnr": 30.5}}
    file.write_text(file.read_text()[:-10])
    assert read_record(file) is None
    file.write_text('{"hash": "no values"}')
    assert read_record(file) is None


def test_what_a_cell_needs_is_passed_or_named(tmp_path: Path) -> None:
    with pytest.raises(NotRun, match="data not found: x"):
        CELL.arguments(Folders())
    with pytest.raises(NotRun, match="data not found: x"):
        CELL.arguments(Folders(data=tmp_path))
    (tmp_path / "x").mkdir()
    arguments = CELL.arguments(Folders(data=tmp_path))
    assert arguments == {**CELL.settings, "data": str((tmp_path / "x").resolve())}
    with pytest.raises(NotRun, match="peer not found: P"):
        replace(CELL, peer="P").arguments(Folders(data=tmp_path))
    # Where the data lies is not part of what is measured.
    assert str(tmp_path) not in CELL.hash
