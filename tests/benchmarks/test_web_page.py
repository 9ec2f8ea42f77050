"""The cell of pages measures what it says, and its rows say what it measured."""

from __future__ import annotations

import pytest

from polyfield.benchmarks.book import Book
from polyfield.benchmarks.cells import NotRun
from polyfield.benchmarks.targets import PAGE, targets
from polyfield.benchmarks.web_cells import web
from polyfield.benchmarks.web_page import measure
from polyfield.benchmarks.web_sections import SECTIONS


def test_a_page_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyfield.benchmarks.web_page.WARM", 0.1)
    try:
        found = measure(gaussians=500, degree=1, size=64, seconds=0.5)
    except NotRun as error:
        pytest.skip(str(error))
    assert 40_000 < found["bytes"] < 200_000
    assert found["fps"] > 0
    assert 0.5 <= found["scale"] <= 1
    assert found["psnr"] > 30
    assert found["resolution"] == [64, 64]


def test_rows_and_targets_show_what_was_measured() -> None:
    cells = web("full")
    values = {"bytes": 2.5e6, "fps": 9.5, "scale": 0.5, "psnr": 40.0, "resolution": [512, 512]}
    record = {"values": values, "machine": {}}
    book = Book(cells, {cell.name: record for cell in cells}, {})
    rows = list(SECTIONS[0].rows(book))
    assert ["100,000, degree 3", "2.50", "512 x 512", "9.5", "0.50", "40.0"] in rows
    assert len(rows) == len(cells) == 4
    met = [each.met(each.value(values)) for each in targets(book) if each.cell == PAGE]
    assert met == [True, False, True]
    assert PAGE in {cell.name for budget in ("quick", "default") for cell in web(budget)}
