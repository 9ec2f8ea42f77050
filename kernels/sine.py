"""Sine and cosine at once, in a form that loops over them become vector code.

The C library's are called one number at a time. In float32 these are polynomials on [-pi/4, pi/4],
of degree 7 and 8, and x goes there by taking off multiples of pi/2: within 1e-7 for |x| < 1e5, and
something in [-1, 1] where x is so large that a float says little of its angle. In float64, where
only exactness counts, they are the C library's.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, types
from numba.extending import overload

from polyfield.kernels.blocks import FAST

_f = np.float32
TWO_OVER_PI = _f(2 / math.pi)
# pi/2 in three parts; the first two have so few bits that their multiples are exact.
HIGH, MIDDLE, LOW = _f(1.5703125), _f(4.837512969970703e-4), _f(7.54978995489188e-8)
S3, S5, S7 = _f(-1.6666654611e-1), _f(8.3321608736e-3), _f(-1.9515295891e-4)
C4, C6, C8 = _f(4.166664568298827e-2), _f(-1.388731625493765e-3), _f(2.443315711809948e-5)
ONE, HALF, ZERO = _f(1), _f(0.5), _f(0)


def sine_and_cosine(x):  # type: ignore[no-untyped-def]
    """(sin x, cos x) of a float. NaN stays NaN; of infinity they are NaN."""
    return _single(x) if isinstance(x, np.float32) else (math.sin(x), math.cos(x))


@njit(error_model="numpy", fastmath={"contract"})
def _reduced(x):  # type: ignore[no-untyped-def]
    """n and r with x = n pi/2 + r; rearranged, the three parts would become one again."""
    n = np.floor(x * TWO_OVER_PI + HALF)
    return n, ((x - n * HIGH) - n * MIDDLE) - n * LOW


def _single(x):  # type: ignore[no-untyped-def]
    n, r = _reduced(x)
    r = ZERO if abs(r) > ONE else r  # x is so large that nothing is known of its angle
    q = r * r
    sine = r + r * q * (S3 + q * (S5 + q * S7))
    cosine = ONE - HALF * q + q * q * (C4 + q * (C6 + q * C8))
    # In floats: an integer of NaN or of a large number is anything.
    turns = np.floor(n * HALF)
    odd = n * HALF != turns  # a quarter turn swaps the two
    half = turns * HALF != np.floor(turns * HALF)  # a half one turns the signs
    first, second = (cosine, sine) if odd else (sine, cosine)
    return (-first if half else first), (-second if half != odd else second)


@overload(sine_and_cosine, jit_options={"fastmath": FAST, "error_model": "numpy"})
def _sine_and_cosine(x):  # type: ignore[no-untyped-def]
    if x == types.float32:
        return _single
    return lambda x: (math.sin(x), math.cos(x))
