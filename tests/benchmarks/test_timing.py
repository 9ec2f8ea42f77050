"""Contenders take turns, and only what is inside a phase counts."""

from __future__ import annotations

from polyfield.benchmarks import timing
from polyfield.benchmarks.timing import Watch, copying, interleaved, once


def test_contenders_take_turns_after_a_warm_up() -> None:
    turns: list[str] = []
    names = {name: once(lambda name=name: turns.append(name)) for name in "ab"}
    times = interleaved(names, repetitions=3)
    assert turns == ["a", "b"] * 4
    assert set(times) == {"a", "b"}
    assert set(times["a"]) == {"run", "total"}


def test_best_and_median_are_of_phases_and_of_their_sum(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    costs = iter([(9, 9), (1, 5), (3, 2), (2, 2)])

    def contender(watch: Watch) -> None:
        first, second = next(costs)
        now[0] += 100  # outside
        with watch.phase("forward"):
            now[0] += first
        with watch.phase("backward"):
            now[0] += second

    times = interleaved({"x": contender}, repetitions=3)["x"]
    assert times["forward"] == {"best": 1000, "median": 2000}
    assert times["backward"] == {"best": 2000, "median": 2000}
    assert times["total"] == {"best": 4000, "median": 5000}


def test_copying_counts_what_is_read_and_written() -> None:
    copy, n_bytes = copying(megabytes=1)
    assert n_bytes == 2 << 20
    watch = Watch()
    copy(watch)
    assert set(watch.seconds) == {"copy"}
