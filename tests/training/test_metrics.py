"""Metrics against scikit-image and against what they mean."""

from __future__ import annotations

import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from polyfield.errors import InputError
from polyfield.training import metrics


def pictures(h: int, w: int, c: int, seed: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, w)[None, :, None] * np.linspace(1, 0.2, h)[:, None, None]
    truth = np.clip(ramp + 0.2 * generator.standard_normal((h, w, c)), 0, 1)
    image = np.clip(truth + noise * generator.standard_normal((h, w, c)), 0, 1)
    return image.astype(np.float32), truth.astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(
    h=st.integers(11, 60),
    w=st.integers(11, 60),
    c=st.integers(1, 4),
    seed=st.integers(0, 2**31),
    noise=st.sampled_from([0.0, 1e-4, 0.05, 1.0]),
)
def test_ssim_is_that_of_scikit_image(h: int, w: int, c: int, seed: int, noise: float) -> None:
    image, truth = pictures(h, w, c, seed, noise)
    theirs = structural_similarity(
        image.astype(np.float64),
        truth.astype(np.float64),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1,
        channel_axis=-1,
    )
    assert metrics.ssim(image, truth) == pytest.approx(theirs, abs=1e-6)
    assert metrics.ssim(truth, image) == pytest.approx(theirs, abs=1e-6)


def test_ssim_of_flat_and_equal_pictures() -> None:
    flat = np.full((20, 30, 3), 0.5, dtype=np.float32)
    assert metrics.ssim(flat, flat) == pytest.approx(1, abs=1e-12)
    assert metrics.ssim(flat, 1 - flat + 0.5) < 1
    assert metrics.ssim(flat[:, ::-1], flat) == pytest.approx(1, abs=1e-12)


def test_ssim_refuses_what_it_cannot_compare() -> None:
    image, truth = pictures(20, 20, 3, 0, 0.1)
    for a, b in ((image[:10], truth[:10]), (image, truth[:, :19]), (image[..., 0], truth[..., 0])):
        with pytest.raises(InputError, match="two pictures"):
            metrics.ssim(a, b)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), noise=st.sampled_from([1e-3, 0.1, 1.0]))
def test_psnr_is_that_of_scikit_image(seed: int, noise: float) -> None:
    image, truth = pictures(15, 17, 3, seed, noise)
    theirs = peak_signal_noise_ratio(
        truth.astype(np.float64), image.astype(np.float64), data_range=1
    )
    assert metrics.psnr(image, truth) == pytest.approx(theirs, abs=1e-9)


def test_equal_pictures_have_no_noise() -> None:
    image, _ = pictures(15, 17, 3, 0, 0)
    assert metrics.psnr(image, image) == math.inf


def test_masked_pixels_do_not_count() -> None:
    image, truth = pictures(40, 40, 3, 1, 0.05)
    mask = np.ones((40, 40), dtype=bool)
    mask[:, 20:] = False
    spoiled = image.copy()
    spoiled[:, 20:] = 0
    assert metrics.psnr(spoiled, truth, mask) == metrics.psnr(image[:, :20], truth[:, :20])
    assert metrics.psnr(spoiled, truth) < metrics.psnr(spoiled, truth, mask)
    # Windows reach five pixels beyond the mask.
    inner = mask.copy()
    inner[:, 15:] = False
    assert metrics.ssim(spoiled, truth, inner) == pytest.approx(metrics.ssim(image, truth, inner))
    assert metrics.ssim(image, truth, np.ones_like(mask)) == metrics.ssim(image, truth)
    assert math.isnan(metrics.ssim(image, truth, np.zeros_like(mask)))


def test_lpips_gets_pictures_as_batches_of_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    def network(a: torch.Tensor, b: torch.Tensor, normalize: bool) -> torch.Tensor:
        assert a.shape == b.shape == (1, 3, 20, 30)
        assert normalize
        return (a - b).abs().mean()

    monkeypatch.setitem(sys.modules, "lpips", SimpleNamespace(LPIPS=lambda **_: network))
    metrics._lpips_network.cache_clear()
    image, truth = pictures(20, 30, 3, 1, 0.05)
    expected = float(np.abs(image - truth).mean())
    assert metrics.lpips(image, truth) == pytest.approx(expected, abs=1e-6)
    metrics._lpips_network.cache_clear()
