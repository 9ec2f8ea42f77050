"""Compositing: the cpu twin against plain torch, and both against closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from polyfield.kernels.packed import Samples, composite, visible, weights
from polyfield.kernels.packed_reference import composite_reference, median_distance

Twin = Callable[..., Tensor]
twins = pytest.mark.parametrize("twin", [composite, composite_reference], ids=["cpu", "reference"])


def samples_of(counts: list[int], dtype: torch.dtype = torch.float64, seed: int = 0) -> Samples:
    """Intervals of random lengths, one after the other along each ray."""
    generator = torch.Generator().manual_seed(seed)
    n = sum(counts)
    dt = (0.05 + 0.2 * torch.rand(n, generator=generator, dtype=torch.float64)).to(dtype)
    ray = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    offsets = torch.tensor([0, *counts]).cumsum(0)
    ends = [dt[a:b].cumsum(0) for a, b in pairwise(offsets)]
    t = 0.3 + torch.cat([*ends, dt[:0]]) - 0.5 * dt
    return Samples(ray, offsets, t, dt, torch.zeros(n, 3, dtype=dtype))


def matter(n: int, dtype: torch.dtype = torch.float64, scale: float = 6.0) -> tuple[Tensor, Tensor]:
    """Densities and colours of n samples, to be differentiated."""
    generator = torch.Generator().manual_seed(1)
    density = scale * torch.rand(n, generator=generator, dtype=torch.float64).to(dtype)
    rgb = torch.rand(n, 3, generator=generator, dtype=torch.float64).to(dtype)
    return density.requires_grad_(), rgb.requires_grad_()


COUNTS = [5, 0, 1, 12, 0, 0, 40, 3, 0]


@pytest.mark.parametrize("stop", [0.0, 1e-3, 0.3])
@pytest.mark.parametrize("column", [*range(6), None])
def test_twins_agree_in_values_and_gradients(column: int | None, stop: float) -> None:
    """Each output alone, so that an error in one is not hidden by another, then all together."""
    samples = samples_of(COUNTS)
    density, rgb = matter(len(samples.t))
    weights = torch.randn(len(COUNTS), 6, generator=torch.Generator().manual_seed(2)).double()
    if column is not None:
        weights[:, :column], weights[:, column + 1 :] = 0, 0
    ours = composite(density, rgb, samples, stop)
    right = composite_reference(density, rgb, samples, stop)
    torch.testing.assert_close(ours, right, rtol=0, atol=1e-12)
    a = torch.autograd.grad((ours * weights).sum(), (density, rgb))
    b = torch.autograd.grad((right * weights).sum(), (density, rgb))
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_single_precision_agrees() -> None:
    samples = samples_of(COUNTS, torch.float32)
    density, rgb = matter(len(samples.t), torch.float32)
    ours, right = (twin(density, rgb, samples, 1e-3) for twin in (composite, composite_reference))
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, right, rtol=1e-5, atol=1e-5)
    a, b = (torch.autograd.grad(out.square().sum(), (density, rgb)) for out in (ours, right))
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@twins
def test_gradients_are_those_of_finite_differences(twin: Twin) -> None:
    samples = samples_of([4, 0, 1, 7])
    density, rgb = matter(12)
    assert torch.autograd.gradcheck(lambda d, c: twin(d, c, samples), (density, rgb))


@pytest.mark.parametrize("dense", [3e5, math.nan])
def test_the_weights_of_a_ray_do_not_depend_on_other_rays(dense: float) -> None:
    samples = samples_of(COUNTS, torch.float32)
    density = matter(len(samples.t), torch.float32, scale=0.3)[0].detach()
    right = weights(density.double(), samples).float()
    rgb = torch.ones(len(density), 3)
    sums = torch.zeros(len(COUNTS)).index_add_(0, samples.ray, right)
    torch.testing.assert_close(sums, composite(density, rgb, samples)[:, 3])
    others = samples.ray != 2
    density[~others] = dense
    torch.testing.assert_close(weights(density, samples)[others], right[others])


@twins
def test_rays_without_samples_are_clear(twin: Twin) -> None:
    for counts in ([0, 0, 0], [0, 2, 0]):
        samples = samples_of(counts)
        density, rgb = matter(len(samples.t))
        out = twin(density, rgb, samples)
        assert not out[torch.tensor(counts) == 0].any()
        gradients = torch.autograd.grad(out.sum(), (density, rgb))
        assert [len(g) for g in gradients] == [sum(counts), sum(counts)]


@twins
def test_one_sample_in_closed_form(twin: Twin) -> None:
    samples = samples_of([1])
    density, rgb = matter(1)
    t, dt = float(samples.t), float(samples.dt)
    w = 1 - math.exp(-float(density.detach()) * dt)
    start, end = t - dt / 2, t + dt / 2
    length = end / (1 + end) - start / (1 + start)
    right = [*(w * rgb[0].detach()).tolist(), w, w * t, w * w * length / 3]
    assert twin(density, rgb, samples)[0].tolist() == pytest.approx(right, rel=1e-12)


@twins
def test_what_is_behind_an_opaque_sample_is_not_seen(twin: Twin) -> None:
    samples = samples_of([6])
    density, rgb = matter(6)
    density.data[0] = 1e9
    out = twin(density, rgb, samples)
    torch.testing.assert_close(out[0, :3], rgb[0].detach(), rtol=0, atol=1e-12)
    out_0 = out[0].detach()
    assert float(out_0[3]) == pytest.approx(1)
    assert float(out_0[4]) == pytest.approx(float(samples.t[0]))
    d_density, d_rgb = torch.autograd.grad(out.sum(), (density, rgb))
    assert d_density.isfinite().all()
    torch.testing.assert_close(d_density, torch.zeros_like(d_density), rtol=0, atol=1e-14)
    assert not d_rgb[1:].any()


@twins
def test_a_ray_ends_after_the_sample_that_dims_it_below_the_stop(twin: Twin) -> None:
    """Three samples of opacity 1/2: transmittance before them is 1, 1/2 and 1/4."""
    dt = torch.full((3,), 0.1, dtype=torch.float64)
    t = torch.tensor([1.0, 1.1, 1.2], dtype=torch.float64)
    zeros = torch.zeros(3, 3, dtype=torch.float64)
    samples = Samples(torch.zeros(3).long(), torch.tensor([0, 3]), t, dt, zeros)
    density = math.log(2) / dt
    for stop, opacity in ((0.0, 0.875), (0.2, 0.875), (0.3, 0.75), (0.6, 0.5)):
        out = twin(density, zeros + 1, samples, stop)
        assert float(out[0, 3]) == pytest.approx(opacity, rel=1e-12)
        assert float(out[0, 0]) == pytest.approx(opacity, rel=1e-12)
        seen = visible(density, samples, stop)
        few = samples.select(seen)
        culled = twin(density[seen], zeros[seen] + 1, few, stop)
        torch.testing.assert_close(culled, out, rtol=0, atol=1e-12)
        assert int(seen.sum()) == round(-math.log2(1 - opacity))


@twins
@pytest.mark.parametrize("sigma", [0.0, 0.5, 3.0, 50.0])
def test_a_slab_of_constant_density_in_closed_form(twin: Twin, sigma: float) -> None:
    samples = samples_of([50])
    density = torch.full((50,), sigma, dtype=torch.float64)
    rgb = torch.ones(50, 3, dtype=torch.float64) * torch.tensor([0.2, 0.5, 1.0])
    out = twin(density, rgb, samples)[0]
    opacity = 1 - math.exp(-sigma * float(samples.dt.sum()))
    assert float(out[3]) == pytest.approx(opacity, rel=1e-10, abs=1e-14)
    assert out[:3].tolist() == pytest.approx([0.2 * opacity, 0.5 * opacity, opacity], rel=1e-6)


@twins
def test_opacity_is_the_sum_of_the_weights(twin: Twin) -> None:
    """The weights are the slope of a colour; what is left is the product of the transmittances."""
    samples = samples_of(COUNTS)
    density, rgb = matter(len(samples.t))
    out = twin(density, rgb, samples)
    (weights,) = torch.autograd.grad(out[:, 1].sum(), rgb)
    totals = torch.zeros(len(COUNTS), dtype=torch.float64)
    opacity = totals.index_add(0, samples.ray, weights[:, 1])
    torch.testing.assert_close(out[:, 3], opacity)
    thickness = totals.index_add(0, samples.ray, (density * samples.dt).detach())
    torch.testing.assert_close(out[:, 3], 1 - torch.exp(-thickness))
    depth = totals.index_add(0, samples.ray, weights[:, 1] * samples.t)
    torch.testing.assert_close(out[:, 4], depth)


@twins
def test_distortion_is_the_mean_distance_of_two_random_points(twin: Twin) -> None:
    """E |s - s'| for s and s' drawn from the histogram of the weights: equation 15, sampled."""
    samples = samples_of([30])
    density, rgb = matter(30, scale=12.0)
    out = twin(density, rgb, samples)
    (weights,) = torch.autograd.grad(out[:, 0].sum(), rgb, retain_graph=True)
    w = weights[:, 0]
    start, end = samples.t - samples.dt / 2, samples.t + samples.dt / 2
    start, end = start / (1 + start), end / (1 + end)
    generator = torch.Generator().manual_seed(5)
    pick = torch.multinomial(w, 2 * 400_000, replacement=True, generator=generator)
    s = start[pick] + (end - start)[pick] * torch.rand(len(pick), generator=generator).double()
    apart = (s[::2] - s[1::2]).abs()
    right = float(apart.mean()) * float(w.sum()) ** 2
    deviation = float(apart.std()) / math.sqrt(len(apart))
    assert float(out[0, 5]) == pytest.approx(right, abs=5 * deviation)
    assert deviation < 0.005 * right


@twins
def test_distortion_of_one_opaque_interval_is_a_third_of_its_length(twin: Twin) -> None:
    """E |s - s'| of two points that are evenly spread over [s(a), s(b)]."""
    samples, a, b = samples_of([1]), 2.0, 5.0
    samples = samples._replace(t=samples.t * 0 + (a + b) / 2, dt=samples.dt * 0 + b - a)
    out = twin(torch.full((1,), 1e6).double(), torch.ones(1, 3).double(), samples)
    assert float(out[0, 5]) == pytest.approx((b / (1 + b) - a / (1 + a)) / 3, rel=1e-12)


