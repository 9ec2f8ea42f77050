"""The peer is run as a program; only whole steps count, and what it lacks is said."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import pytest

from polyfield.benchmarks import opensplat
from polyfield.benchmarks.cells import NotRun

# What the measurement relies on: options, lines, and the list of cameras.
PROGRAM = f"""\
#!{sys.executable}
import json, sys
from pathlib import Path

words = dict(word.removeprefix("--").partition("=")[::2] for word in sys.argv[2:])
Path(__file__).with_name("asked.json").write_text(json.dumps([sys.argv[1], words]))
print("Loading 1.jpg")
for step in range(1, int(words["num-iters"]) + 1):
    print(f"Step {{step}}: 0.1 (1%)", flush=True)
    if sys.argv[1] == "broken" and step == 3:
        sys.exit("out of points")
if sys.argv[1] == "unsaved":
    sys.exit("disk full")
cameras = Path(words["output"]).with_name("cameras.json")
cameras.write_text('[{{"width": 267, "height": 200}}]')
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A stand-in for the clone."""
    program = tmp_path / opensplat.PROGRAM
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return tmp_path


def asked(clone: Path) -> tuple[str, dict[str, str]]:
    data, words = json.loads((clone / "build" / "asked.json").read_text())
    return data, words


def test_the_rate_is_of_whole_steps_after_the_first(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that is asked once a step: the first take 100 seconds each, the others half a one."""
    times = itertools.accumulate([100.0] * opensplat.WARM_UP + [0.5] * 8)
    monkeypatch.setattr(opensplat.time, "perf_counter", lambda: next(times))
    rate, size = opensplat.their_rate(clone / opensplat.PROGRAM, "photos", 3, 3, steps=8)
    assert rate == pytest.approx(2.0)
    assert size == [267, 200]


@pytest.mark.parametrize("degree", [0, 2, 3])
def test_it_is_asked_for_the_same_work(clone: Path, degree: int) -> None:
    """One size, one degree from the start, no Gaussian more or less."""
    opensplat.their_rate(clone / opensplat.PROGRAM, "photos", 2, degree, steps=4)
    data, words = asked(clone)
    assert data == "photos"
    steps = int(words["num-iters"])
    assert steps == opensplat.WARM_UP + 4
    assert "cpu" in words
    assert (words["downscale-factor"], words["num-downscales"]) == ("2", "0")
    assert min(int(words[name]) for name in ("refine-every", "warmup-length")) > steps
    most, interval = int(words["sh-degree"]), int(words["sh-degree-interval"])
    active = [min(step // interval, most) for step in range(opensplat.WARM_UP, steps + 1)]
    assert set(active) == {degree}


def test_both_take_turns_and_the_best_counts(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []
    theirs, ours = iter([2.0, 5.0, 3.0]), iter([20.0, 10.0, 60.0])

    def their_rate(*_: object) -> tuple[float, list[int]]:
        turns.append("theirs")
        return next(theirs), [267, 200]

    def our_rate(*_: object) -> float:
        turns.append("ours")
        return next(ours)

    monkeypatch.setattr(opensplat, "their_rate", their_rate)
    monkeypatch.setattr(opensplat, "our_rate", our_rate)
    values = opensplat.measure("photos", str(clone), 3, 3, steps=8, repetitions=3)
    assert turns == ["theirs", "ours"] * 3
    assert values["opensplat"] == {"best": 5.0, "median": 3.0}
    assert values["polyfield"] == {"best": 60.0, "median": 20.0}
    assert values["not_run"] == {}


def test_without_ours_theirs_is_measured(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opensplat, "choices", lambda group: ["hash"])
    values = opensplat.measure("photos", str(clone), 3, 3, steps=8, repetitions=2)
    assert values["opensplat"]["best"] >= values["opensplat"]["median"] > 0
    assert "polyfield" not in values
    assert values["not_run"] == {"polyfield": "no field=gaussians"}


def test_a_clone_that_is_not_built_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(NotRun, match="not built: build/opensplat"):
        opensplat.measure("photos", str(tmp_path), 3, 3, steps=8, repetitions=1)


@pytest.mark.parametrize(("data", "said"), [("broken", "out of points"), ("unsaved", "disk full")])
def test_a_program_that_fails_is_not_run_and_says_why(clone: Path, data: str, said: str) -> None:
    with pytest.raises(NotRun, match=f"status 1 after: {said}"):
        opensplat.their_rate(clone / opensplat.PROGRAM, data, 3, 3, steps=8)
