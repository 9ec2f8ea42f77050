"""Losses: where they vanish, how they grow, and that their gradients point home."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from polyfield.training import losses


def rays(r: int = 12, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.rand(2, r, 3, generator=generator, dtype=torch.float64)
    return a.requires_grad_(), b


def test_colour_losses_vanish_at_the_truth() -> None:
    rgb, _ = rays()
    assert losses.mse(rgb, rgb) == 0
    assert losses.huber(rgb, rgb) == 0


def test_huber_is_quadratic_near_and_linear_far() -> None:
    truth = torch.zeros(1, 3, dtype=torch.float64)
    near, far = torch.full_like(truth, 0.04), torch.full_like(truth, 0.5)
    assert losses.huber(near, truth).item() == pytest.approx(0.5 * 0.04**2 / 0.1)
    assert losses.huber(far, truth).item() == pytest.approx(0.5 - 0.05)


@pytest.mark.parametrize("loss", [losses.mse, losses.huber])
def test_colour_gradients_are_right(loss) -> None:
    rgb, truth = rays()
    assert gradcheck(lambda x: loss(x, truth), (rgb,))


def test_entropy_is_highest_for_a_coin() -> None:
    assert losses.opacity_entropy(torch.full((4,), 0.5)).item() == pytest.approx(math.log(2))
    assert losses.opacity_entropy(torch.tensor([0.0, 1.0])).item() < 2e-4
    opacity = torch.tensor([0.0, 0.2, 0.8, 1.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(losses.opacity_entropy(opacity), opacity)
    assert torch.isfinite(gradient).all()
    assert gradient[1] > 0 > gradient[2]


def test_depth_is_relative_and_knows_what_is_unknown() -> None:
    depth = torch.tensor([1.1, 11.0, 5.0], dtype=torch.float64, requires_grad=True)
    truth = torch.tensor([1.0, 10.0, 0.0], dtype=torch.float64)
    opaque = torch.ones(3, dtype=torch.float64)
    loss = losses.depth_error(depth, opaque, truth)
    assert loss.item() == pytest.approx(0.1)
    (gradient,) = torch.autograd.grad(loss, depth)
    assert gradient.tolist() == pytest.approx([0.5, 0.05, 0.0])
    assert losses.depth_error(depth, opaque, torch.zeros(3)) == 0


def test_depth_has_a_bounded_slope_where_nothing_is_hit() -> None:
    opacity = torch.tensor([1e-9, 1.0], requires_grad=True)
    distance = torch.tensor([3e-9, 3.0], requires_grad=True)  # weighted by opacity
    depth = distance / opacity.clamp(min=1e-10)
    loss = losses.depth_error(depth, opacity, torch.tensor([2.0, 2.0]))
    for gradient in torch.autograd.grad(loss, (opacity, distance)):
        assert gradient.abs().max() < 2


def test_normals_differ_by_their_cosine() -> None:
    z = torch.tensor([[0.0, 0, 1]]).repeat(3, 1)
    truth = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 0, 0]])
    assert losses.normal_error(z, truth).item() == pytest.approx(0.5)
    assert losses.normal_error(-z[:1], truth[:1]).item() == pytest.approx(2)
