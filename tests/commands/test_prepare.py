"""`polyfield prepare` on the command line: lines that cannot be served, and what it prints."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from polyfield import cli
from polyfield.commands import stages
from polyfield.commands.stages import Stages
from polyfield.structure import prepare as structure
from polyfield.structure.prepare import Prepared


@pytest.fixture
def line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run `polyfield prepare WORDS...` beside a folder `photos`: (status, output, errors)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    Path("photos").mkdir()
    for i in range(3):
        Image.new("RGB", (20, 16 + i % 2), (40 * i, 0, 0)).save(f"photos/{i}.png")

    def run(*words: str) -> tuple[int, str, str]:
        status = cli.main(["prepare", *words])
        return (status, *capsys.readouterr())

    return run


def test_without_pycolmap_the_line_to_install_it(
    line: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    status, _, said = line("photos", "out")
    assert status == 2
    assert said.endswith("is not installed (pip install 'polyfield[colmap]')\n")
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "input: found none, expected a folder of photos, or a video (polyfield prepare IN OU"),
        (["photos"], "out: found none, expected a new folder"),
        (["nowhere", "out"], "nowhere: cannot be read, found No such file or directory"),
        (["photos/0.png", "out"], "photos/0.png: found one photo, expected a folder of photos, or"),
        (["photos", "photos"], "photos: out: found 0.png, 1.png, 2.png, expected a new or empty"),
        (["photos", "photos/0.png/x"], "photos/0.png/x: out: cannot write, found Not a directory"),
        (["photos", "out", "matching=all"], "matching: found all, expected auto or exhaustive or"),
        (["photos", "out", "max_size=big"], "max_size: found 'big', expected an integer"),
        (["photos", "out", "frame=9"], "no key 'frame'; did you mean 'frames'?"),
        (["a", "b", "c"], "too many files"),
    ],
)
def test_lines_that_cannot_be_served(
    line: Callable, words: list[str], message: str, tmp_path: Path
) -> None:
    status, _, said = line(*words)
    assert status == 2
    assert said.startswith(f"error: {message}")
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_one_camera_of_photos_of_two_sizes(line: Callable) -> None:
    status, _, said = line("photos", "out", "single_camera=true")
    assert status == 2
    assert "single_camera: found 2.png of 20x16 and 1.png of 20x17, expected photos of one" in said


def test_what_it_prints(line: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def prepare(*given: Any) -> Prepared:
        asked.extend(given)
        return Prepared(
            ["a"] * 8, ["a"] * 5, 1234, 0.567, "exhaustive", "OPENCV", 1, ["overlap: x"]
        )

    monkeypatch.setattr(structure, "prepare", prepare)
    status, out, _ = line("input=photos", "out=my out", "frames=20", "max_size=640")
    assert status == 0
    assert out.splitlines() == [
        "registered  5 / 8 photos (62%)",
        "error       0.57 px mean reprojection error, 1,234 points",
        "advice      overlap: x",
        "next        polyfield train 'data=my out'",
    ]
    assert asked[:2] == [Path("photos"), Path("my out")]
    assert (asked[2].frames, asked[2].max_size) == (20, 640)


def test_ctrl_c_says_what_goes_on(line: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(structure, "call_colmap", stop)
    status, out, said = line("photos", "out")
    assert status == 130
    assert "kept        out holds what is done; the same line goes on" in out
    assert said == "interrupted\n"
    assert sorted(path.name for path in Path("out/images").iterdir()) == ["0.png", "1.png", "2.png"]


def test_progress_has_an_estimate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 5.0, 20.0, 21.0, 60.0])
    monkeypatch.setattr(stages.time, "perf_counter", lambda: next(clock))
    text = io.StringIO()
    with Stages(Console(file=text, width=100)) as shown:
        for name, done in (("features", 10), ("features", 11), ("features", 20)):
            shown.watch(name, done, 50)
        shown.say("features", "done")
        shown.watch("matches", 0, 4)
        shown.watch("matches", 4, 4)
    assert text.getvalue().splitlines() == ["features    20 / 50  1:00 left", "matches     4 / 4"]
    assert capsys.readouterr().out == "features    done\n"


def test_in_a_terminal_there_is_one_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0])
    monkeypatch.setattr(stages.time, "perf_counter", lambda: next(clock))
    text = io.StringIO()
    with Stages(Console(file=text, force_terminal=True, width=100)) as shown:
        shown.watch("features", 0, 50)
        shown.watch("features", 10, 50)
    assert "10 / 50  0:04 left" in text.getvalue()
