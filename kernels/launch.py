"""The one door to compiled parallel code.

Two Python threads inside numba's workqueue layer abort the process, and a viewer renders while a
trainer trains; so every launch takes one lock. Inside it BLAS is held to one thread, because block
functions call it from within parallel loops.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

_lock = threading.RLock()


@cache
def _blas() -> ThreadpoolController:
    """The BLAS that compiled code calls: scipy's (numba reaches it through scipy's Cython API)."""
    import scipy.linalg.cython_blas  # noqa: F401  (loads it)

    return ThreadpoolController().select(user_api="blas")


@contextmanager
def exclusive() -> Iterator[None]:
    """Hold the launch lock over several launches that share scratch; may be nested."""
    with _lock:
        yield


@contextmanager
def launch() -> Iterator[None]:
    """Hold the launch lock and keep BLAS to one thread for the duration of a kernel call."""
    with _lock, _blas().limit(limits=1):
        yield
