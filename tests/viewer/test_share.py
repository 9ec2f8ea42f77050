"""Pictures take no more than their share of the time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from polyfield.errors import InputError
from polyfield.viewer.share import Turns


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 1.0])
def test_turns_and_rests_add_up_to_the_share(share: float) -> None:
    clock = Clock()
    turns = Turns(share, lambda: True, clock)
    for i in range(200):
        clock.time += turns.rest()
        with turns.turn():
            clock.time += 0.01 + 0.005 * (i % 3)
        turns.spend(0.0)
    clock.time += turns.rest()
    assert turns.busy / clock.time == pytest.approx(share, rel=1e-6)


def test_what_is_spent_beside_turns_counts() -> None:
    clock = Clock()
    turns = Turns(0.25, lambda: True, clock)
    with turns.turn():
        clock.time += 1.0
    turns.spend(1.0)
    assert turns.rest() == pytest.approx(6.0)


def test_nobody_rests_while_nothing_trains() -> None:
    clock, trains = Clock(), [True]
    turns = Turns(0.1, lambda: trains[0], clock)
    with turns.turn():
        clock.time += 1.0
    assert turns.rest() == pytest.approx(9.0)
    trains[0] = False
    assert turns.rest() == 0


def test_waiting_to_come_in_is_not_spent() -> None:
    clock = Clock()
    turns = Turns(0.5, lambda: True, clock)

    @contextmanager
    def door() -> Iterator[None]:
        clock.time += 5.0
        yield

    with turns.turn(door):
        clock.time += 1.0
    assert turns.busy == pytest.approx(1.0)


def test_one_turn_at_a_time() -> None:
    turns, order = Turns(), []
    second = threading.Event()

    def other() -> None:
        second.set()
        with turns.turn():
            order.append("second")

    with turns.turn():
        thread = threading.Thread(target=other)
        thread.start()
        second.wait(5)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


@pytest.mark.parametrize("share", [0, -1, 1.5, float("nan")])
def test_a_share_is_a_part(share: float) -> None:
    with pytest.raises(InputError, match="above 0, at most 1"):
        Turns(share)
