"""What is dropped, why, and what is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from polyfield.errors import InputError
from polyfield.splats import Splats
from polyfield.splats.activations import opacities
from polyfield.splats.cleaning import ATTRIBUTES, clean, cut_degree


def changed(splats: Splats, name: str, row: int, value: float) -> Splats:
    array = getattr(splats, name).copy()
    array.reshape(len(array), -1)[row, -1:] = value
    return Splats(**{**vars(splats), name: array})


def test_sound_gaussians_pass_untouched(gaussians: Callable) -> None:
    splats = gaussians(20, 3)
    cleaned = clean(splats)
    assert cleaned.splats is splats
    assert cleaned.dropped == {}


@pytest.mark.parametrize("name", ATTRIBUTES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_goes(
    gaussians: Callable, check_equal: Callable, name: str, value: float
) -> None:
    splats = gaussians(20, 1)
    cleaned = clean(changed(splats, name, 7, value))
    meant = name == "opacity_logits" or (name == "log_scales" and value < 0)
    if meant and not np.isnan(value):  # opaque, transparent or flat
        assert cleaned.dropped == {}
        assert np.isfinite(getattr(cleaned.splats, name)).all()
        return
    assert cleaned.dropped == {"not finite": 1}
    rest = np.delete(np.arange(20), 7)
    check_equal(cleaned.splats, Splats(**{key: getattr(splats, key)[rest] for key in ATTRIBUTES}))


def test_quaternions_too_long_to_be_drawn_are_made_shorter(gaussians: Callable) -> None:
    splats = gaussians()
    quats = splats.quats.copy()
    quats[3] *= 1e25
    quats[4] *= 1e6
    cleaned = clean(Splats(**{**vars(splats), "quats": quats}))
    assert cleaned.dropped == {}
    np.testing.assert_allclose(np.linalg.norm(cleaned.splats.quats[3]), 1, rtol=1e-6)
    unit = splats.quats[3] / np.linalg.norm(splats.quats[3])
    np.testing.assert_allclose(cleaned.splats.quats[3], unit, rtol=1e-5)
    assert np.array_equal(cleaned.splats.quats[4], quats[4])


def test_infinite_logits_are_opacities_of_0_and_1(gaussians: Callable) -> None:
    splats = changed(
        changed(gaussians(), "opacity_logits", 0, np.inf), "opacity_logits", 1, -np.inf
    )
    ends = opacities(clean(splats).splats.opacity_logits[:2])
    np.testing.assert_allclose(ends, [1, 0], atol=1e-6)
    assert clean(splats, transparent=True).dropped == {"nearly transparent": 1}


def test_scales_beyond_float32_go(gaussians: Callable) -> None:
    assert clean(changed(gaussians(), "log_scales", 2, 100)).dropped == {"not finite": 1}


@pytest.mark.parametrize("length", [0, 1e-20])
def test_no_rotation(gaussians: Callable, length: float) -> None:
    splats = gaussians()
    quats = splats.quats.copy()
    quats[3] = length
    cleaned = clean(Splats(**{**vars(splats), "quats": quats}))
    assert cleaned.dropped == {"without rotation": 1}
    assert len(cleaned.splats) == len(splats) - 1


def test_what_is_never_seen_goes_if_asked(gaussians: Callable) -> None:
    opacity = np.array([0.9, 1 / 255, 0.99 / 255, 1e-9])
    splats = gaussians(4)
    logits = np.log(opacity / (1 - opacity))
    splats = Splats(**{**vars(splats), "opacity_logits": logits})
    assert clean(splats).dropped == {}
    cleaned = clean(splats, transparent=True)
    assert cleaned.dropped == {"nearly transparent": 2}
    np.testing.assert_array_equal(cleaned.splats.means, splats.means[:2])


def test_each_is_counted_once(gaussians: Callable) -> None:
    splats = changed(gaussians(3), "means", 1, np.nan)
    splats = changed(splats, "opacity_logits", 1, -99)
    splats = Splats(**{**vars(splats), "quats": np.zeros((3, 4))})
    cleaned = clean(splats, transparent=True)
    assert cleaned.dropped == {"not finite": 1, "without rotation": 2}
    assert len(cleaned.splats) == 0


def test_none_stay_none(gaussians: Callable) -> None:
    assert clean(gaussians(0, 2), transparent=True).dropped == {}


def test_degrees_are_cut_and_never_made(gaussians: Callable) -> None:
    splats = gaussians(5, 2)
    assert [cut_degree(splats, degree).degree for degree in range(4)] == [0, 1, 2, 2]
    np.testing.assert_array_equal(cut_degree(splats, 1).sh_rest, splats.sh_rest[:, :3])
    for degree in (-1, 4):
        with pytest.raises(InputError, match=f"degree: found {degree}"):
            cut_degree(splats, degree)
