"""The same settings in trainings of any length."""

from __future__ import annotations

from itertools import pairwise

import pytest

from polyfield.errors import InputError
from polyfield.training.densification import Classic, Window


def rounds(window: Window, total: int) -> list[int]:
    last, done = 0, []
    for step in range(total):
        if window.due(step, step / total, last):
            last = step
            done.append(step)
    return done


def test_a_long_training_is_refined_as_in_the_paper() -> None:
    done = rounds(Classic().window, 30_000)
    assert done == list(range(600, 15_000, 100))


@pytest.mark.parametrize(("total", "least"), [(10_000, 20), (3000, 20), (1000, 20), (500, 11)])
def test_short_trainings_are_refined_more_often(total: int, least: int) -> None:
    done = rounds(Classic().window, total)
    assert len(done) >= least
    gaps = {b - a for a, b in pairwise(done)}
    assert 20 <= min(gaps) <= max(gaps) <= 100
    assert total / 60 <= done[0]
    assert done[-1] < total / 2


def test_moments_above_one_are_steps() -> None:
    window = Window(start=40, stop=200, every=50, rounds=1)
    assert rounds(window, 1000) == [90, 140, 190]
    assert rounds(window, 100_000) == [90, 140, 190]
    assert window.over(200, 0.01)
    assert not window.over(199, 0.99)


def test_a_budget_in_seconds_ends_where_its_time_does() -> None:
    window = Window(start=0, stop=0.5, every=10, rounds=1)
    assert window.due(10, 0.1, 0)
    assert not window.due(10, 0.5, 0)


def test_a_training_that_never_ends_has_no_shares() -> None:
    """Without a budget, progress stays 0: refinement begins at once and goes on."""
    assert Window(1 / 60, 0.5, 100, 20).due(100, 0.0, 0)
    assert not Window(1 / 60, 0.5, 100, 20).due(99, 0.0, 0)


@pytest.mark.parametrize(
    "changes", [{"start": -1}, {"stop": float("nan")}, {"every": 0}, {"rounds": 0}]
)
def test_windows_without_a_meaning_are_refused(changes: dict[str, float]) -> None:
    (name,) = changes
    with pytest.raises(InputError, match=f"densify.{name}"):
        Classic(**changes)  # type: ignore[arg-type]
