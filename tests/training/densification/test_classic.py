"""Clone, split, prune, reset."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from polyfield.cameras.poses import rotation_from_quaternion
from polyfield.errors import InputError
from polyfield.kernels.rasterize.records import ScreenStatistics
from polyfield.training.densification import NAMES, Classic

LARGE, SMALL = math.log(0.05), math.log(0.001)


def begun(n: int, **changes: Any) -> Classic:
    strategy = Classic(**changes)
    strategy.begin(n, 1.0)
    return strategy


def pulled(strategy: Classic, statistic: list[float]) -> Classic:
    """As if a picture had shown these gradients."""
    strategy.gradient_sum = torch.tensor(statistic)
    strategy.seen = torch.ones(len(statistic))
    return strategy


def refine(strategy: Classic, parameters: Any, step: int = 100, seed: int = 0) -> Any:
    return strategy.refine(parameters, step, 0.1, torch.Generator().manual_seed(seed))


def test_the_statistic_is_the_mean_over_pictures_that_show_a_gaussian(make: Any) -> None:
    strategy, parameters = begun(3), make(3)
    gradients = torch.tensor([[3e-6, 4e-6], [1.0, 1.0], [0.0, 2e-6]])
    first = ScreenStatistics(torch.tensor([2.0, 0.0, 1.0]), gradients, gradients)
    second = ScreenStatistics(torch.tensor([2.0, 0.0, 0.0]), 0 * gradients, gradients)
    strategy.after_backward(parameters, first, (200, 100), 3, 0.1)
    strategy.after_backward(parameters, second, (200, 100), 4, 0.1)
    of_first = math.hypot(100 * 3e-6, 50 * 4e-6)
    expected = torch.tensor([of_first / 2, 0.0, 50 * 2e-6])
    torch.testing.assert_close(strategy.statistic, expected)


def test_pictures_of_a_batch_count_as_if_alone(make: Any) -> None:
    gradients = torch.tensor([[3e-6, 4e-6]])
    alone, batch = begun(1), begun(1)
    record = ScreenStatistics(torch.ones(1), gradients, gradients)
    alone.after_backward(make(1), record, (200, 100), 3, 0.1)
    halved = ScreenStatistics(torch.ones(1), gradients / 2, gradients / 2)
    for _ in range(2):
        batch.after_backward(make(1), halved, (200, 100), 3, 0.1, views=2)
    torch.testing.assert_close(alone.statistic, batch.statistic)


def test_absolute_gradients_have_their_own_threshold(make: Any) -> None:
    strategy = begun(1, absolute=True)
    assert strategy.threshold == 8e-4
    assert Classic().threshold == 2e-4
    record = ScreenStatistics(torch.ones(1), torch.zeros(1, 2), torch.tensor([[1e-2, 0.0]]))
    strategy.after_backward(make(1), record, (2, 2), 3, 0.1)
    assert strategy.statistic.item() == pytest.approx(1e-2)


def test_nothing_is_gathered_when_no_refinement_will_come(make: Any) -> None:
    strategy = begun(1)
    record = ScreenStatistics(torch.ones(1), torch.ones(1, 2), torch.ones(1, 2))
    strategy.after_backward(make(1), record, (2, 2), 60, 0.5)
    assert strategy.seen.item() == 0


def test_small_ones_are_cloned_and_large_ones_split(make: Any) -> None:
    parameters = make(4, log_scales=torch.tensor([[SMALL], [SMALL], [LARGE], [LARGE]]))
    strategy = pulled(begun(4), [1e-3, 1e-5, 1e-3, 1e-5])
    made, replaced, counts = refine(strategy, parameters)
    assert counts == {"cloned": 1, "split": 1, "pruned": 0}
    for name in NAMES:
        kept = parameters[name][[0, 1, 3, 0]]  # the clone lies behind what stays
        assert torch.equal(made[name][:4], kept)
        if name not in ("means", "log_scales"):
            assert torch.equal(made[name][4:], parameters[name][[2, 2]])
    torch.testing.assert_close(
        made["log_scales"][4:].exp(), parameters["log_scales"][[2, 2]].exp() / 1.6
    )
    assert strategy.n == len(strategy.seen) == len(made["means"]) == 6
    assert not strategy.gradient_sum.any()
    moments = replaced[0].carry(torch.ones(4, 3))
    assert moments[:, 0].tolist() == [1, 1, 1, 0, 0, 0]


def test_children_keep_the_covariance(make: Any) -> None:
    """Means of children spread as the parent does; their own extent adds 1 / 1.6^2 of it."""
    n, log_scales = 40_000, torch.tensor([0.02, 0.05, 0.11]).log()
    quat = torch.tensor([0.3, -0.5, 0.7, 0.2])
    parameters = make(n, k=0, means=[1.0, 2.0, 3.0], quats=quat, log_scales=log_scales)
    made, _, counts = refine(pulled(begun(n), [1.0] * n), parameters)
    assert counts["split"] == n
    R = rotation_from_quaternion(quat)
    sigma = R @ torch.diag((2 * log_scales).exp()) @ R.T
    offsets = made["means"].detach() - torch.tensor([1.0, 2.0, 3.0])
    within = (2 * made["log_scales"][0].detach()).exp()
    total = offsets.T @ offsets / (2 * n) + R @ torch.diag(within) @ R.T
    torch.testing.assert_close(total, sigma * (1 + 1 / 1.6**2), atol=2e-4, rtol=0)
    assert offsets.mean(dim=0).abs().max() < 2e-3


def test_the_faint_are_pruned_the_large_only_after_a_reset(make: Any) -> None:
    logits = torch.logit(torch.tensor([0.004, 0.006, 0.9, 0.9]))
    scales = torch.log(torch.tensor([0.05, 0.05, 0.2, 0.05]))[:, None]
    for reset, left in ((0, [1, 2, 3]), (50, [1, 3])):
        parameters = make(4, log_scales=scales, opacity_logits=logits)
        strategy = begun(4)
        strategy.last_reset = reset
        made, _, counts = refine(strategy, parameters)
        assert torch.equal(made["means"], parameters["means"][left])
        assert counts["pruned"] == 4 - len(left)


def test_children_are_measured_by_their_own_scale(make: Any) -> None:
    """One of 0.12 is too large; its halves of 0.075 are not, those of one of 0.2 are."""
    parameters = make(3, log_scales=torch.tensor([0.12, 0.12, 0.2]).log()[:, None])
    strategy = pulled(begun(3), [1.0, 0.0, 1.0])
    strategy.last_reset = 50
    made, _, counts = refine(strategy, parameters)
    assert counts == {"cloned": 0, "split": 2, "pruned": 3}
    assert torch.equal(made["sh_dc"], parameters["sh_dc"][[0, 0]])


def test_children_of_the_pruned_keep_to_their_rows(make: Any) -> None:
    """Rows of children move up by what is pruned before them, and may be pruned themselves."""
    logits = torch.logit(torch.tensor([0.9, 0.001, 0.001, 0.9]))
    parameters = make(4, log_scales=LARGE, opacity_logits=logits)
    made, _, counts = refine(pulled(begun(4), [0.0, 1.0, 0.0, 1.0]), parameters)
    assert counts == {"cloned": 0, "split": 2, "pruned": 3}
    assert torch.equal(made["means"][0], parameters["means"][0])
    assert torch.equal(made["sh_dc"], parameters["sh_dc"][[0, 3, 3]])
    near = (made["means"][1:] - parameters["means"][3]).norm(dim=1)
    assert (near < 6 * 0.05).all()
    assert torch.allclose(made["log_scales"][1:], torch.tensor(LARGE - math.log(1.6)))


def test_the_cap_takes_the_largest_gradients(make: Any) -> None:
    parameters = make(5, log_scales=SMALL)
    strategy = pulled(begun(5, most=7), [3e-4, 9e-4, 0.0, 5e-4, 4e-4])
    made, _, _ = refine(strategy, parameters)
    assert torch.equal(made["means"][5:], parameters["means"][[1, 3]])
    full = refine(pulled(begun(5, most=3), [1.0] * 5), parameters)
    assert len(full.parameters["means"]) == 5


def test_opacities_are_reset_with_their_moments_alone(make: Any) -> None:
    logits = torch.logit(torch.tensor([0.0075, 0.5, 0.99]))
    parameters = make(3, log_scales=SMALL, opacity_logits=logits)
    strategy = begun(3, reset_every=3000)
    assert "reset" not in refine(strategy, parameters, step=2900).counts
    made, replaced, counts = refine(strategy, parameters, step=3000)
    assert counts["reset"] == 3
    opacity = torch.sigmoid(made["opacity_logits"])
    torch.testing.assert_close(opacity, torch.tensor([0.0075, 0.01, 0.01]))
    moments: dict[int, Tensor] = {id(p): torch.ones_like(p) for p in parameters.values()}
    for old, new, carry in replaced:
        moments[id(new)] = carry(moments[id(old)])
    assert not moments[id(made["opacity_logits"])].any()
    for name in NAMES:
        if name != "opacity_logits":
            assert moments[id(made[name])].all()
    assert "reset" not in refine(strategy, made, step=3100).counts


def test_short_trainings_never_reset(make: Any) -> None:
    strategy, parameters = begun(3), make(3, opacity_logits=2.0)
    generator = torch.Generator().manual_seed(0)
    for step in range(100, 1000, 50):
        parameters, _, counts = strategy.refine(parameters, step, step / 2000, generator)
        assert "reset" not in counts
    shares = begun(3, reset_every=0.1)
    assert "reset" in refine(shares, parameters, step=200).counts  # a tenth of 2,000 steps


def test_an_empty_scene_is_said_not_made(make: Any) -> None:
    with pytest.raises(InputError, match="no Gaussians are left"):
        refine(begun(3), make(3, opacity_logits=-9.0))


def test_draws_are_the_generators(make: Any) -> None:
    parameters = make(3, log_scales=LARGE)
    twice = [refine(pulled(begun(3), [1.0] * 3), parameters, seed=4).parameters for _ in range(2)]
    other = refine(pulled(begun(3), [1.0] * 3), parameters, seed=5).parameters
    assert torch.equal(twice[0]["means"], twice[1]["means"])
    assert not torch.equal(twice[0]["means"], other["means"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threshold", -1.0),
        ("prune_opacity", 0.0),
        ("reset_opacity", 0.004),
        ("most", 0),
        ("reset_every", -1),
        ("clone_share", float("nan")),
    ],
)
def test_settings_without_a_meaning_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"densify.{name}"):
        Classic(**{name: value})


def test_a_scene_without_extent_is_refused() -> None:
    with pytest.raises(InputError, match="extent"):
        Classic().begin(3, 0.0)
