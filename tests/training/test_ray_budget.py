"""The number of rays: it reaches its budget, stays in bounds and depends on the past alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyfield.errors import InputError
from polyfield.training.ray_budget import RayBudget


@given(samples_per_ray=st.floats(2, 150))
def test_samples_reach_the_budget(samples_per_ray: float) -> None:
    budget = RayBudget(samples=10_000)
    for _ in range(60):
        budget.update(round(budget.rays * samples_per_ray))
    assert budget.rays * samples_per_ray == pytest.approx(10_000, rel=0.05)


@given(counts=st.lists(st.integers(0, 10**7), max_size=50))
def test_it_stays_in_bounds_and_changes_by_at_most_two(counts: list[int]) -> None:
    budget = RayBudget(samples=10_000, rays=200, least=100, most=5000)
    for count in counts:
        before = budget.rays
        budget.update(count)
        assert 100 <= budget.rays <= 5000
        assert before // 2 <= budget.rays <= 2 * before


@given(counts=st.lists(st.integers(0, 10**6), min_size=1, max_size=20), split=st.integers(0, 20))
def test_it_goes_on_from_its_state(counts: list[int], split: int) -> None:
    straight, first, second = (RayBudget(samples=5000) for _ in range(3))
    for count in counts:
        straight.update(count)
    for count in counts[:split]:
        first.update(count)
    second.load_state(json.loads(json.dumps(first.state())))
    for count in counts[split:]:
        second.update(count)
    assert second.state() == straight.state()


def test_without_a_budget_nothing_changes() -> None:
    budget = RayBudget(samples=0, rays=300)
    budget.update(10**6)
    assert budget.rays == 300


def test_bad_bounds_are_named() -> None:
    with pytest.raises(InputError, match="rays 10 of 64 to 8192"):
        RayBudget(rays=10)
