"""Cells of finding cameras: cameras are compared by name, and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from polyfield.benchmarks import capture
from polyfield.benchmarks.book import Book
from polyfield.benchmarks.capture_cells import WAYS
from polyfield.benchmarks.capture_sections import CAPTURE
from polyfield.benchmarks.catalogue import cells
from polyfield.cameras.similarity import random_rotation
from polyfield.structure.prepare import Prepared
from polyfield.structure.settings import Settings

PLACES = np.random.default_rng(0).normal([0, 0, 5], size=(6, 3))


def model(folder: Path, places: np.ndarray, names: list[str]) -> None:
    """A COLMAP model in text, whose cameras look along -z."""
    (folder / "images").mkdir(parents=True)
    (folder / "sparse").mkdir()
    (folder / "sparse" / "cameras.txt").write_text("1 SIMPLE_PINHOLE 8 6 8 4 3\n")
    lines = []
    for i, (name, place) in enumerate(zip(names, places), 1):
        Image.new("RGB", (8, 6)).save(folder / "images" / name)
        x, y, z = place * [-1, 1, 1]  # half a turn about x
        lines.append(f"{i} 0 1 0 0 {x} {y} {z} 1 {name}\n\n")
    (folder / "sparse" / "images.txt").write_text("".join(lines))


def test_cameras_are_compared_by_name_in_any_frame(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(6)]
    model(tmp_path / "a", PLACES, names)
    np.testing.assert_allclose(capture.places(tmp_path / "a")["2.png"], PLACES[2], atol=1e-6)
    turned = 2 * PLACES @ random_rotation(1).numpy().T + 1
    model(tmp_path / "b", turned[::-1][1:], names[::-1][1:])
    errors = capture.against(tmp_path / "a", tmp_path / "b")
    assert errors.shape == (5,)
    assert errors.max() < 1e-6


def test_a_cell_measures_and_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{i}.png" for i in range(6)]
    model(tmp_path / "known", PLACES, names)

    def prepare(source: Path, out: Path, *_: Any) -> Prepared:
        model(out, PLACES + 0.01 * np.eye(6, 3), names)
        return Prepared([*names, "x"], names, 9, 0.5, "exhaustive", "OPENCV", 1)

    monkeypatch.setattr(capture, "prepare", prepare)
    monkeypatch.setattr(capture.importlib.util, "find_spec", lambda name: name)
    found = capture.measure({}, str(tmp_path / "known"))
    assert (found["registered"], found["photos"]) == (6, 7)
    assert 0 < found["pose_error"]["median"] < found["pose_error"]["largest"] < 0.01
    record = {"values": found}
    (row,) = CAPTURE.rows(Book([], {"capture-cup-shared": record}, {}))
    assert row[:3] == ["cup, one camera for all photos", "6 / 7", "0.50"]
    assert len(row) == len(CAPTURE.columns)


def test_settings_are_valid_and_without_pycolmap_it_is_not_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for settings in WAYS.values():
        Settings(**settings)
    assert [cell.name for cell in cells("capture", "default")] == ["capture-cup-shared"]
    monkeypatch.setattr(capture.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(capture.NotRun, match="pycolmap not found"):
        capture.measure({}, "x")
