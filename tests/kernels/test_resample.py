"""Resampling, placing and the interlevel bound: identities, and kernels against their reference."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from polyfield.errors import InputError
from polyfield.kernels import domain as domains
from polyfield.kernels.interlevel import interlevel, ray_weights
from polyfield.kernels.resample import distances, place, ray_spans, resample
from polyfield.kernels.resample_reference import (
    distances_reference,
    interlevel_reference,
    outer_bound_reference,
    place_reference,
    ray_spans_reference,
    ray_weights_reference,
    resample_reference,
)

SPACINGS = ["linear", "disparity", "power"]
PRECISIONS = [(torch.float32, 2e-4), (torch.float64, 1e-11)]


def histogram(r: int, m: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple:
    """Random edges from 0 to 1 with widths of very different sizes, and weights, some of them 0."""
    generator = torch.Generator().manual_seed(seed)
    widths = torch.rand(r, m, generator=generator, dtype=dtype).pow(3) + 1e-3
    edges = torch.cat([torch.zeros(r, 1, dtype=dtype), widths.cumsum(dim=-1)], dim=-1)
    weights = torch.rand(r, m, generator=generator, dtype=dtype)
    weights *= torch.rand(r, m, generator=generator, dtype=dtype) > 0.4
    return edges / edges[:, -1:], 0.8 * weights / weights.sum(-1, keepdim=True).clamp(min=1e-3)


def rays(r: int, dtype: torch.dtype, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    origins = 2 * torch.randn(r, 3, generator=generator, dtype=dtype)
    directions = torch.randn(r, 3, generator=generator, dtype=dtype)
    return origins, torch.nn.functional.normalize(directions, dim=-1)


def mass_between(edges: Tensor, weights: Tensor, s: Tensor) -> Tensor:
    """The cumulated share of the mass up to s, linear within bins: [r, k]."""
    cdf = torch.cat([torch.zeros_like(weights[:, :1]), weights.cumsum(-1)], dim=-1)
    i = (torch.searchsorted(edges, s, right=True) - 1).clamp(0, weights.shape[1] - 1)
    inside = (s - edges.gather(1, i)) / edges.diff(dim=-1).gather(1, i)
    return (cdf.gather(1, i) + weights.gather(1, i) * inside) / cdf[:, -1:]


@pytest.mark.parametrize("k", [1, 2, 5, 40])
@pytest.mark.parametrize("operation", [resample, resample_reference])
def test_equal_shares_of_the_histogram_lie_between_resampled_edges(
    operation: Callable[..., Tensor], k: int
) -> None:
    """And together all of it; in the mean over jitters the first and the last have no less."""
    edges, weights = histogram(20, 17)
    weights = weights + 1e-4
    jitter = torch.rand(20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    s = operation(edges, weights, jitter, k)
    right = torch.full((20, k), 1 / k, dtype=torch.float64)
    right[:, 0] += (jitter - 0.5) / k
    right[:, -1] -= (jitter - 0.5) / k
    torch.testing.assert_close(mass_between(edges, weights, s).diff(dim=-1), right)
    assert torch.equal(s[:, [0, -1]], edges[:, [0, -1]])


@pytest.mark.parametrize("operation", [resample, resample_reference])
@pytest.mark.parametrize("padding", [0.0, 0.02])
def test_bins_reach_from_the_first_to_the_last_mass(
    operation: Callable[..., Tensor], padding: float
) -> None:
    """Light may come from anywhere that a proposal sees: no part of it may go unseen."""
    edges, weights = histogram(5, 9)
    weights += 1e-3
    ends = torch.tensor([[0, 9], [2, 9], [0, 4], [3, 7], [5, 6]])
    bins = torch.arange(9)
    weights *= (bins >= ends[:, :1]) & (bins < ends[:, 1:])
    for jitter in (0.0, 0.3, 0.999999):
        s = operation(edges, weights, torch.full((5,), jitter).double(), 6, padding=padding)
        expected = edges[:, [0, -1]] if padding else edges.gather(1, ends)
        assert torch.equal(s[:, [0, -1]], expected)


def test_resampled_edges_are_sorted_inside_and_avoid_empty_bins() -> None:
    edges, weights = histogram(50, 13)
    for jitter in (0.0, 0.5, 0.999999):
        s = resample(edges, weights, torch.full((50,), jitter, dtype=torch.float64), 31)
        assert bool((s.diff(dim=-1) >= 0).all())
        assert bool((s >= 0).all())
        assert bool((s <= 1).all())
        i = (torch.searchsorted(edges, s, right=True) - 1).clamp(0, 12)
        at_edge = (s[..., None] - edges[:, None]).abs().amin(dim=-1) < 1e-9
        assert bool((at_edge | (weights.gather(1, i) > 0)).all())


def test_an_empty_histogram_and_full_padding_are_flat() -> None:
    edges, weights = histogram(4, 6)
    jitter = torch.full((4,), 0.5, dtype=torch.float64)
    flat = torch.arange(9, dtype=torch.float64).expand(4, 9) / 8
    torch.testing.assert_close(resample(edges, torch.zeros_like(weights), jitter, 8), flat)
    torch.testing.assert_close(resample(edges, weights, jitter, 8, padding=1.0), flat)


def test_power_zero_gives_every_bin_the_same_mass() -> None:
    edges, weights = histogram(3, 4)
    jitter = torch.full((3,), 0.5, dtype=torch.float64)
    torch.testing.assert_close(
        resample(edges, weights + 1e-3, jitter, 4, power=0.0), edges, atol=1e-12, rtol=0.0
    )


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize(("power", "padding"), [(1.0, 0.0), (0.3, 0.05)])
def test_resampling_equals_its_reference(
    dtype: torch.dtype, tolerance: float, power: float, padding: float
) -> None:
    edges, weights = histogram(64, 24, dtype, seed=5)
    weights = weights + 1e-3  # in an empty bin rounding decides on which side an edge falls
    weights[0] = 0
    jitter = torch.rand(64, generator=torch.Generator().manual_seed(0), dtype=dtype)
    arguments = (edges, weights, jitter, 33, power, padding)
    torch.testing.assert_close(
        resample(*arguments), resample_reference(*arguments), atol=tolerance, rtol=tolerance
    )


def test_float32_kernels_are_close_to_float64() -> None:
    edges, weights = histogram(64, 24, seed=6)
    weights = weights + 1e-3
    jitter = torch.rand(64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    exact = resample(edges, weights, jitter, 32)
    rounded = resample(edges.float(), weights.float(), jitter.float(), 32)
    torch.testing.assert_close(rounded.double(), exact, atol=1e-4, rtol=0.0)


def test_non_contiguous_and_empty_batches() -> None:
    edges, weights = histogram(16, 8)
    jitter = torch.full((32,), 0.5, dtype=torch.float64)[::2]
    wide = torch.stack([weights, -weights], dim=-1)
    expected = resample(edges, weights, jitter.contiguous(), 6)
    torch.testing.assert_close(resample(edges, wide[..., 0], jitter, 6), expected)
    assert resample(edges[:0], weights[:0], jitter[:0], 6).shape == (0, 7)


def test_bad_arguments_are_refused() -> None:
    edges, weights = histogram(2, 3)
    with pytest.raises(InputError, match="padding"):
        resample(edges, weights, torch.zeros(2), 4, padding=1.5)
    with pytest.raises(InputError, match="spacing"):
        distances(edges, edges[:, :2], "cubic")


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_distances(spacing: str, dtype: torch.dtype, tolerance: float) -> None:
    edges, _ = histogram(32, 20, dtype)
    spans = torch.tensor([[0.05, 80.0]], dtype=dtype).repeat(32, 1)
    spans[1] = 0.7  # a ray that misses the box
    t = distances(edges, spans, spacing)
    reference = distances_reference(edges, spans, spacing)
    torch.testing.assert_close(t, reference, atol=0.0, rtol=10 * tolerance)
    assert bool((t.diff(dim=-1) >= 0).all())
    torch.testing.assert_close(t[:, [0, -1]], spans, rtol=10 * tolerance, atol=0.0)


def test_spacings_are_what_they_say() -> None:
    s = torch.linspace(0, 1, 9, dtype=torch.float64)[None]
    spans = torch.tensor([[0.5, 40.0]], dtype=torch.float64)
    for spacing, g in (
        ("linear", lambda t: t),
        ("disparity", lambda t: 1 / t),
        ("power", lambda t: (2.5 / -1.5) * ((2 * t / 2.5 + 1) ** -1.5 - 1)),
    ):
        steps = g(distances(s, spans, spacing)).diff(dim=-1)
        torch.testing.assert_close(steps, steps[:, :1].expand_as(steps))


def test_far_ends_keep_apart_in_float32() -> None:
    s = torch.linspace(0, 1, 65)[None]
    t = distances(s, torch.tensor([[0.05, 1000.0]]), "power")
    assert bool((t.diff(dim=-1) > 0).all())


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("kind", [domains.BOX, domains.CONTRACT_L2, domains.CONTRACT_LINF])
def test_spans_and_places_equal_their_references(
    kind: int, dtype: torch.dtype, tolerance: float
) -> None:
    origins, directions = rays(200, dtype)
    directions[0] = torch.tensor([1.0, 0.0, 0.0], dtype=dtype)
    directions[1] = torch.tensor([0.0, 0.0, -1.0], dtype=dtype)
    origins[0] = torch.tensor([-3.0, 0.2, 0.1], dtype=dtype)
    origins[1] = torch.tensor([0.0, 1.0, 3.0], dtype=dtype)  # passes beside the box
    bounds = torch.tensor([[-1.0, -0.8, -1.2], [1.0, 0.9, 1.1]], dtype=dtype)
    spans = ray_spans(origins, directions, bounds, kind, 0.1, 50.0)
    if kind == domains.BOX:
        reference = ray_spans_reference(origins, directions, bounds, 0.1, 50.0)
        torch.testing.assert_close(spans, reference, atol=10 * tolerance, rtol=10 * tolerance)
        torch.testing.assert_close(spans[0], torch.tensor([2.0, 4.0], dtype=dtype))
        torch.testing.assert_close(spans[1], torch.tensor([0.1, 0.1], dtype=dtype))
    edges = distances(histogram(200, 10, dtype)[0], spans, "linear")
    samples = place(edges, origins, directions, bounds, kind)
    expected = place_reference(edges, origins, directions, bounds, kind)
    for value, wanted in zip(samples, expected):
        torch.testing.assert_close(value, wanted, atol=10 * tolerance, rtol=10 * tolerance)
    lies_inside = samples.u[samples.dt > 1e-6]
    assert bool(((lies_inside > -1e-5) & (lies_inside < 1 + 1e-5)).all())


def test_weights_are_those_of_the_rendering_equation() -> None:
    generator = torch.Generator().manual_seed(0)
    density, dt = 3 * torch.rand(2, 7, 12, generator=generator, dtype=torch.float64)
    density.requires_grad_()
    weights = ray_weights(density, dt)
    torch.testing.assert_close(weights, ray_weights_reference(density, dt))
    torch.testing.assert_close(1 - weights.sum(-1), torch.exp(-(density * dt).sum(-1)))
    assert torch.autograd.gradcheck(ray_weights, (density, dt))


def test_weights_survive_what_is_opaque_and_what_is_empty() -> None:
    density = torch.tensor([[0.0, 1e30, 5.0], [0.0, 0.0, 0.0]], requires_grad=True)
    weights = ray_weights(density, torch.ones(2, 3))
    torch.testing.assert_close(weights, torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    weights.sum().backward()
    assert density.grad is not None
    assert bool(density.grad.isfinite().all())


def coarsen(edges: Tensor, weights: Tensor, every: int) -> tuple[Tensor, Tensor]:
    """The same histogram in bins made of `every` neighbours."""
    return edges[:, ::every], weights.unflatten(1, (-1, every)).sum(dim=-1)


def test_the_bound_of_nested_bins_is_never_below_the_weight() -> None:
    edges, weights = histogram(30, 24)
    outer_edges, outer = coarsen(edges, weights, 3)
    bound = outer_bound_reference(outer_edges, outer, edges)
    assert bool((bound >= weights - 1e-12).all())
    torch.testing.assert_close(bound, outer.repeat_interleave(3, dim=1))


def test_the_bound_sums_all_bins_that_overlap_and_no_other() -> None:
    edges, weights = histogram(30, 15, seed=1)
    inner, _ = histogram(30, 11, seed=2)
    bound = outer_bound_reference(edges, weights, inner)
    left, right = inner[:, :-1, None], inner[:, 1:, None]
    overlaps = (edges[:, None, 1:] > left) & (edges[:, None, :-1] < right)
    torch.testing.assert_close(bound, (overlaps * weights[:, None]).sum(dim=-1))


def test_the_loss_is_zero_where_the_proposal_bounds() -> None:
    edges, weights = histogram(30, 24)
    for outer_edges, outer in ((edges, weights), coarsen(edges, weights, 4)):
        loss = interlevel(outer_edges, outer, edges, weights)
        torch.testing.assert_close(loss, torch.zeros_like(loss), atol=1e-20, rtol=0.0)
    # Mass moved within a bin of the proposal costs nothing, out of it something.
    outer_edges, outer = coarsen(edges, weights, 4)
    moved = weights.unflatten(1, (-1, 4)).flip(dims=(2,)).flatten(1)
    torch.testing.assert_close(
        interlevel(outer_edges, outer, edges, moved), loss, atol=1e-20, rtol=0.0
    )
    # What lies where nothing was proposed costs all that it weighs.
    one_bin = torch.zeros_like(weights)
    one_bin[:, 5] = 0.3
    outer = torch.ones_like(outer)
    outer[:, 1] = 0
    loss = interlevel(outer_edges, outer, edges, one_bin)
    torch.testing.assert_close(loss, torch.full_like(loss, 0.3), atol=1e-6, rtol=0.0)


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_the_loss_and_its_gradient_equal_the_reference(
    dtype: torch.dtype, tolerance: float
) -> None:
    edges, weights = histogram(40, 24, dtype)
    final_edges, final_weights = histogram(40, 18, dtype, seed=1)
    final_edges = resample(edges, weights, torch.full((40,), 0.5, dtype=dtype), 18)
    final_weights[0] = 0
    results = []
    for operation in (interlevel, interlevel_reference):
        w = weights.clone().requires_grad_()
        loss = operation(edges, w, final_edges, final_weights, 1e-3)
        (gradient,) = torch.autograd.grad(loss.square().sum(), w)
        results.append((loss.detach(), gradient))
    torch.testing.assert_close(*results, atol=10 * tolerance, rtol=10 * tolerance)


def test_the_gradient_of_the_loss_is_its_derivative_and_reaches_the_proposal_alone() -> None:
    edges, weights = histogram(6, 8)
    final_edges, final_weights = histogram(6, 11, seed=4)
    weights += 1e-3  # where both are 0 there is a kink
    weights.requires_grad_()
    final_weights.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda w: interlevel(edges, w, final_edges, final_weights, 1e-2), (weights,)
    )
    interlevel(edges, weights, final_edges, final_weights).sum().backward()
    assert weights.grad is not None
    assert bool((weights.grad <= 0).all())  # more proposed mass never costs
    assert final_weights.grad is None
