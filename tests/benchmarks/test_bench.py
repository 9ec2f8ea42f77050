"""A bench measures each cell once, keeps what it depends on, and writes what was measured."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from polyfield import cli
from polyfield.benchmarks.cells import Cell, NotRun, Settings, measure_all
from polyfield.benchmarks.peers import times
from polyfield.benchmarks.processes import run
from polyfield.benchmarks.results import results
from polyfield.benchmarks.scenes import seconds_until
from polyfield.commands.bench import SUITES


def _cell(measure: Callable[[], dict], **depends: object) -> Cell:
    return Cell("demo", "one thing", dict(depends), measure)


def test_a_cell_is_measured_once_for_what_it_depends_on(tmp_path: Path) -> None:
    calls: list[int] = []

    def measure() -> dict[str, float]:
        calls.append(1)
        return {"seconds": 1.5}

    for _ in range(2):
        (record,) = measure_all([_cell(measure, budget=1)], tmp_path, say=lambda _: None)
        assert record["numbers"] == {"seconds": 1.5}
    assert len(calls) == 1
    measure_all([_cell(measure, budget=2)], tmp_path, say=lambda _: None)
    assert len(calls) == 2
    records = [json.loads(file.read_text()) for file in tmp_path.iterdir()]
    assert {record["depends"]["budget"] for record in records} == {1, 2}
    assert all(
        record[key] for record in records for key in ("commit", "date", "machine", "version")
    )


def test_a_cell_that_cannot_run_says_why_and_is_tried_again(tmp_path: Path) -> None:
    def cannot() -> dict[str, float]:
        raise NotRun("no such thing here")

    (record,) = measure_all([_cell(cannot)], tmp_path, say=lambda _: None)
    assert record["not_run"] == "no such thing here"
    assert not list(tmp_path.iterdir())
    (record,) = measure_all([_cell(lambda: {"seconds": 2.0})], tmp_path, say=lambda _: None)
    assert record["numbers"] == {"seconds": 2.0}


def test_the_tables_show_what_was_measured(tmp_path: Path) -> None:
    columns = {"seconds": ("s", ".1f"), "missing": ("m", ".1f")}
    suite = SimpleNamespace(NAME="demo", TITLE="A title", NOTE="A note.", COLUMNS=columns)

    def cannot() -> dict[str, float]:
        raise NotRun("peers=DIR not given")

    cells = [_cell(lambda: {"seconds": 1.25, "missing": None}), Cell("demo", "other", {}, cannot)]
    text = results([suite], measure_all(cells, tmp_path, say=lambda _: None))
    assert "## A title\n\nA note.\n\n| | s | m |\n|---|---:|---:|\n" in text
    assert "| one thing | 1.2 | - |" in text
    assert "| other | not run: peers=DIR not given |  |" in text


@pytest.mark.parametrize("name", SUITES)
def test_each_suite_has_cells_of_its_own_names_and_keys(name: str, tmp_path: Path) -> None:
    suite = importlib.import_module(f"polyfield.benchmarks.{name}")
    cells = suite.cells(Settings(1.0, None, None, tmp_path))
    assert name == suite.NAME
    assert cells
    for part in ("name", "key"):
        assert len({getattr(cell, part) for cell in cells}) == len(cells)


def test_settings_find_a_scene_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "nerf_synthetic" / "lego_200").mkdir(parents=True)
    settings = Settings(1.0, tmp_path, None, tmp_path)
    assert settings.scene("lego_200").endswith("nerf_synthetic/lego_200")
    assert settings.scene("procedural") == "procedural"
    with pytest.raises(NotRun, match="no fox in"):
        settings.scene("fox")


def test_the_first_time_above_a_level_counts(tmp_path: Path) -> None:
    rows = [
        {"step": 100, "elapsed": 2.0},
        {"step": 100, "eval/psnr": 29.0},
        {"step": 200, "elapsed": 4.0},
        {"step": 200, "eval/psnr": 30.5},
        {"step": 300, "elapsed": 6.0},
        {"step": 300, "eval/psnr": 30.2},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert seconds_until(tmp_path, 30) == 4.0
    assert seconds_until(tmp_path, 31) is None


def test_times_of_a_progress_line() -> None:
    line = (
        "Iteration {:05d}: train_psnr = 9.00 test_psnr = {} mse = 0.1:   5%|5 | 9/20 [{}<00:01]\r"
    )
    lines = [(10, "0.00", "00:09"), (110, "30.10", "01:20"), (210, "31.60", "1:02:03")]
    found = times("".join(line.format(*values) for values in lines))
    assert found == {"30": 80.0, "31.5": 3723.0}


def test_a_process_that_fails_is_a_reason_not_to_have_run() -> None:
    assert "5" in run([sys.executable, "-c", "print(5)"]).output
    with pytest.raises(NotRun, match="boom"):
        run([sys.executable, "-c", "raise SystemExit('boom')"])


def test_the_verb_writes_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["bench", "suite=peers", "out=my bench"]) == 0
    assert "not run: peers=DIR not given" in (tmp_path / "my bench" / "RESULTS.md").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["my bench"]
    capsys.readouterr()
    for words, message in (
        (["suite=peer"], "no suite 'peer'; did you mean 'peers'? (suites: startup"),
        (["suite=peers", "budget=0"], "budget: found 0, expected above 0"),
        (["suite=peers", "data=nowhere"], "nowhere: data: no such folder"),
    ):
        assert cli.main(["bench", *words]) == 2
        assert message in capsys.readouterr().err
