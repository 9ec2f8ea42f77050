"""The vector exponential against the C library's."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from polyfield.kernels.blocks import FAST
from polyfield.kernels.exponential import exponential, exponential_minus_one


@njit(fastmath=FAST, error_model="numpy")
def _exp(x, out):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        out[i] = exponential(x[i])


@njit(fastmath=FAST, error_model="numpy")
def _minus_one(x, out):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        out[i] = exponential_minus_one(x[i])


def test_single_precision_is_within_a_few_units_in_the_last_place() -> None:
    x = np.linspace(-87, 88, 200_001).astype(np.float32)
    out = np.empty_like(x)
    _exp(x, out)
    right = np.exp(x.astype(np.float64))
    assert np.abs(out / right - 1).max() < 4 * np.finfo(np.float32).eps


def test_less_one_is_exact_for_tiny_numbers() -> None:
    x = -np.logspace(-30, 1.9, 20_001).astype(np.float32)
    out = np.empty_like(x)
    _minus_one(x, out)
    right = np.expm1(x.astype(np.float64))
    assert np.abs(out / right - 1).max() < 6 * np.finfo(np.float32).eps


@pytest.mark.parametrize("function", [_exp, _minus_one])
def test_what_has_no_exponential(function) -> None:  # type: ignore[no-untyped-def]
    x = np.array([np.nan, -np.inf, np.inf, 1e30, -1e30], np.float32)
    out = np.empty_like(x)
    function(x, out)
    assert np.isnan(out[0])
    floor = 0 if function is _exp else -1
    assert out[1] == pytest.approx(floor, abs=1e-30)
    assert out[4] == pytest.approx(floor, abs=1e-30)
    assert (out[2:4] > 1e38).all()


def test_double_precision_is_the_c_librarys() -> None:
    x = np.linspace(-50, 50, 1001)
    out = np.empty_like(x)
    _exp(x, out)
    np.testing.assert_allclose(out, np.exp(x), rtol=1e-15)
    _minus_one(x, out)
    np.testing.assert_allclose(out, np.expm1(x), rtol=1e-14)
    assert exponential(1.5) == pytest.approx(np.exp(1.5))
    assert exponential_minus_one(np.float32(0.5)) == pytest.approx(np.expm1(0.5), rel=1e-6)
