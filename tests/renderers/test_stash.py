"""What the fused step keeps between its passes: threads, growth, tickets, gradients in place."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numba
import pytest
import torch

import polyfield.kernels.volume as volume
from polyfield.kernels.gradients import direct_gradients

needs_two_threads = pytest.mark.skipif(
    numba.config.NUMBA_NUM_THREADS < 2, reason="one thread on this machine"
)


@contextmanager
def threads(n: int) -> Iterator[None]:
    before = numba.get_num_threads()
    numba.set_num_threads(n)
    try:
        yield
    finally:
        numba.set_num_threads(before)


@contextmanager
def interleaved_threads() -> Iterator[None]:
    """Python changes threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@needs_two_threads
@pytest.mark.parametrize("n", [1, 2, 3, 90, 700])
def test_the_number_of_threads_changes_nothing(
    n: int, make_renderer: Any, make_rays: Any, outcome: Any, assert_same: Any
) -> None:
    renderer, rays = make_renderer(), make_rays(n)
    with threads(1):
        one = outcome(renderer, rays)
    with threads(2):
        two = outcome(renderer, rays)
    assert_same(two, one, 1e-12)


@needs_two_threads
def test_a_batch_may_end_on_other_threads_than_it_began(make_renderer: Any, make_rays: Any) -> None:
    renderer, rays = make_renderer(), make_rays(50)
    table = renderer.field.backbone.table
    (right,) = torch.autograd.grad(renderer(rays).rgb.sum(), table)
    for first, then in ((1, 2), (2, 1)):
        with threads(first):
            loss = renderer(rays).rgb.sum()
        with threads(then):
            (ours,) = torch.autograd.grad(loss, table)
        torch.testing.assert_close(ours, right, rtol=0, atol=1e-11)


def test_rows_that_do_not_fit_make_the_stash_grow(
    make_renderer: Any, make_rays: Any, outcome: Any, assert_same: Any, monkeypatch: Any
) -> None:
    options = {"occupancy": 1.0, "stop": 0.0, "step": 0.02}
    rays = make_rays(90)
    right = outcome(make_renderer(**options), rays)
    monkeypatch.setattr(volume, "MIN_CAPACITY", 1)
    asked = []
    reserve = volume.Stash.reserve

    def spy(stash: Any, capacity: int, *arguments: Any) -> None:
        asked.append(capacity)
        reserve(stash, capacity, *arguments)

    monkeypatch.setattr(volume.Stash, "reserve", spy)
    renderer = make_renderer(**options)
    assert_same(outcome(renderer, rays), right, 1e-12)
    assert len(asked) > 1
    assert asked == sorted(asked)
    grown = renderer.field.kernels.training.capacity
    outcome(renderer, rays)
    assert renderer.field.kernels.training.capacity == grown


def test_two_batches_before_either_goes_back(make_renderer: Any, make_rays: Any) -> None:
    renderer = make_renderer()
    table = renderer.field.backbone.table
    batches = [make_rays(40, seed=1), make_rays(70, seed=2)]
    right = [torch.autograd.grad(renderer(rays).rgb.sum(), table)[0] for rays in batches]
    for order in ((0, 1), (1, 0)):
        losses = [renderer(rays).rgb.sum() for rays in batches]
        for i in order:
            (ours,) = torch.autograd.grad(losses[i], table)
            torch.testing.assert_close(ours, right[i], rtol=0, atol=1e-12)


def test_a_picture_between_the_passes_does_no_harm(make_renderer: Any, make_rays: Any) -> None:
    """A viewer renders while a trainer trains."""
    renderer, rays = make_renderer(), make_rays(40)
    table = renderer.field.backbone.table
    (right,) = torch.autograd.grad(renderer(rays).rgb.sum(), table)
    loss = renderer(rays).rgb.sum()
    with torch.no_grad():
        renderer(make_rays(300, seed=5))
    (ours,) = torch.autograd.grad(loss, table)
    assert torch.equal(ours, right)


def test_a_graph_that_is_kept_goes_back_twice(make_renderer: Any, make_rays: Any) -> None:
    renderer = make_renderer()
    table = renderer.field.backbone.table
    loss = renderer(make_rays(40)).rgb.sum()
    first, second = (torch.autograd.grad(loss, table, retain_graph=True)[0] for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=1e-12)


def test_parameters_that_moved_between_the_passes_are_noticed(
    make_renderer: Any, make_rays: Any
) -> None:
    renderer = make_renderer()
    loss = renderer(make_rays(10)).rgb.sum()
    with torch.no_grad():
        renderer.field.backbone.table.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_frozen_parameters_get_no_gradient(make_renderer: Any, make_rays: Any) -> None:
    renderer, rays = make_renderer(), make_rays(40)
    field = renderer.field
    (right,) = torch.autograd.grad(renderer(rays).rgb.sum(), field.decoder.trunk)
    field.backbone.requires_grad_(False)
    with direct_gradients():
        renderer(rays).rgb.sum().backward()
    assert field.backbone.table.grad is None
    torch.testing.assert_close(field.decoder.trunk.grad, right, rtol=0, atol=1e-12)


