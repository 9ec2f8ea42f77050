"""The photometric loss: the cpu twin against plain torch, and both against what must hold."""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
import pytest
import torch
from torch import Tensor

from polyfield.errors import InputError
from polyfield.kernels import ssim as kernel
from polyfield.kernels.ssim import photometric_loss, ssim
from polyfield.kernels.ssim_reference import photometric_loss_reference
from polyfield.kernels.ssim_sweep import TILE, split_jobs
from polyfield.training import metrics

Loss = Callable[..., Tensor]
SIZES = [(3, 20, 30), (1, 1, 1), (3, 1, 40), (2, 45, 3), (3, 70, 128), (1, 211, 267)]


def pictures(shape: tuple[int, int, int], dtype: torch.dtype = torch.float64, seed: int = 0):
    """What was rendered, to be differentiated, and a photo of bytes that is like it."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
    noise = 0.3 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return (truth / 255 + noise).to(dtype).requires_grad_(), truth


def part(shape: tuple[int, ...], seed: int = 3) -> Tensor:
    """A mask that leaves about two thirds of the pixels."""
    return torch.rand(shape[1:], generator=torch.Generator().manual_seed(seed)) < 0.67


def plain(rgb: Tensor, truth: Tensor, weight: float = 0.2, mask: Tensor | None = None) -> Tensor:
    """The reference, by the signature of the kernel."""
    return photometric_loss_reference(rgb, truth, weight, mask)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("shape", SIZES)
def test_twins_agree_in_value_and_gradient(shape, masked):
    rgb, truth = pictures(shape)
    mask = part(shape) if masked else None
    for weight in (0.0, 0.2, 1.0):
        ours, right = (twin(rgb, truth, weight, mask) for twin in (photometric_loss, plain))
        torch.testing.assert_close(ours, right, rtol=1e-12, atol=1e-14)
        a, b = (torch.autograd.grad(loss * 3, rgb)[0] for loss in (ours, right))
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_single_precision_agrees():
    rgb, truth = pictures((3, 90, 150), torch.float32)
    ours = photometric_loss(rgb, truth)
    right = plain(rgb.double(), truth)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours.double(), right, rtol=1e-5, atol=1e-6)
    a, b = (torch.autograd.grad(loss, rgb)[0] * rgb.numel() for loss in (ours, right))
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("twin", [photometric_loss, plain], ids=["cpu", "reference"])
def test_gradients_are_those_of_finite_differences(twin: Loss, masked):
    rgb, truth = pictures((2, 9, 12))
    mask = part(rgb.shape) if masked else None
    assert torch.autograd.gradcheck(lambda p: twin(p, truth, 0.6, mask), (rgb,))


def test_the_reference_is_differentiable_twice(monkeypatch):
    monkeypatch.setenv("POLYFIELD_KERNELS", "reference")
    rgb, truth = pictures((1, 4, 5))
    assert torch.autograd.gradgradcheck(lambda p: photometric_loss(p, truth, 0.9), (rgb,))


def test_the_reference_is_taken_when_asked_for(monkeypatch):
    rgb, truth = pictures((1, 4, 5))
    monkeypatch.setattr(kernel, "_run", lambda *_: pytest.fail("the compiled one ran"))
    monkeypatch.setenv("POLYFIELD_KERNELS", "reference")
    assert photometric_loss(rgb, truth) > 0


def test_photos_of_floats_are_the_same_as_bytes():
    rgb, truth = pictures((3, 20, 30))
    torch.testing.assert_close(
        photometric_loss(rgb, truth), photometric_loss(rgb, truth.double() / 255)
    )


@pytest.mark.parametrize("twin", [photometric_loss, plain], ids=["cpu", "reference"])
def test_what_a_mask_leaves_out_has_no_influence(twin: Loss):
    rgb, truth = pictures((3, 40, 50))
    mask = part(rgb.shape)
    loss = twin(rgb, truth, 0.2, mask)
    gradient = torch.autograd.grad(loss, rgb)[0]
    assert (gradient[:, ~mask] == 0).all()
    assert (gradient[:, mask] != 0).all()
    other = torch.where(mask, rgb, torch.tensor(torch.nan).double())
    again = twin(other, truth, 0.2, mask)
    assert loss == again
    assert torch.equal(gradient, torch.autograd.grad(again, rgb)[0])
    whole = torch.ones_like(mask)
    torch.testing.assert_close(twin(rgb, truth, 0.2, whole), twin(rgb, truth))


@pytest.mark.parametrize("twin", [photometric_loss, plain], ids=["cpu", "reference"])
def test_a_mask_that_leaves_nothing_gives_nothing(twin: Loss):
    rgb, truth = pictures((3, 6, 7))
    loss = twin(rgb, truth, 0.2, torch.zeros(6, 7, dtype=torch.uint8))
    assert loss == 0
    assert (torch.autograd.grad(loss, rgb)[0] == 0).all()


def test_the_same_picture_is_similar_and_has_no_gradient():
    rgb, truth = pictures((3, 30, 20))
    same = (truth.double() / 255).requires_grad_()
    assert ssim(same, truth) == pytest.approx(1, abs=1e-12)
    loss = photometric_loss(same, same.detach(), 0.5)
    assert loss.detach().abs() < 1e-12
    assert torch.autograd.grad(loss, same)[0].abs().max() < 1e-12
    assert ssim(rgb, truth) < 0.9


def test_inside_of_the_border_it_is_the_similarity_that_papers_print():
    """With a mask that leaves the pixels whose windows fit, on pictures without a mask's edges."""
    rgb, truth = pictures((3, 40, 50))
    inner = torch.zeros(40, 50, dtype=torch.bool)
    inner[10:-10, 10:-10] = True
    same_outside = torch.where(inner, rgb.detach(), truth.double() / 255)
    ours = ssim(same_outside, truth, inner)
    pair = (x.numpy().transpose(1, 2, 0) for x in (same_outside, truth.double() / 255))
    wanted = metrics.ssim_map(*pair)[5:-5, 5:-5].mean()
    assert ours == pytest.approx(wanted, abs=1e-9)


