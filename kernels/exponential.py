"""The exponential, in a form that loops over it become vector code.

The C library's is called one number at a time. In float32 this is a polynomial of degree 6 on
[-ln 2 / 2, ln 2 / 2], scaled by a power of two: within 4 units in the last place. In float64, where
only exactness counts, it is the C library's.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import overload

from polyfield.kernels.blocks import FAST, block

_f, _i = np.float32, np.int32
LOG2_E = _f(1.4426950408889634)
LN2_HIGH, LN2_LOW = _f(0.693359375), _f(-2.12194440e-4)  # the first has 9 bits: n * it is exact
LOWEST, HIGHEST = _f(-87.3), _f(88.3)
C2, C3, C4, C5, C6 = _f(0.5), _f(1 / 6), _f(0.041668153), _f(0.0083334519), _f(0.0013811311)
ONE, HALF = _f(1), _f(0.5)


def exponential(x):  # type: ignore[no-untyped-def]
    """e^x of a float; float32 saturates at e^-87.3 and e^88.3. NaN stays NaN."""
    return _exponential32(x) if isinstance(x, np.float32) else math.exp(x)


def exponential_minus_one(x):  # type: ignore[no-untyped-def]
    """e^x - 1 of a float, exact also where x is tiny; the rest as `exponential`."""
    return _minus_one32(x) if isinstance(x, np.float32) else math.expm1(x)


@block
def _reduced(x):  # type: ignore[no-untyped-def]
    """2^n and e^r - 1 with x = n ln 2 + r."""
    clamped = min(max(x, LOWEST), HIGHEST)
    n = math.floor(clamped * LOG2_E + HALF)
    r = clamped - _f(n) * LN2_HIGH - _f(n) * LN2_LOW
    p = C2 + r * (C3 + r * (C4 + r * (C5 + r * C6)))
    power = _i((_i(n) + _i(127)) << _i(23)).view(np.float32)
    return power, r + r * r * p


def _exponential32(x):  # type: ignore[no-untyped-def]
    power, more = _reduced(x)
    return (ONE + more) * power


def _minus_one32(x):  # type: ignore[no-untyped-def]
    power, more = _reduced(x)
    return (power - ONE) + power * more


@overload(exponential, jit_options={"fastmath": FAST, "error_model": "numpy"})
def _exponential(x):  # type: ignore[no-untyped-def]
    if x == types.float32:
        return _exponential32
    return lambda x: math.exp(x)


@overload(exponential_minus_one, jit_options={"fastmath": FAST, "error_model": "numpy"})
def _minus_one(x):  # type: ignore[no-untyped-def]
    if x == types.float32:
        return _minus_one32
    return lambda x: math.expm1(x)
