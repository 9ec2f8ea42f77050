"""Relocation leaves the picture as it was; growth ends at the cap; penalties are means."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from polyfield.errors import InputError
from polyfield.training.densification import MCMC, NAMES
from polyfield.training.densification.mcmc import drawn_by_weight, shares


def begun(n: int, **changes: Any) -> MCMC:
    strategy = MCMC(**changes)
    strategy.begin(n, 1.0)
    return strategy


def refine(strategy: MCMC, parameters: Any, seed: int = 0) -> Any:
    return strategy.refine(parameters, 100, 0.1, torch.Generator().manual_seed(seed))


def profile(opacity: Tensor, scale: Tensor, shared: int, x: Tensor) -> Tensor:
    """Opacity along a line through the centre of equal Gaussians on top of each other."""
    return 1 - (1 - opacity * torch.exp(-0.5 * (x / scale) ** 2)) ** shared


@pytest.mark.parametrize("shared", [1, 2, 3, 7, 51])
@pytest.mark.parametrize("opacity", [0.01, 0.3, 0.9, 0.999])
def test_shares_keep_the_centre_and_the_integral(opacity: float, shared: int) -> None:
    o = torch.tensor([opacity], dtype=torch.float64)
    each, factor = shares(o, torch.tensor([shared]))
    x = torch.linspace(-30, 30, 40_001, dtype=torch.float64)
    before = profile(o, torch.ones(1, dtype=torch.float64), 1, x)
    after = profile(each, factor, shared, x)
    assert after[20_000].item() == pytest.approx(opacity, rel=1e-12)
    integrals = [torch.trapezoid(part, x).item() for part in (before, after)]
    assert integrals[1] == pytest.approx(integrals[0], rel=1e-9)


def test_the_papers_double_sum(make: Any) -> None:
    o, r = 0.8, 5
    each = 1 - (1 - o) ** (1 / r)
    D = sum(
        math.comb(i - 1, k) * (-1) ** k * each ** (k + 1) / math.sqrt(k + 1)
        for i in range(1, r + 1)
        for k in range(i)
    )
    found, factor = shares(torch.tensor([o]), torch.tensor([r]))
    assert found.item() == pytest.approx(each, rel=1e-6)
    assert factor.item() == pytest.approx(o / D, rel=1e-6)


def test_shares_stay_finite_at_the_ends() -> None:
    o = torch.tensor([1e-6, 0.5, 1.0]).repeat_interleave(3)
    each, factor = shares(o, torch.tensor([1, 51, 4000]).repeat(3))
    assert each.isfinite().all()
    assert factor.isfinite().all()
    assert (factor > 0).all()
    assert torch.equal(each[1::3], each[2::3])  # more than 51 counts as 51


def test_weights_are_drawn_as_often_as_they_say() -> None:
    weights = torch.tensor([0.0, 1.0, 3.0, 0.0, 6.0, 0.0])
    drawn = drawn_by_weight(weights, 100_000, torch.Generator().manual_seed(0))
    counts = torch.bincount(drawn, minlength=6) / 100_000
    torch.testing.assert_close(counts, weights / 10, atol=6e-3, rtol=0)
    assert not counts[weights == 0].any()


def test_the_dead_move_to_the_living(make: Any) -> None:
    n = 200
    opacity = torch.full((n,), 0.6)
    opacity[::2] = 0.004
    parameters = make(n, opacity_logits=torch.logit(opacity))
    made, replaced, counts = refine(begun(n, growth=0.0), parameters)
    assert counts == {"moved": 100, "added": 0}
    assert len(made["means"]) == n
    alive = parameters["means"][1::2]
    group = (made["means"][:, None] == alive[None]).all(dim=2)
    assert (group.sum(dim=1) == 1).all()  # each stands where one that lived does
    shared = group.sum(dim=0)
    assert int(shared.sum()) == n
    found = torch.sigmoid(made["opacity_logits"]).double()
    for target in range(100):
        here = group[:, target]
        assert 1 - (1 - found[here]).prod().item() == pytest.approx(0.6, abs=1e-5)
        for name in NAMES:
            assert (made[name][here] == made[name][here][:1]).all()
    expected = shares(torch.full((100,), 0.6), shared)[1]
    factor = (made["log_scales"][1::2] - parameters["log_scales"][1::2]).exp()[:, 0]
    torch.testing.assert_close(factor.double(), expected, atol=1e-5, rtol=1e-4)
    carried = replaced[0].carry(torch.ones(n, 3))[:, 0]
    untouched = torch.zeros(n)
    untouched[1::2] = (shared == 1).float()
    assert torch.equal(carried, untouched)


def test_growth_is_a_twentieth_up_to_the_cap(make: Any) -> None:
    counts = [100]
    strategy, parameters = begun(100, most=140), make(100, opacity_logits=2.0)
    for seed in range(12):
        parameters = refine(strategy, parameters, seed).parameters
        counts.append(len(parameters["means"]))
    assert counts[:8] == [100, 105, 110, 115, 120, 126, 132, 138]
    assert counts[8:] == [140] * 5
    assert strategy.n == 140


def test_growth_keeps_the_opacity_along_an_axis(make: Any) -> None:
    parameters = make(40, opacity_logits=0.4)
    made, replaced, _ = refine(begun(40, growth=1.0), parameters)
    transparency = 1 - torch.sigmoid(made["opacity_logits"]).double()
    group = (made["means"][:, None] == parameters["means"][None]).all(dim=2)
    assert len(made["means"]) == 80
    for target in range(40):
        together = 1 - transparency[group[:, target]].prod().item()
        assert together == pytest.approx(torch.sigmoid(torch.tensor(0.4)).item(), abs=1e-5)
    carried = replaced[-1].carry(torch.ones(40, 3))
    assert carried[:40].all()
    assert not carried[40:].any()


def test_a_handful_grows_too(make: Any) -> None:
    assert len(refine(begun(1), make(1, opacity_logits=1.0)).parameters["means"]) == 2


def test_what_is_not_due_is_not_replaced(make: Any) -> None:
    parameters = make(5, opacity_logits=1.0)
    made, replaced, _ = refine(begun(5, most=5), parameters)
    assert replaced == []
    assert all(made[name] is parameters[name] for name in NAMES)


def test_a_scene_of_the_dead_is_refused(make: Any) -> None:
    with pytest.raises(InputError, match="no Gaussians are left"):
        refine(begun(3), make(3, opacity_logits=-9.0))


def test_penalties_are_weighted_means_with_gradients(make: Any) -> None:
    parameters = make(3, opacity_logits=0.0, log_scales=math.log(0.2))
    terms = begun(3, opacity=0.01, scale=0.03).penalties(parameters)
    assert {name: term.item() for name, term in terms.items()} == {
        "opacity": pytest.approx(0.005),
        "scale": pytest.approx(0.006),
    }
    sum(terms.values()).backward()  # type: ignore[union-attr]
    assert parameters["opacity_logits"].grad is not None
    assert parameters["log_scales"].grad is not None
    assert begun(3, opacity=0, scale=0).penalties(parameters) == {}


def test_noise_comes_after_a_step_and_to_the_transparent_alone(make: Any) -> None:
    logits = torch.logit(torch.tensor([0.004, 0.5]))
    parameters = make(2, log_scales=-2.0, opacity_logits=logits)
    before = parameters["means"].detach().clone()
    begun(2).after_step(parameters, 1e-3, torch.Generator().manual_seed(0))
    same = (parameters["means"] == before).all(dim=1)
    assert same.tolist() == [False, True]
    for still in (begun(2, noise=0.0), begun(2)):
        before = parameters["means"].detach().clone()
        still.after_step(parameters, 1e-3 if still.noise == 0 else 0.0, torch.Generator())
        assert torch.equal(parameters["means"], before)


@pytest.mark.parametrize(
    ("name", "value"),
    [("growth", -0.1), ("most", 0), ("dead_opacity", 1.0), ("noise", -1), ("scale", math.inf)],
)
def test_settings_without_a_meaning_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"densify.{name}"):
        MCMC(**{name: value})


def test_what_is_nan_is_dead_and_never_drawn() -> None:
    weights = torch.tensor([0.2, float("nan"), 0.5, 0.1, float("nan")])
    drawn = drawn_by_weight(weights, 200, torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) == {0, 2, 3}
