"""Figures show what the records say, and only where there are some."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import pytest

from polyfield.benchmarks.book import Book, read_book
from polyfield.benchmarks.cells import Cell
from polyfield.benchmarks.figures import check, draw, figures
from polyfield.errors import InputError

LOOKS = [{"seconds": s, "step": 10 * s, "psnr": 20.0 + s} for s in (1, 2, 5)]
SCORED = {"psnr": 25.0, "seconds": 5.0, "looks": LOOKS}
FOUND: dict[str, dict[str, Any]] = {
    "rotation-lego_200-vm-axis-aligned": {
        "score": "psnr", "parameters": 10, "straight": 30.0, "turned": [27.0, 29.0],
    },
    "rotation-lego_200-vm-tilted-one-phase": {
        "score": "psnr", "parameters": 10, "straight": 29.0, "turned": [29.0, 28.5],
    },
    "size-lego_200-vm-small": {"parameters": 1_000_000, "value": 27.0},
    "size-lego_200-vm-large": {"parameters": 4_000_000, "value": 29.0},
    "axes-kodim23": {"network": {"looks": LOOKS}, "cp": {"looks": LOOKS[:2]}},
    "equal-steps-lego_200-vm": SCORED,
    "peer-tensorf-lego_200": SCORED,
}  # fmt: skip


def book_of(out: Path, found: dict[str, dict[str, Any]]) -> Book:
    for name, values in found.items():
        file = Cell("", name, "").file(out)
        file.parent.mkdir(parents=True, exist_ok=True)
        record = {"hash": "", "commit": "a", "version": "1", "date": "", "seconds": 1.0}
        file.write_text(json.dumps({**record, "machine": {}, "values": values}))
    return read_book(out, [], list(found), {})


def drawn(book: Book, figure: str, panel: str) -> Any:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    figures(book)[figure][panel](axes)
    return axes


def test_every_figure_is_a_picture(tmp_path: Path) -> None:
    files = draw(book_of(tmp_path, FOUND), tmp_path / "drawn")
    assert [file.stem for file in files] == ["rotation", "sizes", "axes", "tensorf"]
    for file in files:
        assert iio.imread(file).std() > 10
        assert file.stat().st_size < 300_000


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    assert draw(book_of(tmp_path, {}), tmp_path / "drawn") == []


def test_bars_are_as_high_as_the_scores(tmp_path: Path) -> None:
    axes = drawn(book_of(tmp_path, FOUND), "rotation", "lego_200, vm")
    assert [bar.get_height() for bar in axes.patches] == [30.0, 29.0, 28.0, 28.75]


def test_sizes_rise_with_parameters(tmp_path: Path) -> None:
    (line,) = drawn(book_of(tmp_path, FOUND), "sizes", "lego_200, equal steps").lines
    assert line.get_xydata().tolist() == [[1.0, 27.0], [4.0, 29.0]]


@pytest.mark.parametrize(("panel", "over"), [("by steps", "step"), ("by seconds", "seconds")])
def test_tensorf_is_beside_ours(tmp_path: Path, panel: str, over: str) -> None:
    lines = drawn(book_of(tmp_path, FOUND), "tensorf", f"lego_200, {panel}").lines
    assert [line.get_label() for line in lines] == ["polyfield, VM", "TensoRF's code, VM"]
    expected = [[look[over], look["psnr"]] for look in LOOKS]
    assert all(line.get_xydata().tolist() == expected for line in lines)


def test_without_matplotlib_its_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match=r"polyfield\[plots\]"):
        check(tmp_path / "drawn")
    assert not (tmp_path / "drawn").exists()