@pytest.mark.parametrize("direct", [False, True])
def test_gradients_are_added_to_those_already_there(
    direct: bool, make_renderer: Any, make_rays: Any
) -> None:
    renderer, rays = make_renderer(), make_rays(40)
    parameters = list(renderer.field.parameters())
    right = torch.autograd.grad(renderer(rays).rgb.sum(), [p for p in parameters if p.numel()])
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    held = renderer.field.backbone.table.grad
    for _ in range(2):
        loss = renderer(rays).rgb.sum()
        if direct:
            with direct_gradients():
                loss.backward()
        else:
            loss.backward()
    assert renderer.field.backbone.table.grad is held
    for parameter, gradient in zip([p for p in parameters if p.numel()], right):
        torch.testing.assert_close(parameter.grad, 1 + 2 * gradient, rtol=0, atol=1e-11)


def test_direct_gradients_end_with_their_context_and_stay_in_their_thread(
    make_renderer: Any, make_rays: Any
) -> None:
    renderer, rays = make_renderer(), make_rays(10)
    table = renderer.field.backbone.table
    table.grad = torch.zeros_like(table)
    loss = renderer(rays).rgb.sum()
    with direct_gradients(), ThreadPoolExecutor(1) as pool:
        (elsewhere,) = pool.submit(torch.autograd.grad, loss, table, retain_graph=True).result()
    (after,) = torch.autograd.grad(loss, table)
    assert elsewhere.any()
    torch.testing.assert_close(after, elsewhere, rtol=0, atol=1e-12)
    assert not table.grad.any()


def test_direct_gradients_may_be_nested(make_renderer: Any, make_rays: Any) -> None:
    renderer = make_renderer()
    table = renderer.field.backbone.table
    table.grad = held = torch.zeros_like(table)
    with direct_gradients():
        with direct_gradients():
            pass
        renderer(make_rays(10)).rgb.sum().backward()
    assert table.grad is held
    assert held.any()


def test_a_frozen_table_keeps_the_gradient_it_has(make_renderer: Any, make_rays: Any) -> None:
    renderer = make_renderer()
    table = renderer.field.backbone.table
    table.grad = torch.zeros_like(table)
    table.requires_grad_(False)
    with direct_gradients():
        renderer(make_rays(40)).rgb.sum().backward()
    assert not table.grad.any()


def test_two_threads_train_at_once(make_renderer: Any, make_rays: Any) -> None:
    """Each through the same scratch: rows of one batch never meet the gradient of another."""
    renderer = make_renderer()
    table = renderer.field.backbone.table
    batches = [make_rays(20 + 60 * i, seed=i) for i in range(4)]
    right = [torch.autograd.grad(renderer(rays).rgb.sum(), table)[0] for rays in batches]

    def train(first: int) -> bool:
        for i in range(first, first + 40):
            (ours,) = torch.autograd.grad(renderer(batches[i % 4]).rgb.sum(), table)
            if not torch.allclose(ours, right[i % 4], rtol=0, atol=1e-11):
                return False
        return True

    with interleaved_threads(), ThreadPoolExecutor(2) as pool:
        assert all(pool.map(train, (0, 2)))


def test_two_threads_render_at_once(make_renderer: Any, make_rays: Any) -> None:
    """One trains, one looks, on the same field."""
    renderer = make_renderer()
    table = renderer.field.backbone.table
    batches = [make_rays(30 + 40 * i, seed=i) for i in range(3)]
    right = [torch.autograd.grad(renderer(rays).rgb.sum(), table)[0] for rays in batches]
    with torch.no_grad():
        pictures = [renderer(rays).rgb for rays in batches]

    def look() -> bool:
        with torch.no_grad():
            return all(
                torch.allclose(renderer(batches[i % 3]).rgb, pictures[i % 3], rtol=0, atol=1e-12)
                for i in range(60)
            )

    def train() -> bool:
        for i in range(30):
            (ours,) = torch.autograd.grad(renderer(batches[i % 3]).rgb.sum(), table)
            if not torch.allclose(ours, right[i % 3], rtol=0, atol=1e-11):
                return False
        return True

    with interleaved_threads(), ThreadPoolExecutor(2) as pool:
        results = [pool.submit(look), pool.submit(train)]
        assert all(result.result() for result in results)


def test_scratch_is_claimed_within_the_launch(
    make_renderer: Any, make_rays: Any, monkeypatch: Any
) -> None:
    """Else another thread, with another number of threads, swaps it before the kernel runs."""
    entered = []
    reserve = volume.Stash.reserve

    def spy(stash: Any, *arguments: Any) -> None:
        reserve(stash, *arguments)
        event = threading.Event()

        def other() -> None:
            with volume.launch():
                event.set()

        threading.Thread(target=other, daemon=True).start()
        entered.append(event.wait(0.2))

    monkeypatch.setattr(volume.Stash, "reserve", spy)
    with torch.no_grad():
        make_renderer()(make_rays(10))
    assert entered == [False]