def test_bright_colors_and_nan_are_not_hidden():
    rgb, truth = pictures((3, 20, 30), torch.float32)
    bright = (1e4 * rgb.detach()).requires_grad_()
    loss = photometric_loss(bright, truth)
    assert loss.isfinite()
    assert torch.autograd.grad(loss, bright)[0].isfinite().all()
    flat = torch.full((1, 30, 30), 3e3, requires_grad=True)
    loss = photometric_loss(flat, torch.full((1, 30, 30), 3e3), 1.0)
    assert -1e-3 < loss.detach() < 1
    broken = rgb.detach().clone()
    broken[1, 3, 4] = torch.nan
    assert photometric_loss(broken, truth).isnan()


def test_views_and_repeated_backward_passes():
    rgb, truth = pictures((3, 20, 30))
    turned = rgb.detach().transpose(1, 2).requires_grad_()
    loss = photometric_loss(turned, truth.transpose(1, 2))
    torch.testing.assert_close(loss, photometric_loss(rgb, truth))
    loss.backward(retain_graph=True)
    once = turned.grad.clone()
    loss.backward()
    torch.testing.assert_close(turned.grad, 2 * once)
    with torch.no_grad():
        assert not photometric_loss(rgb, truth).requires_grad


def test_sums_do_not_depend_on_threads_or_on_pictures_before():
    rgb, truth = pictures((3, 230, 140), torch.float32)

    def values() -> tuple[Tensor, Tensor]:
        loss = photometric_loss(rgb, truth)
        return loss.detach(), torch.autograd.grad(loss, rgb)[0]

    first = values()
    photometric_loss(*pictures((3, 50, 300), torch.float32))
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = values()
    finally:
        numba.set_num_threads(before)
    for again in (values(), alone):
        assert all(torch.equal(a, b) for a, b in zip(first, again))


def test_strips_and_tiles_cover_the_picture_once():
    for c, h, w in SIZES:
        seen = np.zeros((c, h, w), int)
        for channel, top, bottom, first, columns in split_jobs(c, h, w):
            assert columns <= TILE
            seen[channel, top:bottom, first : first + columns] += 1
        assert (seen == 1).all()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"truth": torch.zeros(3, 4, 6, dtype=torch.uint8)}, "rgb"),
        ({"rgb": torch.zeros(4, 5)}, "rgb"),
        ({"rgb": torch.zeros(3, 4, 0), "truth": torch.zeros(3, 4, 0)}, "rgb"),
        ({"truth": torch.zeros(3, 4, 5, dtype=torch.int64)}, "truth"),
        ({"mask": torch.ones(5, 4, dtype=torch.bool)}, "mask"),
        ({"weight_ssim": 1.5}, "weight_ssim"),
    ],
)
def test_what_cannot_be_is_refused(change, field):
    right = {"rgb": torch.zeros(3, 4, 5), "truth": torch.zeros(3, 4, 5, dtype=torch.uint8)}
    with pytest.raises(InputError) as caught:
        photometric_loss(**{**right, **change})
    assert caught.value.field == field
