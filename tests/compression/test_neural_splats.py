"""Gaussians compressed: what remains of them, and what each part of the method is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from polyfield.compression.fine_tuning import frequency_loss
from polyfield.compression.neural_record import NeuralSplats
from polyfield.compression.neural_splats import Settings, compress, pruned
from polyfield.compression.photos import Renders
from polyfield.compression.recovery import recovered
from polyfield.errors import InputError
from polyfield.kernels.rasterize.records import PinholeView
from polyfield.splats.splats import Splats

FEW = {
    "prune": 0.2,
    "recover_steps": 0,
    "clusters": 3,
    "width": 16,
    "layers": 2,
    "residuals": 0.0,
}


@pytest.fixture
def compressed(ball: Callable[..., Splats], views: list[PinholeView]) -> Callable[..., Splats]:
    """The ball after a compression with some settings."""
    splats = ball()
    photos = Renders(splats, views)
    return lambda **more: compress(splats, photos, Settings(**{**FEW, **more})).splats()


def test_tuning_on_photos_helps(
    ball: Callable[..., Splats], compressed: Callable[..., Splats], error_of: Callable
) -> None:
    before, after = compressed(steps=60, finetune_steps=0), compressed(steps=60, finetune_steps=60)
    assert len(before) == len(after) == 960
    np.testing.assert_array_equal(before.means, after.means)
    assert error_of(ball(), after) < 0.7 * error_of(ball(), before)


def test_what_networks_miss_lies_beside_them(
    ball: Callable[..., Splats], compressed: Callable[..., Splats], error_of: Callable
) -> None:
    alone = error_of(ball(), compressed(steps=60, finetune_steps=0))
    coarse = error_of(ball(), compressed(steps=60, finetune_steps=0, residuals=0.5))
    fine = error_of(ball(), compressed(steps=60, finetune_steps=0, residuals=0.02))
    assert fine < coarse < alone
    tuned = error_of(ball(), compressed(steps=60, finetune_steps=40, residuals=0.5))
    assert tuned < 0.8 * coarse  # whole numbers learn too


def test_what_remains_takes_over(
    ball: Callable[..., Splats], views: list[PinholeView], error_of: Callable
) -> None:
    splats = ball()
    photos, generator = Renders(splats, views), torch.Generator().manual_seed(0)
    kept, _ = pruned(splats, photos, 0.7)
    after = recovered(kept, photos, 150, generator)
    assert len(after) == len(kept)
    assert np.abs(after.means - kept.means).max() > 1e-5
    assert error_of(splats, after) < 0.9 * error_of(splats, kept)


def test_the_frequency_loss_is_learned_too(compressed: Callable[..., Splats]) -> None:
    with_it = compressed(steps=5, finetune_steps=2, frequency=1.0)
    without = compressed(steps=5, finetune_steps=2)
    assert np.isfinite(with_it.sh_dc).all()
    assert np.abs(with_it.sh_dc - without.sh_dc).max() > 1e-4


def test_the_same_seed_gives_the_same(compressed: Callable[..., Splats]) -> None:
    a, b = (compressed(steps=10, finetune_steps=2) for _ in range(2))
    np.testing.assert_allclose(a.sh_dc, b.sh_dc, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(a.means, b.means)


def test_parameters_are_such_as_float16_holds(small: NeuralSplats) -> None:
    flat = small.networks.flat()
    assert torch.equal(flat, flat.half().float())
    splats = small.splats()
    assert len(splats) == len(small) == 960
    assert splats.degree == 1


@pytest.mark.parametrize("n", [1, 2, 9])
def test_few_gaussians(ball: Callable[..., Splats], views: list[PinholeView], n: int) -> None:
    splats = ball(n, degree=0)
    settings = Settings(prune=0.5, clusters="auto", width=4, steps=3, finetune_steps=1)
    made = compress(splats, Renders(splats, views), settings).splats()
    assert len(made) == max(n - n // 2, 1)
    assert made.degree == 0
    for name in ("means", "quats", "log_scales", "opacity_logits", "sh_dc"):
        assert np.isfinite(getattr(made, name)).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"prune": 1.0},
        {"clusters": "some"},
        {"width": 0},
        {"steps": -1},
        {"finetune_steps": -1},
        {"frequency": -1.0},
        {"frequency": float("nan")},
        {"bits": 2},
        {"recover_steps": -1},
        {"residuals": -1.0},
        {"residual_degree": 4},
        {"residuals": float("nan")},
    ],
    ids=str,
)
def test_settings_that_are_none(
    ball: Callable[..., Splats], views: list[PinholeView], wrong: dict[str, Any]
) -> None:
    splats = ball(20)
    with pytest.raises(InputError, match=next(iter(wrong))):
        compress(splats, Renders(splats, views[:1]), Settings(**{**FEW, "steps": 1, **wrong}))


def test_spectra_say_what_is_blurred() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(3, 24, 31, generator=generator)
    blurred = (truth + truth.roll(1, 1) + truth.roll(1, 2)) / 3
    assert float(frequency_loss(truth, truth)) < 1e-4
    shifted, lighter = truth.roll(3, 2), truth + 0.2
    assert float(frequency_loss(blurred, truth)) > 0.05
    assert float(frequency_loss(shifted, truth)) < 1e-4  # magnitudes alone
    assert float(frequency_loss(lighter, truth)) < 1e-4  # no frequency
    octets = (truth * 255).round().to(torch.uint8)
    assert float(frequency_loss(octets.float() / 255, octets)) < 1e-4
    mask = torch.zeros(24, 31, dtype=torch.bool)
    assert float(frequency_loss(blurred, truth, mask)) < 1e-4
    rgb = torch.zeros(3, 24, 31, requires_grad=True)
    frequency_loss(rgb, truth).backward()
    assert rgb.grad is not None
    assert rgb.grad.isfinite().all()
