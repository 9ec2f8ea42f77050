"""A stopwatch for the time that counts as training."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Seconds of training, which loading, compiling, evaluating, saving and waiting are not."""

    def __init__(self, elapsed: float = 0.0) -> None:
        self._before = elapsed
        self._since: float | None = None

    @property
    def elapsed(self) -> float:
        """Seconds so far."""
        if self._since is None:
            return self._before
        return self._before + time.perf_counter() - self._since

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, time counts."""
        self._since = time.perf_counter()
        try:
            yield
        finally:
            self._before, self._since = self.elapsed, None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Inside, it does not."""
        running, self._before, self._since = self._since is not None, self.elapsed, None
        try:
            yield
        finally:
            if running:
                self._since = time.perf_counter()
