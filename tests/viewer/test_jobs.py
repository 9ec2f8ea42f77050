"""Jobs run one at a time, tell how far they are, and can be given up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from polyfield.errors import InputError
from polyfield.viewer.jobs import Jobs, Tell

Work = Callable[[Path, Tell], Path]


def outcome(jobs: Jobs, work: Work) -> Path | str:
    found: list[Path | str] = []
    ended = threading.Event()

    def end(result: Path | str) -> None:
        found.append(result)
        ended.set()

    assert jobs.start("job", work, end, end)
    assert ended.wait(10)
    return found[0]


def write(folder: Path, tell: Tell) -> Path:
    tell(0.5, "half")
    (folder / "file").write_text("it")
    return folder / "file"


def test_a_job_hands_over_its_file(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "renders")
    assert outcome(jobs, write) == tmp_path / "renders" / "file"
    assert jobs.note is None
    jobs.stop()


def test_a_folder_that_cannot_be_written_is_said_and_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way of a folder")
    jobs = Jobs(tmp_path / "file" / "renders")
    file = outcome(jobs, write)
    assert isinstance(file, Path)
    assert file.read_text() == "it"
    assert jobs.note is not None
    assert "only the download" in jobs.note
    jobs.stop()
    assert not file.exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [(InputError("not so"), "not so"), (OSError(28, "disk full"), "disk full")],
)
def test_what_goes_wrong_is_said(error: Exception, said: str, tmp_path: Path) -> None:
    def work(folder: Path, tell: Tell) -> Path:
        raise error

    assert said in str(outcome(Jobs(tmp_path), work))


def test_one_at_a_time_and_cancelled_at_the_next_word(tmp_path: Path) -> None:
    jobs, begun, cancelled = Jobs(tmp_path), threading.Event(), threading.Event()
    said: list[str] = []

    def work(folder: Path, tell: Tell) -> Path:
        begun.set()
        cancelled.wait(10)
        tell(0.1, "on")
        raise AssertionError

    assert jobs.start("a", work, lambda _: None, said.append)
    assert begun.wait(10)
    assert not jobs.start("b", work, lambda _: None, said.append)
    jobs.cancel()
    cancelled.set()
    jobs.stop()
    assert said == ["cancelled"]
