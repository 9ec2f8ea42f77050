"""Functions called by address: cast to their prototype, told apart, refused where unfit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import types
from numba.core.errors import TypingError

from polyfield.kernels.blocks import specialise, variant
from polyfield.kernels.links import Link, caller

FACTOR = 1.0


def prototype(f: Any) -> tuple[Any, ...]:
    return f[:], types.int64, f[::1]


call = caller(prototype)


def scaled(x, n, out):  # type: ignore[no-untyped-def]
    for i in range(n):
        out[i] = FACTOR * x[i]


def _template(address, x, n, out):  # type: ignore[no-untyped-def]
    call(address, (x, n, out))


def _too_few(address, x, n, out):  # type: ignore[no-untyped-def]
    call(address, (x, n))


def link(factor: float) -> Link:
    return Link(variant(scaled, FACTOR=factor), prototype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_template_calls_whatever_it_is_given(dtype: type) -> None:
    run = specialise(_template, parallel=False)
    x, out = np.arange(6, dtype=dtype)[::2], np.zeros(3, dtype)  # strided, as the prototype allows
    for factor in (2.0, 3.0):
        run(link(factor).address(np.dtype(dtype)), x, np.int32(2), out)
        np.testing.assert_array_equal(out, [0, 2 * factor, 0])
    assert len(run.signatures) in (1, 2)  # types alone, not functions


def test_an_address_is_of_one_function_and_one_type() -> None:
    single, double = np.dtype(np.float32), np.dtype(np.float64)
    assert link(2.0).address(single) == link(2.0).address(single)
    addresses = {link(f).address(t) for f in (2.0, 3.0) for t in (single, double)}
    assert len(addresses) == 4


def test_what_does_not_fit_the_prototype_is_not_compiled() -> None:
    run = specialise(_template, parallel=False)
    x = np.zeros(4)
    address = link(2.0).address(x.dtype)
    with pytest.raises(TypingError):
        run(address, x, 2, np.zeros(8)[::2])  # out must be contiguous
    with pytest.raises(TypingError):
        run(address, x, 2, np.zeros(4, np.float32))
    with pytest.raises(TypingError):
        specialise(_too_few, parallel=False)(address, x, 2, x)