def test_the_reference_composites_long_rays_in_little_memory() -> None:
    """Pairs of 40,000 samples would fill 12 gigabytes."""
    samples = samples_of([40_000])
    density, rgb = matter(40_000, scale=0.01)
    ours, right = (twin(density, rgb, samples) for twin in (composite, composite_reference))
    torch.testing.assert_close(ours, right, rtol=0, atol=1e-10)


@twins
def test_distortion_falls_when_the_weight_gathers(twin: Twin) -> None:
    samples = samples_of([20])
    spread = torch.full((20,), 2.0, dtype=torch.float64)
    gathered = torch.zeros(20, dtype=torch.float64)
    gathered[10] = float((spread * samples.dt).sum() / samples.dt[10])
    rgb = torch.zeros(20, 3, dtype=torch.float64)
    wide, narrow = (twin(density, rgb, samples)[0] for density in (spread, gathered))
    assert float(wide[3]) == pytest.approx(float(narrow[3]))
    assert 0 < float(narrow[5]) < 0.2 * float(wide[5])


def test_not_a_number_stays_on_its_ray() -> None:
    samples = samples_of([3, 4, 5])
    density, rgb = matter(12)
    right = composite(density, rgb, samples).detach()
    density.data[4] = float("nan")
    out = composite(density, rgb, samples)
    assert out[1].isnan().all()
    assert torch.equal(out[[0, 2]], right[[0, 2]])


