"""Cells of files of Gaussians: what is timed is what is said, and every format is there."""

from __future__ import annotations

import time

import numpy as np
import pytest

from polyfield.benchmarks import gaussians_cells, splat_files
from polyfield.benchmarks.splat_files import best, made, measure
from polyfield.splats.cleaning import ATTRIBUTES, clean
from polyfield.splats.formats import FORMATS

CELLS = gaussians_cells.splat_files("full")


def test_every_format_that_is_written_has_a_cell() -> None:
    for budget in ("default", "full"):
        found = {cell.settings["suffix"] for cell in gaussians_cells.splat_files(budget)}
        assert found == {each.suffix for each in FORMATS if each.written}
    for cell in CELLS:
        assert cell.name.startswith("splat-files-")
        assert (cell.settings["gaussians"], cell.settings["degree"]) == (500_000, 3)


def test_what_is_made_is_whole_and_the_same_again() -> None:
    splats, again = made(1000, 2), made(1000, 2)
    assert (len(splats), splats.degree) == (1000, 2)
    assert clean(splats, transparent=True).dropped == {}
    for name in ATTRIBUTES:
        np.testing.assert_array_equal(getattr(splats, name), getattr(again, name))


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_cells_measure(cell) -> None:  # type: ignore[no-untyped-def]
    found = measure(**{**cell.settings, "gaussians": 200, "repetitions": 1})
    times = [found[what] for what in ("convert", "read", "write") if what in found]
    assert len(times) == (1 if "into" in cell.settings else 2)
    assert all(time["seconds"] > 0 and time["cpu"] >= 0 for time in times)
    if cell.settings["suffix"] == ".ply" and "into" not in cell.settings:
        assert 248 < found["bytes"] < 260


def test_the_best_of_the_clock_and_of_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, used = iter([0.0, 5.0, 10.0, 13.0]), iter([0.0, 1.0, 1.0, 3.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(splat_files, "processor_seconds", lambda: next(used))
    assert best(lambda: None, 2) == {"seconds": 3.0, "cpu": 1.0}
