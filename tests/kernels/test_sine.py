"""The vector sine and cosine against the C library's."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from polyfield.kernels.blocks import FAST
from polyfield.kernels.sine import sine_and_cosine


@njit(fastmath=FAST, error_model="numpy")
def _both(x, sines, cosines):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        sines[i], cosines[i] = sine_and_cosine(x[i])


def both(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sines, cosines = np.empty_like(x), np.empty_like(x)
    _both(x, sines, cosines)
    return sines, cosines


@pytest.mark.parametrize(("reach", "error"), [(100.0, 1.2e-7), (1e4, 1.2e-7)])
def test_single_precision_is_right(reach: float, error: float) -> None:
    x = np.linspace(-reach, reach, 400_001).astype(np.float32)
    x = np.concatenate([x, np.arange(-60, 61).astype(np.float32) * np.float32(np.pi / 4)])
    sines, cosines = both(x)
    assert np.abs(sines - np.sin(x.astype(np.float64))).max() < error
    assert np.abs(cosines - np.cos(x.astype(np.float64))).max() < error


def test_small_angles_are_themselves() -> None:
    x = np.logspace(-30, -4, 1001).astype(np.float32)
    sines, cosines = both(x)
    np.testing.assert_allclose(sines, x, rtol=1e-7)
    assert (cosines == 1).all()


def test_what_has_no_angle() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1e9, -1e30, 3.4e38], np.float32)
    for values in both(x):
        assert np.isnan(values[:3]).all()
        assert (np.abs(values[3:]) <= 1).all()


def test_double_precision_is_the_c_librarys() -> None:
    x = np.linspace(-50, 50, 1001)
    sines, cosines = both(x)
    np.testing.assert_allclose(sines, np.sin(x), rtol=1e-14)
    np.testing.assert_allclose(cosines, np.cos(x), rtol=1e-14)
    assert sine_and_cosine(1.5) == pytest.approx((np.sin(1.5), np.cos(1.5)))