def test_the_median_is_where_half_of_the_light_is_left() -> None:
    """Interval after interval, by hand; a ray that keeps more than half has none."""
    samples = samples_of(COUNTS)
    density = matter(len(samples.t))[0].detach()
    density[samples.ray == 7] *= 0.01
    found, expected = median_distance(density, samples), torch.zeros(len(COUNTS)).double()
    for ray, (first, last) in enumerate(pairwise(samples.offsets.tolist())):
        left = math.log(2)
        for i in range(first, last):
            thickness = float(density[i] * samples.dt[i])
            if left <= thickness:
                start = samples.t[i] - samples.dt[i] / 2
                expected[ray] = start + samples.dt[i] * left / thickness
                break
            left -= thickness
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert found[[0, 3, 6]].all()
    assert not found[[1, 7, 8]].any()


def test_haze_behind_moves_the_mean_and_not_the_median() -> None:
    samples = samples_of([20])
    wall = torch.zeros(20, dtype=torch.float64)
    wall[4], hazy = 1e3, torch.zeros(20, dtype=torch.float64)
    hazy[4], hazy[15:] = 1.2 / samples.dt[4], 0.3
    at = [float(median_distance(density, samples)[0]) for density in (wall, hazy)]
    start, length = float(samples.t[4] - samples.dt[4] / 2), float(samples.dt[4])
    assert start < at[0] < start + 0.06 * length
    assert at[1] == pytest.approx(start + length * math.log(2) / 1.2)
