"""What is said of a level."""

from __future__ import annotations

import numpy as np
import pytest

from polyfield.export.meshes.advice import advised


@pytest.mark.parametrize("full", [20.0, 3000.0])
def test_the_advised_level_lies_between_full_and_empty(full: float) -> None:
    random = np.random.default_rng(0)
    haze = 0.01 * full * np.exp(random.normal(0, 0.5, 9000))
    solid = full * np.exp(random.normal(0, 0.5, 1000))
    level = advised(np.concatenate([haze, solid]))
    assert (haze < level).mean() > 0.99
    assert (solid > level).mean() > 0.99


def test_there_is_no_level_for_what_is_the_same_everywhere() -> None:
    assert advised(np.zeros(10)) == 0.0
    assert advised(np.full(10, 2.0)) == 0.0
