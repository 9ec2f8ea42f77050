"""Adam: the cpu twin, plain torch and torch's own optimiser; and what `skip_zero` leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from polyfield.kernels.adam import adam_step, adam_step_reference

BETAS = {"lr": 0.01, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8}
Step = Callable[..., None]
both = pytest.mark.parametrize("step", [adam_step, adam_step_reference], ids=["cpu", "reference"])
sizes = pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 1000])


def random(n: int, seed: int, zeros: float = 0.0) -> Tensor:
    """Numbers of very different sizes, a share of them exactly zero."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(n, generator=generator) * 10 ** torch.empty(n).uniform_(
        -4, 2, generator=generator
    )
    return values * (torch.rand(n, generator=generator) >= zeros)


def run(
    step: Step,
    n: int,
    steps: int = 5,
    zeros: float = 0.0,
    dtype: Any = torch.float32,
    **options: Any,
) -> list[Tensor]:
    """Parameters and moments after some steps."""
    param = random(n, 0).to(dtype)
    m, v = torch.zeros_like(param), torch.zeros_like(param)
    for i in range(steps):
        grad = random(n, i + 1, zeros).to(dtype)
        step(param, grad, m, v, step=i + 1, **(BETAS | options))
    return [param, m, v]


@sizes
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("skip_zero", [False, True])
def test_twins_agree(n: int, weight_decay: float, skip_zero: bool) -> None:
    options = {"weight_decay": weight_decay, "skip_zero": skip_zero, "zeros": 0.7}
    ours, right = run(adam_step, n, **options), run(adam_step_reference, n, **options)
    torch.testing.assert_close(ours, right, rtol=2e-6, atol=1e-7)


@both
@sizes
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_dense_steps_are_those_of_torch(step: Step, n: int, weight_decay: float) -> None:
    param = torch.nn.Parameter(random(n, 0))
    optimizer = torch.optim.Adam(
        [param], lr=0.01, betas=(0.9, 0.99), eps=1e-8, weight_decay=weight_decay
    )
    for i in range(5):
        param.grad = random(n, i + 1)
        optimizer.step()
    ours = run(step, n, weight_decay=weight_decay)[0]
    torch.testing.assert_close(ours, param.detach(), rtol=2e-6, atol=1e-7)


def test_many_entries_are_shared_out_to_threads_without_a_gap() -> None:
    n = 16384 * 2 + 37
    ours, right = (run(step, n, steps=1) for step in (adam_step, adam_step_reference))
    torch.testing.assert_close(ours, right, rtol=2e-6, atol=1e-7)


@both
def test_entries_without_a_gradient_are_left_as_they_are(step: Step) -> None:
    """Bit for bit, values and moments, in lines that are skipped whole and in mixed ones."""
    n = 100
    param, m, v = random(n, 0), random(n, 1), random(n, 2).abs()
    grad = random(n, 3, zeros=0.5)
    grad[16:64] = 0.0
    grad[70] = -0.0
    before = [tensor.clone() for tensor in (param, m, v)]
    step(param, grad, m, v, step=3, skip_zero=True, weight_decay=0.1, **BETAS)
    untouched = grad == 0
    for now, then in zip((param, m, v), before):
        assert torch.equal(now[untouched], then[untouched])
        assert (now[~untouched] != then[~untouched]).all()


@both
def test_a_dense_step_moves_on_without_a_gradient(step: Step) -> None:
    param, m, v = torch.zeros(3), torch.ones(3), torch.ones(3)
    step(param, torch.zeros(3), m, v, step=2, **BETAS)
    assert (param < 0).all()
    assert m.tolist() == pytest.approx([0.9] * 3)
    assert v.tolist() == pytest.approx([0.99] * 3)


@both
@pytest.mark.parametrize("skip_zero", [False, True])
@pytest.mark.parametrize("clear", [False, True])
def test_the_gradient_is_cleared_when_asked_and_only_then(
    step: Step, clear: bool, skip_zero: bool
) -> None:
    grad = random(37, 1, zeros=0.5)
    before = grad.clone()
    zeros = [torch.zeros(37) for _ in range(3)]
    step(zeros[0], grad, zeros[1], zeros[2], step=1, clear=clear, skip_zero=skip_zero, **BETAS)
    assert torch.equal(grad, torch.zeros(37) if clear else before)


@both
@pytest.mark.parametrize("skip_zero", [False, True])
def test_a_gradient_that_is_no_number_is_not_hidden(step: Step, skip_zero: bool) -> None:
    grad = torch.zeros(20)
    grad[7] = float("nan")
    param, m, v = torch.zeros(20), torch.zeros(20), torch.zeros(20)
    step(param, grad, m, v, step=1, skip_zero=skip_zero, **BETAS)
    assert param.isnan().tolist() == [i == 7 for i in range(20)]


def test_the_first_step_is_as_long_as_the_learning_rate() -> None:
    """Whatever the size of the gradient: what the correction of the moments is for."""
    grad = torch.tensor([1e-3, -5.0, 2e4])
    param = torch.zeros(3)
    adam_step(param, grad, torch.zeros(3), torch.zeros(3), step=1, **BETAS)
    torch.testing.assert_close(param, -0.01 * grad.sign(), rtol=1e-4, atol=0)


def test_a_shaped_parameter_is_stepped_in_place() -> None:
    param = torch.nn.Parameter(torch.zeros(3, 5))
    adam_step(param, torch.ones(3, 5), torch.zeros(3, 5), torch.zeros(3, 5), step=1, **BETAS)
    torch.testing.assert_close(param.detach(), torch.full((3, 5), -0.01))
