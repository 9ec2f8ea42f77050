"""Schedules and averages."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from polyfield.errors import InputError
from polyfield.training.averaging import Average
from polyfield.training.schedules import KINDS, Schedule


@given(
    kind=st.sampled_from(KINDS),
    final=st.floats(1e-3, 1),
    hold=st.floats(0, 0.9),
    a=st.floats(0, 1),
    b=st.floats(0, 1),
)
def test_rates_fall_from_one_to_the_end(
    kind: str, final: float, hold: float, a: float, b: float
) -> None:
    schedule = Schedule(kind, final=final, hold=hold)
    low, high = min(a, b), max(a, b)
    assert schedule(0, low) >= schedule(0, high) - 1e-12
    assert schedule(0, 0.0) == schedule(0, hold) == pytest.approx(1)
    end = 1 if kind == "constant" else final
    assert schedule(0, 1.0) == schedule(0, 1.3) == pytest.approx(end)


def test_cosine_is_halfway_at_half_and_exponential_at_the_geometric_mean() -> None:
    assert Schedule("cosine", final=0.2)(0, 0.5) == pytest.approx(0.6)
    assert Schedule("exponential", final=0.01)(0, 0.5) == pytest.approx(0.1)


def test_warm_up_is_in_steps() -> None:
    schedule = Schedule("constant", warmup_steps=4)
    assert [schedule(step, 0.9) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"kind": "linear"}, "trainer.decay: found linear, expected cosine or exponential"),
        ({"final": 0.0}, "trainer.final"),
        ({"hold": 1.0}, "hold 1.0"),
        ({"warmup_steps": -1}, "warmup_steps -1"),
    ],
)
def test_bad_schedules_are_named(settings: dict, field: str) -> None:
    with pytest.raises(InputError, match=field):
        Schedule(**settings)


def test_an_average_of_a_constant_is_that_constant_and_forgets_what_was_before() -> None:
    module = nn.Linear(2, 2)
    average = Average(module, 0.9)
    with torch.no_grad():
        module.weight.zero_()  # where floats stay exact
    distances = []
    for _ in range(200):
        average.update()
        distances.append(float(average.values["weight"].abs().max()))
    assert distances[-1] < 1e-5
    assert all(a >= b for a, b in pairwise(distances))
    # The last factor of the ramp is the decay itself.
    assert distances[150] / distances[149] == pytest.approx(0.9, abs=1e-3)


def test_applied_averages_are_taken_back_even_after_an_error() -> None:
    module = nn.Linear(2, 2)
    average = Average(module, 0.5)
    with torch.no_grad():
        module.weight.add_(1)
    trained = module.weight.detach().clone()

    def look() -> None:
        with average.applied():
            assert torch.equal(module.weight, average.values["weight"])
            assert not torch.equal(module.weight, trained)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        look()
    assert torch.equal(module.weight, trained)


def test_averages_follow_replaced_parameters() -> None:
    module = nn.Linear(2, 2)
    average = Average(module, 0.5)
    bias = average.values["bias"]
    module.weight = nn.Parameter(torch.ones(5, 2))
    average.follow()
    assert torch.equal(average.values["weight"], torch.ones(5, 2))
    assert average.values["bias"] is bias
    average.update()
