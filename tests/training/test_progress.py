"""What a person sees, in a terminal and elsewhere, and what is written for curves."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from polyfield.errors import InputError
from polyfield.training import progress
from polyfield.training.progress import Display, duration, resident_memory, status_line
from polyfield.training.records import Records, read_records

VALUES = {
    "step": 1200,
    "loss": 0.01234,
    "psnr": 28.456,
    "rays_per_second": 123_456.0,
    "samples_per_second": 5.1e6,
    "memory": 300 * 2**20,
    "eta": 75.0,
}
LINE = "step 1,200  loss 0.01234  28.46 dB  123 k rays/s  5.1 M samples/s  300 MiB  1:15 left"


def test_a_line_says_it_all() -> None:
    assert status_line(VALUES) == LINE
    assert status_line({"loss": 2.0, "psnr": None}) == "loss 2"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3723, "1:02:03"), (float("inf"), "?")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def display(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> tuple[Display, io.StringIO, list]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=140, color_system=None)
    return Display(console=console), out, now


def test_elsewhere_plain_lines_appear_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, out, now = display(monkeypatch, terminal=False)
    with shown:
        for _ in range(1000):
            now[0] += 0.05
            if shown.due(now[0]):
                shown.show(VALUES, 0.25)
    lines = out.getvalue().splitlines()
    assert lines[0] == f" 25%  {LINE}"
    assert len(lines) == 4 or len(lines) == 5
    assert "\x1b" not in out.getvalue()


def test_a_terminal_is_refreshed_at_most_four_times_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown, out, now = display(monkeypatch, terminal=True)
    refreshes = 0
    with shown:
        for _ in range(1000):
            now[0] += 0.01
            if shown.due(now[0]):
                shown.show(VALUES, 0.25)
                refreshes += 1
    assert 36 <= refreshes <= 40
    assert "28.46 dB" in out.getvalue()


def test_nothing_is_shown_when_not_enabled(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Display(enabled=False)
    with shown:
        assert not shown.due(1e12)
        shown.note("here")
    assert capsys.readouterr() == ("", "")


def test_resident_memory_is_that_of_a_python_with_torch() -> None:
    memory = resident_memory()
    assert memory is not None
    assert 50 * 2**20 < memory < 50 * 2**30


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.write(3, {"loss": 0.5, "psnr": float("inf"), "ssim": float("nan")})
    records.close()
    line = (tmp_path / "metrics.jsonl").read_text()
    assert json.loads(line) == {"step": 3, "loss": 0.5, "psnr": None, "ssim": None}


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    records = Records.__new__(Records)
    records.path = tmp_path / "metrics.jsonl"
    records._events = records._wandb = None
    records._file = open(records.path, "a", buffering=1)  # noqa: SIM115
    with pytest.raises(InputError, match=r"metrics\.jsonl: cannot write, found No space left"):
        records.write(1, {"loss": 1.0})


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    records = Records(tmp_path, tensorboard=True)
    for step in (10, 20):
        records.write(step, {"loss": 1.0 / step})
    records.close()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    rows = [(event.step, event.value) for event in events.Scalars("loss")]
    assert rows == [(10, pytest.approx(0.1)), (20, pytest.approx(0.05))]
    assert [row["step"] for row in read_records(tmp_path)] == [10, 20]


def test_a_missing_package_is_named_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InputError, match=r"logging\.wandb: .*pip install 'polyfield\[log\]'"):
        Records(tmp_path, wandb="project")


def test_wandb_gets_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list = []
    run = SimpleNamespace(log=lambda v, step: rows.append((step, v)), finish=lambda: rows.append(0))
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **_: run))
    records = Records(tmp_path, wandb="project")
    records.write(5, {"loss": 1.0})
    records.close()
    assert rows == [(5, {"loss": 1.0}), 0]


@pytest.mark.parametrize(
    "line", [b"5", b"[1]", b'{"loss": 1}', b'{"step": "3"}', b"\xff\xfe", b"{"]
)
def test_rows_after_a_damaged_one_are_dropped(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1}\n' + line + b'\n{"step": 2}\n')
    assert [row["step"] for row in read_records(tmp_path)] == [1]
    Records(tmp_path, after=2).close()
    assert (tmp_path / "metrics.jsonl").read_bytes() == b'{"step": 1}\n'


def test_a_bad_byte_in_a_row_is_no_end(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1, "\xff": 2}\n{"step": 2}\n')
    assert [row["step"] for row in read_records(tmp_path)] == [1, 2]


def test_loggers_that_are_missing_are_said_before_rows_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1}\n')
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InputError, match="wandb"):
        Records(tmp_path, wandb="project")
    assert (tmp_path / "metrics.jsonl").read_bytes() == b'{"step": 1}\n'
