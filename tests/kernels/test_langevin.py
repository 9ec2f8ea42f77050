"""Noise along covariances: the twins agree, and it is what the paper says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from polyfield.kernels.langevin import langevin_noise


def gaussians(n: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> list[Tensor]:
    """means, quats, log_scales, opacity_logits."""
    generator = torch.Generator().manual_seed(seed)
    shapes: list[tuple[Any, ...]] = [(n, 3), (n, 4), (n, 3), (n,)]
    means, quats, log_scales, logits = (
        torch.randn(*shape, generator=generator, dtype=dtype) for shape in shapes
    )
    return [means, quats, log_scales - 1, 2 * logits - 3]


def moved(parts: list[Tensor], size: float = 3.0, seed: int = 1) -> Tensor:
    means = parts[0].clone()
    langevin_noise(means, *parts[1:], size, torch.Generator().manual_seed(seed))
    return means


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [0, 1, 200, 5000])
def test_twins_agree(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, n: int) -> None:
    parts = gaussians(n, dtype)
    fast = moved(parts)
    monkeypatch.setenv("POLYFIELD_KERNELS", "reference")
    assert not n or n < 200 or not torch.equal(fast, parts[0])
    torch.testing.assert_close(fast, moved(parts))


def test_the_opaque_stay() -> None:
    parts = gaussians(3000)
    opacity = torch.sigmoid(parts[3])
    still = (moved(parts) == parts[0]).all(dim=1)
    assert still[opacity > 0.1].all()
    assert not still[opacity < 0.09].any()


def test_noise_spreads_as_the_square_of_the_covariance() -> None:
    """mean += Sigma eps g size: its covariance is Sigma Sigma^T (g size)^2."""
    n, size = 60_000, 2.0
    q = torch.tensor([0.9, 0.1, -0.7, 0.3])
    log_scales = torch.tensor([0.3, 0.6, 1.0]).log()
    opacity = torch.tensor(0.02)
    w, x, y, z = (q / q.norm()).tolist()
    R = torch.tensor(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    sigma = R @ torch.diag((2 * log_scales).exp()) @ R.T
    gate = 1 / (1 + torch.exp(100 * (opacity - 0.005)))
    parts = [torch.zeros(n, 3), q.expand(n, 4), log_scales.expand(n, 3)]
    noise = moved([*parts, torch.logit(opacity).expand(n)], size)
    found = noise.T @ noise / n / (gate * size) ** 2
    torch.testing.assert_close(found, sigma @ sigma.T, atol=0.02, rtol=0)
    assert (noise.mean(dim=0).abs() < 5 * noise.std(dim=0) / n**0.5).all()


def test_a_quaternion_of_no_length_moves_nothing_to_nan() -> None:
    for quats in (torch.zeros(2, 4), torch.full((2, 4), 1e-14)):
        parts = [torch.zeros(2, 3), quats, torch.zeros(2, 3), torch.full((2,), -9.0)]
        assert moved(parts).isfinite().all()


def test_noise_is_in_place_and_seen_by_autograd() -> None:
    parts = gaussians(50)
    means = torch.nn.Parameter(parts[0].clone())
    loss = (means * means).sum()
    langevin_noise(means, *parts[1:], 1.0, torch.Generator().manual_seed(0))
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        loss.backward()
    with pytest.raises(ValueError, match="contiguous"):
        langevin_noise(means.detach().T.contiguous().T, *parts[1:], 1.0, torch.Generator())
