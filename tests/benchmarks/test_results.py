"""RESULTS.md says what the records say, and of what is missing that it is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from polyfield.benchmarks.book import psnr_at, read_book, seconds_to, sooner
from polyfield.benchmarks.catalogue import cells
from polyfield.benchmarks.cells import Cell
from polyfield.benchmarks.results import results

LOOKS = [
    {"seconds": 2.0, "step": 10, "psnr": 20.0},
    {"seconds": 4.0, "step": 20, "psnr": 28.0},
    {"seconds": 10.0, "step": 50, "psnr": 31.0},
]


def test_times_are_linear_between_looks() -> None:
    assert seconds_to(LOOKS, 24) == pytest.approx(3.0)
    assert seconds_to(LOOKS, 31) == pytest.approx(10.0)
    assert seconds_to(LOOKS, 19) == 2.0
    assert seconds_to(LOOKS, 31.1) is None
    assert psnr_at(LOOKS, 3.0) == pytest.approx(24.0)
    assert psnr_at(LOOKS, 10.0) == pytest.approx(31.0)
    assert psnr_at(LOOKS, 1.0) is None
    assert psnr_at(LOOKS, 11.0) is None


def test_a_score_that_falls_again_was_reached_the_first_time() -> None:
    falling = [*LOOKS, {"seconds": 12.0, "step": 60, "psnr": 25.0}]
    assert seconds_to(falling, 26) == pytest.approx(seconds_to(LOOKS, 26))


def test_sooner_is_a_ratio_of_times_to_one_score() -> None:
    slow = [{**look, "seconds": 7 * look["seconds"]} for look in LOOKS]
    assert sooner(LOOKS, slow, 30) == pytest.approx(7.0)
    assert sooner(LOOKS, slow, 40) is None
    assert sooner(LOOKS, slow[:2], 31) == pytest.approx(2.8)  # at least: theirs ended at 28 s
    assert sooner(LOOKS[:2], slow, 31) is None


def _write(out: Path, name: str, values: dict[str, Any], **more: Any) -> None:
    file = Cell("", name, "").file(out)
    file.parent.mkdir(parents=True, exist_ok=True)
    machine = {"processor": "A CPU", "cores": "2 of 2", "memory": "8 GB", "load": 0.25}
    record = {
        "hash": "0123456789ab",
        "commit": "abc",
        "version": "1",
        "date": "2030-01-02T03:04:05+00:00",
        "machine": machine,
        "seconds": 12.3,
        "values": values,
    }
    file.write_text(json.dumps({**record, **more}))


def _times(**seconds: float) -> dict[str, dict[str, float]]:
    phases = {name: {"best": value, "median": value} for name, value in seconds.items()}
    total = sum(seconds.values())
    return {**phases, "total": {"best": total, "median": total}}


TRAINED = {
    "psnr": 31.0,
    "ssim": 0.9512,
    "views": 25,
    "resolution": [200, 200],
    "seconds": 10.0,
    "steps": 2500,
    "milliseconds_per_step": 4.0,
    "looks": LOOKS,
    "frame_milliseconds": 21.3,
    "peak_memory": 612_000_000,
    "first_step_seconds": None,
    "compiling_seconds": 0.0,
}


def _document(out: Path, budget: str = "full", reasons: dict[str, str] | None = None) -> str:
    known = [cell.name for cell in cells("all", "quick")]
    return results(read_book(out, cells("all", budget), known, reasons or {}))


def test_nothing_measured_is_said_of_everything(tmp_path: Path) -> None:
    reasons = {"train-fox-hash-300s": "data not found: fox", "hash-grid": "failed: out of memory"}
    text = _document(tmp_path, reasons=reasons)
    assert "Nothing measured yet." in text
    assert "| fox, hash, 300 s | data not found: fox |" in text
    assert "| hash grid | not run: failed: out of memory |" in text
    assert "| lego_200, hash, 60 s | not run |" in text
    assert "| TensoRF, lego_200 | not run |" in text
    assert "| peak memory, fox | ≤ 1.2 GB | data not found: fox |" in text
    assert "**no**" not in text
    assert "yes" not in text


def test_values_are_shown_beside_their_bounds(tmp_path: Path) -> None:
    times = {
        "polyfield": _times(forward=20.0, backward=30.0),
        "torch": _times(forward=400.0, backward=300.0),
    }
    _write(tmp_path, "hash-grid", {"times": times, "not_run": {"torch.compile": "no compiler"}})
    step = {
        "rays": 300,
        "samples": 16000,
        "difference": 1.2e-6,
        "times": {
            "fused": _times(forward=1.0, backward=2.0),
            "modular": _times(forward=4.0, backward=4.0),
        },
    }
    _write(tmp_path, "step-hash", step)
    _write(tmp_path, "train-lego_200-hash-60s", TRAINED)
    slow = [{**look, "seconds": 12 * look["seconds"]} for look in LOOKS]
    _write(tmp_path, "peer-tensorf-lego_200", {"looks": slow, "psnr": 31.0, "seconds": 120.0})
    _write(tmp_path, "help", {"seconds": {"best": 0.2, "median": 0.25}})
    text = _document(tmp_path)
    for line in (
        "| hash grid: plain torch / ours | ≥ 15 times | 14.0 times | **no** |",
        "| polyfield | 20.0 | 30.0 | 50.0 | 1.0 |",
        "| torch | 400.0 | 300.0 | 700.0 | 14.0 |",
        "| torch.compile | not run: no compiler |  |  |  |",
        "| render step, hash: modular / fused | ≤ 2 times | 2.67 times | **no** |",
        "| hash | 300 | 16,000 | 1.0 | 2.0 | 3.0 | 8.0 | 2.67 | 1.2e-06 |",
        "| lego_200, hash, 60 s | 200x200 | 31.00 | 0.9512 | 2,500 | 4.00 | 21.3 | 612 | – | 0.0 |",
        "| lego_200, hash, 60 s | 3.2 | 4.0 | 8.0 | 10.0 | – | – | – |",
        "| lego_200, hash, 60 s | 28.50 | 31.00 | – | – | – | – | – | – |",
        "| lego_200, seconds to 30 dB | ≤ 20 s | 8.0 s | yes |",
        "| lego_200, 30 dB: sooner than TensoRF's code | ≥ 10 times | 12.0 times | yes |",
        "| lego_200, 31.5 dB: sooner than TensoRF's code | ≥ 10 times |"
        " not reached or not measured | **no** |",
        "| lego_200, 30 dB | 8.0 | 96.0 | 12.0 |",
        "| lego_200, at the end | 31.00 after 10 s | 31.00 after 120 s |  |",
        "| polyfield --help | ≤ 1 s | 0.25 s | yes |",
        "| hash-grid | abc | 2030-01-02 03:04 | 12 | 0.2 | 0123456789ab |",
    ):
        assert line in text, line
    assert text.count("A CPU, 2 of 2 cores") == 1


def test_operations_stand_beside_torch_and_bandwidth(tmp_path: Path) -> None:
    row = {
        "operation": "Adam",
        "of": "1,000 parameters",
        "bytes": 4e6,
        "bandwidth": 10.0,
        "times": {
            "polyfield": _times(run=0.5),
            "torch": _times(run=2.0),
            "torch, not fused": _times(run=5.0),
        },
    }
    _write(tmp_path, "operations", {"rows": [row]})
    expected = "| Adam: 1,000 parameters | 0.50 | 2.00 | 4.0 | 4.0 | 0.40 | 10.0 | 80% |"
    assert expected in _document(tmp_path, "quick")


def test_frames_memory_and_starting(tmp_path: Path) -> None:
    frame = {"mean": 20.5, "slowest": 24.0, "resolution": [200, 200]}
    large = {"mean": 351.0, "slowest": 400.0, "resolution": [800, 800]}
    _write(tmp_path, "frames-hash", {"frames": {"200": frame, "800": large}, "psnr": 29.5})
    _write(tmp_path, "train-fox-hash-300s", {**TRAINED, "resolution": None})
    _write(tmp_path, "first-step-lego_200", {"cold": 33.0, "warm": {"best": 5.0, "median": 11.0}})
    text = _document(tmp_path)
    for line in (
        "| hash, 200 x 200 | 20.5 | 24.0 | 29.50 |",
        "| frame of lego_200, 800 x 800 | ≤ 350 ms | 351.0 ms | **no** |",
        "| peak memory, fox | ≤ 1.2 GB | 0.61 GB | yes |",
        "| fox, hash, 300 s | several | 31.00 |",
        "| first step, lego_200, warm | ≤ 10 s | 11.0 s | **no** |",
        "| `polyfield train`, lego_200 | 11.0 | 33.0 |",
    ):
        assert line in text, line


def test_files_of_gaussians(tmp_path: Path) -> None:
    once, again = {"seconds": 0.456, "cpu": 0.321}, {"seconds": 2.5, "cpu": 0.75}
    _write(tmp_path, "splat-files-ply", {"bytes": 248.003, "read": once, "write": again})
    _write(tmp_path, "splat-files-convert-ply-spz", {"bytes": 35.5, "convert": again})
    text = _document(tmp_path)
    for line in (
        "| .ply | 0.46 | 0.32 | 2.50 | 0.75 | 248.0 |",
        "| .compressed.ply | not run |",
        "| .ply to .spz | 2.50 | 0.75 | 35.5 |",
        "| 500,000 Gaussians of a PLY read | ≤ 2 s | 0.46 s | yes |",
        "| polyfield convert, 500,000 Gaussians, .ply to .spz | ≤ 5 s | 2.50 s | yes |",
    ):
        assert line in text, line


def test_parameters_at_equal_quality(tmp_path: Path) -> None:
    found = {
        "strivec-large": (500_000, 31.0),
        "vm-small": (1_000_000, 30.0),
        "vm-large": (4_000_000, 32.0),
        "hash-large": (2_000_000, 30.5),
    }
    for name, (parameters, psnr) in found.items():
        values = {"score": "psnr", "value": psnr, "parameters": parameters, "seconds": 60.0}
        _write(tmp_path, f"size-lego_200-{name}", values)
    text = _document(tmp_path)
    for line in (
        "| strivec-small | not run |",
        "| strivec-large | 0.50 | 31.00 | 60 | – | 2.00 | > 2.00 |",
        "| vm-large | 4.00 | 32.00 | 60 | > 0.50 | – | > 2.00 |",
        "| hash-large | 2.00 | 30.50 | 60 | < 0.50 | 1.41 | – |",
    ):
        assert line in text, line


def test_decibels_have_two_digits_whatever_is_scored(tmp_path: Path) -> None:
    for score, shown in (("psnr_held_out", "31.23"), ("psnr", "31.23"), ("iou", "31.2346")):
        values = {"score": score, "straight": 31.23456, "turned": [30.0], "seconds": [1.0]}
        _write(tmp_path, "rotation-kodim07-vm-double", {**values, "parameters": 1_000_000})
        assert f"| kodim07, vm, double | {score} | 1.00 | {shown} |" in _document(tmp_path)


def test_cells_of_other_budgets_are_shown_where_they_were_measured(tmp_path: Path) -> None:
    assert "lego_200, hash, 10 s" not in _document(tmp_path)
    _write(tmp_path, "train-lego_200-hash-10s", TRAINED)
    assert "| lego_200, hash, 10 s | 200x200 | 31.00 |" in _document(tmp_path)
    _write(tmp_path, "something-else", {})
    assert "something-else" not in _document(tmp_path)


def test_every_row_has_as_many_columns_as_its_table(tmp_path: Path) -> None:
    for text in (_document(tmp_path), _document(tmp_path, "quick")):
        for block in text.split("\n\n"):
            if block.startswith("|"):
                assert len({line.count(" | ") for line in block.splitlines()[::2]}) == 1


def test_only_records_of_the_newest_machine_are_compared(tmp_path: Path) -> None:
    slow = [{**look, "seconds": 12 * look["seconds"]} for look in LOOKS]
    old = {"machine": {"processor": "Another CPU"}, "date": "2029-01-01T00:00:00+00:00"}
    _write(tmp_path, "train-lego_200-hash-60s", TRAINED)
    _write(tmp_path, "peer-tensorf-lego_200", {**TRAINED, "looks": slow}, **old)
    book = read_book(tmp_path, cells("all", "full"), [], {})
    assert book.values("train-lego_200-hash-60s") is not None
    assert book.values("peer-tensorf-lego_200") is None
    text = results(book)
    assert (
        "| lego_200, 30 dB: sooner than TensoRF's code | ≥ 10 times | measured on another" in text
    )
    assert "abc (another machine)" in text


def test_another_commit_is_marked(tmp_path: Path) -> None:
    _write(tmp_path, "train-lego_200-hash-60s", TRAINED)
    _write(tmp_path, "hash-grid", {"times": {}}, commit="old", date="2029-01-01T00:00:00+00:00")
    book = read_book(tmp_path, cells("all", "full"), [], {})
    assert book.records["hash-grid"]["commit"] == "old (another commit)"
    assert book.records["train-lego_200-hash-60s"]["commit"] == "abc"


def test_two_trainings_are_compared_at_equal_steps(tmp_path: Path) -> None:
    looks = [{"step": 500 * i, "seconds": 4.0 * i, "psnr": 25.0 + i} for i in range(1, 5)]
    ours = {"looks": looks, "psnr": 29.0, "seconds": 16.0}
    slow = [{**look, "seconds": 6 * look["seconds"], "psnr": look["psnr"] + 0.05} for look in looks]
    _write(tmp_path, "equal-steps-lego_200-vm", ours)
    _write(tmp_path, "peer-tensorf-lego_200", {"looks": slow[1:], "psnr": 29.05, "seconds": 96.0})
    text = _document(tmp_path)
    assert "| lego_200, vm, step 1,000 | 27.00 | 27.05 | -0.05 | 8.0 | 48.0 | 6.0 |" in text
    assert "step 500 " not in text
    assert "at equal steps | ≥ -0.1 dB | -0.05 dB | yes |" in text
    assert "at equal steps | ≥ 5 times | 6.0 times | yes |" in text
    (tmp_path / "cells" / "peer-tensorf-lego_200.json").unlink()
    assert "| lego_200, vm | not run |" in _document(tmp_path)


def test_rates_are_shown_beside_opensplats(tmp_path: Path) -> None:
    name, missing = "opensplat-cup-267x200-degree3", {"polyfield": "no field=gaussians"}
    values = {"opensplat": {"best": 5.0, "median": 4.0}, "not_run": missing}
    _write(tmp_path, name, values)
    text = _document(tmp_path)
    assert "| cup, 267x200, degree 3 | not run: no field=gaussians | 5.00 |  |" in text
    assert "| cup, 400x300, degree 0 | not run |" in text
    ours = {"best": 60.0, "median": 2.0}
    _write(tmp_path, name, {**values, "polyfield": ours, "not_run": {}})
    assert "| cup, 267x200, degree 3 | 60.00 | 5.00 | 12.0 |" in _document(tmp_path)
    reasons = {name: "not built: build/opensplat"}
    (tmp_path / "cells" / f"{name}.json").unlink()
    text = _document(tmp_path, reasons=reasons)
    assert "| cup, 267x200, degree 3 | not run: not built: build/opensplat |" in text
