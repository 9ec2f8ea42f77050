"""A bench goes on where it was, and a cell that fails takes nothing with it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polyfield import cli
from polyfield.benchmarks import running
from polyfield.benchmarks.cells import Cell, Crashed, Folders, read_record
from polyfield.benchmarks.provenance import revision

CELLS = [Cell("demo", name, "demo", {"n": n}) for name, n in (("one", 1), ("two", 2))]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Which cells were measured, by their setting n; none takes any time."""
    calls: list[int] = []

    def measure(module: str, arguments: dict[str, Any]) -> dict[str, Any]:
        calls.append(arguments["n"])
        return {"machine": {"processor": "a"}, "values": {"doubled": 2 * arguments["n"]}}

    monkeypatch.setattr(running, "in_process", measure)
    return calls


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Any]:
    """Run cells in a folder."""

    def run(cells: list[Cell] = CELLS, commit: str = "abc", fresh: bool = False) -> Any:
        return running.run_cells(
            cells, tmp_path, Folders(), revision=commit, fresh=fresh, say=lambda _: None
        )

    return run


def test_what_is_there_is_not_measured_again(
    asked: list[int], bench: Callable[..., Any], tmp_path: Path
) -> None:
    assert bench(CELLS[:1]) == ({}, {})
    assert bench() == ({}, {})
    assert asked == [1, 2]
    bench(commit="abd")
    assert asked == [1, 2, 1, 2]
    bench([Cell("demo", "one", "demo", {"n": 3})], commit="abd")
    assert asked == [1, 2, 1, 2, 3]
    bench(CELLS[1:], commit="abd", fresh=True)
    assert asked == [1, 2, 1, 2, 3, 2]
    record = read_record(CELLS[1].file(tmp_path))
    assert record is not None
    assert record["values"] == {"doubled": 4}
    assert record["commit"] == "abd"
    assert record["hash"] == CELLS[1].hash
    assert record["machine"] == {"processor": "a"}
    assert {"date", "version", "seconds", "settings"} <= set(record)


def test_a_cell_that_fails_leaves_its_record_and_the_others_alone(
    asked: list[int],
    bench: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench()
    before = CELLS[0].file(tmp_path).read_bytes()
    measure = running.in_process

    def fail_once(module: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments["n"] == 1:
            raise Crashed("failed: out of luck")
        return measure(module, arguments)

    monkeypatch.setattr(running, "in_process", fail_once)
    assert bench(commit="abd") == ({}, {"one": "failed: out of luck"})
    assert CELLS[0].file(tmp_path).read_bytes() == before
    record = read_record(CELLS[1].file(tmp_path))
    assert record is not None
    assert record["commit"] == "abd"


def test_missing_data_is_a_reason_and_no_record(
    asked: list[int], bench: Callable[..., Any], tmp_path: Path
) -> None:
    cell = Cell("demo", "three", "demo", data="fox")
    assert bench([cell]) == ({"three": "data not found: fox"}, {})
    assert not cell.file(tmp_path).exists()
    assert asked == []


def test_a_process_that_fails_says_its_last_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Crashed, match=r"failed: .*unexpected keyword argument 'nothing'"):
        running.in_process("startup", {"nothing": 1})
    capfd.readouterr()


def test_the_state_of_the_code_has_a_name() -> None:
    first = revision()
    assert first
    assert first == first.strip()
    assert revision() == first


def test_the_verb_measures_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["bench", "suite=startup", "budget=quick", "only=help", "out=my bench"]
    assert cli.main(words) == 0
    record = json.loads((tmp_path / "my bench" / "cells" / "help.json").read_text())
    assert 0 < record["values"]["seconds"]["best"] < 60
    assert record["machine"]["threads"] >= 1
    text = (tmp_path / "my bench" / "RESULTS.md").read_text()
    assert f"commit {record['commit']}" in text
    assert "| `polyfield train`, lego_200 | not run |" in text
    assert [path.name for path in tmp_path.iterdir()] == ["my bench"]
    capsys.readouterr()
    only_first_step = ["suite=startup", "budget=quick", "only=first-step-*", "out=my bench"]
    assert cli.main(["bench", *only_first_step, "file=tables/RESULTS.md"]) == 0
    text = (tmp_path / "tables" / "RESULTS.md").read_text()
    assert "| `polyfield train`, lego_200 | data not found: nerf_synthetic/lego_200 |" in text


def test_a_crash_is_told_by_the_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash(module: str, arguments: dict[str, Any]) -> dict[str, Any]:
        raise Crashed("failed: out of luck")

    monkeypatch.setattr(running, "in_process", crash)
    monkeypatch.chdir(tmp_path)
    words = ["bench", "suite=startup", "budget=quick", "only=help", "out=b"]
    assert cli.main(words) == 1
    assert "error: 1 cells failed: help" in capsys.readouterr().err
    assert "failed: out of luck" in (tmp_path / "b" / "RESULTS.md").read_text()


def test_the_verb_refuses_what_it_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words, message in (
        (["suite=kernel"], "no suite 'kernel'; did you mean 'kernels'? (choices: kernels"),
        (["budget=huge"], "no budget 'huge'"),
        (["data=nowhere"], "nowhere: data: no such folder"),
        (["suite=startup", "only=nothing"], "only: found nothing, expected the name of a cell"),
    ):
        assert cli.main(["bench", *words]) == 2
        assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_measurement_ends_with_who_asked_for_it() -> None:
    waits = (
        "import threading; from polyfield.benchmarks.process import end_with_parent;"
        "end_with_parent(); print('waits', flush=True); threading.Event().wait()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", waits], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "waits\n"
        assert child.poll() is None
        child.stdin.close()
        assert child.wait(timeout=30) == 1
