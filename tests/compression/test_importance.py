"""What is seen counts: sums of blending weights, and what goes first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from polyfield.compression.importance import blending_weights, importance, most_important
from polyfield.errors import InputError
from polyfield.fields.gaussians import tensors_of
from polyfield.kernels.rasterize.rasterize import rasterize
from polyfield.kernels.rasterize.records import PinholeView
from polyfield.splats.cleaning import selected
from polyfield.splats.splats import Splats


def test_weights_add_up_to_the_opacity_of_the_pictures(
    ball: Callable[..., Splats], views: list[PinholeView]
) -> None:
    """Of a pixel, the weights of all Gaussians are its opacity: whatever their colours are."""
    splats = ball(300)
    splats = replace(splats, sh_dc=splats.sh_dc - 3)  # black, where colours are cut at 0
    weights = blending_weights(splats, views)
    tensors = tensors_of(splats)
    opacity = sum(float(rasterize(**tensors, view=view).opacity.sum()) for view in views)
    assert float(weights.sum()) == pytest.approx(opacity, rel=1e-4)
    assert float(weights.min()) >= 0


def test_what_is_hidden_counts_for_nothing(views: list[PinholeView]) -> None:
    """Of two of a size behind one another, and one beside the picture."""
    view = PinholeView(torch.eye(3, 4), (30.0, 30.0, 16.0, 16.0), 32, 32)
    splats = Splats(
        means=np.array([[0, 0, 4], [0, 0, 3], [50, 0, 3]]),
        quats=np.tile([1.0, 0, 0, 0], (3, 1)),
        log_scales=np.log(np.array([[0.05] * 3, [2.0] * 3, [0.05] * 3])),
        opacity_logits=np.array([5.0, 10.0, 5.0]),
        sh_dc=np.zeros((3, 3)),
        sh_rest=np.zeros((3, 0, 3)),
    )
    behind, before, beside = blending_weights(splats, [view]).tolist()
    assert before > 200 > 1e-2 > behind
    assert beside == 0


def test_volume_counts_up_to_that_of_one_in_ten() -> None:
    weights, scales = torch.ones(101), torch.linspace(-6, -1, 101)[:, None].expand(101, 3)
    found = importance(weights, scales)
    assert (found.diff()[:89] > 0).all()
    torch.testing.assert_close(found[90:], torch.ones(11))
    torch.testing.assert_close(found[0], torch.tensor(0.1 * 3 * -5 * 0.9).exp())
    torch.testing.assert_close(importance(weights, scales, power=0), weights)


def test_the_least_important_go() -> None:
    assert most_important(torch.tensor([3.0, 1, 2, 0, 4]), 0.4).tolist() == [1, 0, 1, 0, 1]
    assert most_important(torch.zeros(4), 0.999).sum() == 1
    assert most_important(torch.zeros(4), 0).all()
    assert len(most_important(torch.zeros(0), 0.4)) == 0
    for share in (-0.1, 1.0, float("nan")):
        with pytest.raises(InputError, match="prune"):
            most_important(torch.zeros(4), share)


def test_pruning_by_importance_is_seen_less_than_pruning_at_random(
    ball: Callable[..., Splats], views: list[PinholeView], error_of: Callable
) -> None:
    splats = ball()
    matters = importance(blending_weights(splats, views), torch.from_numpy(splats.log_scales))
    by_importance = selected(splats, most_important(matters, 0.4).numpy())
    at_random = torch.rand(len(splats), generator=torch.Generator().manual_seed(0))
    by_chance = selected(splats, most_important(at_random, 0.4).numpy())
    assert error_of(splats, by_importance) < 0.3 * error_of(splats, by_chance)
