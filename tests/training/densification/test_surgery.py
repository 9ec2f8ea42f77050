"""Rows go where the index map says, and their moments with them."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from polyfield.training.densification import NAMES, rearrange, resized
from polyfield.training.optimizers import Adam


@st.composite
def index_maps(draw: st.DrawFn) -> tuple[int, list[int], list[bool], list[int]]:
    """n, the source of each new row, which forget, and which are written."""
    n = draw(st.integers(0, 6))
    source = draw(st.lists(st.integers(-1, n - 1), max_size=9))
    m = len(source)
    forget = draw(st.lists(st.booleans(), min_size=m, max_size=m))
    extra = draw(st.sets(st.integers(0, m - 1), max_size=m)) if m else set()
    rows = draw(st.permutations(sorted(extra | {i for i in range(m) if source[i] < 0})))
    return n, source, forget, list(rows)


@settings(max_examples=150, deadline=None)
@given(index_maps())
def test_rows_and_moments_follow_any_index_map(
    case: tuple[int, list[int], list[bool], list[int]],
) -> None:
    n, source, forget, rows = case
    old = {"a": nn.Parameter(torch.randn(n)), "b": nn.Parameter(torch.randn(n, 2, 3))}
    values = {"a": torch.randn(len(rows)), "b": torch.randn(len(rows), 2, 3)}
    new, replaced = rearrange(
        old,
        torch.tensor(source, dtype=torch.int64),
        forget=torch.tensor(forget, dtype=torch.bool),
        rows=torch.tensor(rows, dtype=torch.int64),
        values=values,
    )
    moments = {name: torch.randn_like(p) for name, p in old.items()}
    for (name, p), replacement in zip(old.items(), replaced, strict=True):
        assert replacement.old is p
        assert replacement.new is new[name]
        carried = replacement.carry(moments[name])
        assert carried.shape == new[name].shape == (len(source), *p.shape[1:])
        for i, j in enumerate(source):
            expected = values[name][rows.index(i)] if i in rows else p[j]
            assert torch.equal(new[name][i], expected)
            kept = j >= 0 and not forget[i]
            moment = moments[name][j] if kept else torch.zeros_like(expected)
            assert torch.equal(carried[i], moment)


def test_a_name_without_values_keeps_what_was_copied(make: Any) -> None:
    old = make(3)
    rows = torch.tensor([1])
    new, _ = rearrange(old, torch.tensor([2, 0]), rows=rows, values={"means": torch.ones(1, 3)})
    assert new["means"].tolist()[1] == [1, 1, 1]
    for name in NAMES[1:]:
        assert torch.equal(new[name], old[name][[2, 0]])


def test_new_parameters_share_no_memory_with_the_old(make: Any) -> None:
    old = make(3)
    new, _ = rearrange(old, torch.arange(3))
    for name in NAMES:
        assert new[name].data_ptr() != old[name].data_ptr()
        assert new[name].is_contiguous()
        assert new[name].requires_grad


@pytest.mark.parametrize(
    ("source", "rows", "values", "message"),
    [
        ([3], None, {}, "rows 3 to 3 of 3"),
        ([-2], None, {}, "rows -2"),
        ([-1], None, {}, "must be written"),
        ([-1], [0], {"means": torch.zeros(1, 3)}, "values of all"),
        ([0], [0], {"means": torch.zeros(2, 3)}, "expected [1, 3]"),
        ([0], [0], {"places": torch.zeros(1, 3)}, "places"),
    ],
)
def test_maps_without_a_meaning_are_refused(
    make: Any, source: list[int], rows: list[int] | None, values: dict[str, Tensor], message: str
) -> None:
    where = None if rows is None else torch.tensor(rows)
    with pytest.raises(ValueError, match=re.escape(message)):
        rearrange(make(3), torch.tensor(source), rows=where, values=values)


def test_unequal_rows_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="one number of rows"):
        rearrange({**make(3), "means": make(2)["means"]}, torch.tensor([0]))


def test_the_optimiser_goes_on_as_if_nothing_had_happened(make: Any) -> None:
    """Rows that are shuffled learn what they would have learned."""
    targets = {name: torch.randn_like(p) for name, p in make(5).items()}
    order = torch.tensor([4, 2, 0, 1, 3])

    def learn(shuffle: bool) -> dict[str, Tensor]:
        parameters, goals = make(5), targets
        optimizer = Adam(list(parameters.values()))
        for step in range(6):
            if shuffle and step == 3:
                new, replaced = rearrange(parameters, order)
                fresh = Adam(list(new.values()))
                for old, made, carry in replaced:
                    state = optimizer.state[old]
                    fresh.state[made] = {
                        key: carry(value) if value.shape == old.shape else value
                        for key, value in state.items()
                    }
                parameters, optimizer = new, fresh
                goals = {name: goal[order] for name, goal in goals.items()}
            loss = sum((p - goals[name]).square().sum() for name, p in parameters.items())
            loss.backward()
            optimizer.step()
        return {name: p.detach() for name, p in parameters.items()}

    straight, shuffled = learn(False), learn(True)
    for name in NAMES:
        assert torch.equal(straight[name][order], shuffled[name])


def test_resized_makes_room_and_leaves_alone_what_has_it(make: Any) -> None:
    parameters = make(4)
    assert all(a is b for a, b in zip(resized(parameters, 4).values(), parameters.values()))
    grown = resized(parameters, 7)
    assert {name: list(p.shape) for name, p in grown.items()} == {
        "means": [7, 3],
        "quats": [7, 4],
        "log_scales": [7, 3],
        "opacity_logits": [7],
        "sh_dc": [7, 3],
        "sh_rest": [7, 3, 3],
    }
