"""Batches that are grids: what is drawn, what it is compared with, and that it is all counted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyfield.datasets.grid import Grid, make_grid
from polyfield.errors import InputError
from polyfield.fields import FInr, HashGrid, SignalDecoder, SignalField
from polyfield.training.grid_task import GridTask
from polyfield.training.optimizers import Adam
from polyfield.training.subgrid import batch_counts, draw_subgrid, numbers_of, slabs
from polyfield.training.trainer import Trainer

COUNTS = st.lists(st.integers(1, 300), min_size=1, max_size=4)


def waves(shape: tuple[int, ...] = (20, 30), k: int = 3) -> Grid:
    """Slow waves, of which a few terms are enough."""
    axes = np.meshgrid(*(np.arange(n) / max(shape) for n in shape), indexing="ij")
    values = [0.5 + 0.4 * np.prod([np.cos(5 * x + i) for x in axes], axis=0) for i in range(k)]
    kind = {2: "image", 3: "video"}[len(shape)]
    return make_grid(kind, (255 * np.stack(values, axis=-1)).astype(np.uint8))


def field_of(d: int = 2, k: int = 3) -> SignalField:
    torch.manual_seed(0)
    backbone = FInr("cp", "siren", 8, hidden=[24, 24], first_omega=30, in_dim=d)
    return SignalField(backbone, SignalDecoder(8, k, hidden=[]))


@settings(max_examples=200, deadline=None)
@given(COUNTS, st.integers(1, 20000))
def test_a_batch_is_an_even_share_of_the_axes(counts: list[int], most: int) -> None:
    made = batch_counts(counts, most)
    assert all(1 <= m <= n for m, n in zip(made, counts))
    assert math.prod(made) <= most
    if math.prod(counts) <= most:
        assert made == counts
    long = [(m, n) for m, n in zip(made, counts) if m > 1]
    for m, n in long:  # to the rounding of one sample, and what others could not give
        assert all(m / n <= (p + 1) / q * 2 ** len(counts) for p, q in long)


@settings(max_examples=50, deadline=None)
@given(COUNTS, st.integers(1, 500), st.integers(0, 9))
def test_what_is_drawn_are_samples_of_the_grid(counts: list[int], most: int, seed: int) -> None:
    drawn = draw_subgrid(counts, most, torch.Generator().manual_seed(seed))
    numbers = numbers_of(counts, drawn)
    assert list(numbers.shape) == batch_counts(counts, most)
    assert len(numbers.unique()) == numbers.numel()
    places = np.meshgrid(*(index.numpy() for index in drawn), indexing="ij")
    assert np.array_equal(numbers.numpy(), np.ravel_multi_index(places, counts))


def test_every_sample_is_drawn_as_often_as_another() -> None:
    counts, generator = [6, 9], torch.Generator().manual_seed(0)
    times = torch.zeros(54)
    for _ in range(2000):
        times[numbers_of(counts, draw_subgrid(counts, 12, generator)).reshape(-1)] += 1
    assert float(times.std() / times.mean()) < 0.1


def test_each_of_many_samples_is_drawn_as_often_as_another() -> None:
    generator, times = torch.Generator().manual_seed(0), torch.zeros(200)
    for _ in range(4000):
        (drawn,) = draw_subgrid([200], 20, generator)
        assert len(drawn) == 20
        assert (drawn.diff() > 0).all()
        times[drawn] += 1
    assert float(times.std() / times.mean()) < 0.1


def test_few_of_many_are_drawn_without_putting_all_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "randperm", None)
    (drawn,) = draw_subgrid([1 << 40], 1000, torch.Generator().manual_seed(0))
    assert len(drawn.unique()) == 1000


def test_slabs_are_all_of_the_first_axis_once() -> None:
    for most in (1, 7, 30, 10**6):
        parts = list(slabs((10, 3), most))
        assert [i for part in parts for i in range(part.start, part.stop)] == list(range(10))
        assert all((part.stop - part.start) * 3 <= max(most, 3) for part in parts)


@pytest.mark.parametrize("loss", ["mse", "l1"])
@pytest.mark.parametrize("choice", [{}, {"holdout": 0.3}, {"rotation": 0.0}])
def test_the_loss_is_of_all_samples_that_count(loss: Any, choice: dict[str, Any]) -> None:
    """A sub-grid that is the whole grid, against each sample on its own."""
    grid = waves()
    task = GridTask(field_of(), grid, loss=loss, **choice)
    grid = task.truth
    assert task.by_axes
    result = task.loss(0, 0.0, torch.Generator())
    index = torch.arange(grid.size)
    index = index[~task.held_out(index) & task.counts(index)]
    assert result.n_samples == len(index) < (grid.size if choice else grid.size + 1)
    backbone, decoder = task.field.backbone, task.field.decoder
    values = decoder(backbone.exact(grid.points(index)))  # type: ignore[operator]
    error = values - grid.taken(index)
    expected = error.square().mean() if loss == "mse" else error.abs().mean()
    torch.testing.assert_close(result.loss, expected)
    mse = float(error.detach().square().mean())
    assert float(result.metrics["psnr"]) == pytest.approx(-10 * math.log10(mse), rel=1e-4)


def test_samples_are_taken_axis_by_axis_in_any_number_of_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = GridTask(field_of(3), waves((4, 10, 12)))
    with torch.no_grad():
        points = task.grid.points(torch.arange(480))
        exact = task.field.decoder(task.field.backbone.exact(points))  # type: ignore[operator]
    values = task.sample()
    torch.testing.assert_close(torch.from_numpy(values).view(480, 3), exact)
    assert task.sample((8, 5, 3)).shape == (8, 5, 3, 3)
    monkeypatch.setattr("polyfield.training.grid_task.SLAB", 130)
    np.testing.assert_allclose(task.sample(), values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch", [None, 100])
def test_a_picture_is_learned_by_sub_grids(tmp_path: Path, batch: int | None) -> None:
    task = GridTask(field_of(), waves(), batch=batch)
    Trainer(task, tmp_path, optimizer=lambda g: Adam(g, lr=5e-3), max_steps=250).train()
    assert task.evaluate()["psnr"] > 28


def test_nothing_to_train_on_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyfield.training.grid_task.TRIES", 2)
    task = GridTask(field_of(), waves(), holdout=1 - 1e-9)
    with pytest.raises(InputError, match=r"task\.holdout: .*expected something to train on"):
        task.loss(0, 0.0, torch.Generator())


def test_only_what_is_evaluated_axis_by_axis_learns_sub_grids() -> None:
    grid = HashGrid(levels=2, log2_entries=6, max_resolution=32, in_dim=2)
    field = SignalField(grid, SignalDecoder(8, 3))
    assert not GridTask(field, waves()).by_axes
    assert not GridTask(field_of(), waves(), batches="points").by_axes
    with pytest.raises(InputError, match=r"task\.batches: .*found grid"):
        GridTask(field, waves(), batches="grid")
    with pytest.raises(InputError, match=r"task\.batches: found all, expected auto or points"):
        GridTask(field, waves(), batches="all")  # type: ignore[arg-type]
