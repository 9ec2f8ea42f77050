"""Timing contenders against each other, and the yardstick of memory bandwidth.

A shared machine is never equally fast for long, so contenders take turns, repetition by repetition,
and what is compared is the best time of each.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

TOTAL = "total"


class Watch:
    """Seconds by phase, of one repetition of one contender."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Inside, time counts as this phase."""
        began = time.perf_counter()
        yield
        spent = time.perf_counter() - began
        self.seconds[name] = self.seconds.get(name, 0.0) + spent


Contender = Callable[[Watch], Any]
Times = dict[str, dict[str, float]]


def interleaved(
    contenders: Mapping[str, Contender], repetitions: int, warm_ups: int = 1
) -> dict[str, Times]:
    """Milliseconds of contenders that take turns.

    Args:
        contenders: by name; what is outside their phases does not count.
        warm_ups: turns before those that count.

    Returns:
        By contender, by phase (and "total", the phases of a repetition together): "best" and
        "median".
    """
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    for turn in range(-warm_ups, repetitions):
        for name, contender in contenders.items():
            watch = Watch()
            contender(watch)
            if turn >= 0:
                seen[name].append({**watch.seconds, TOTAL: sum(watch.seconds.values())})
    return {name: _summary(turns) for name, turns in seen.items()}


def _summary(turns: list[dict[str, float]]) -> Times:
    times: Times = {}
    for phase in turns[0]:
        values = [1000 * turn[phase] for turn in turns]
        times[phase] = {"best": min(values), "median": statistics.median(values)}
    return times


def once(function: Callable[[], Any], phase: str = "run") -> Contender:
    """A contender of one phase."""

    def contender(watch: Watch) -> None:
        with watch.phase(phase):
            function()

    return contender


def copying(megabytes: int = 256) -> tuple[Contender, int]:
    """Copying memory, as a contender, and how many bytes that moves: read and written once."""
    import torch

    source = torch.ones(megabytes << 18)
    target = torch.empty_like(source)
    return once(lambda: target.copy_(source), "copy"), 2 * source.numel() * source.element_size()
