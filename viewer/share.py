"""How much of the time pictures may take from a training."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from polyfield.errors import InputError


class Turns:
    """One picture, or part of one, at a time; and rests between them while something trains.

    After a turn of t seconds nobody has another for t (1 / share - 1), so that turns take at most
    `share` of the time.

    Args:
        share: in (0, 1].
        trains: whether something trains now, that rests are for.
        now: seconds.
    """

    def __init__(
        self,
        share: float = 1.0,
        trains: Callable[[], bool] = lambda: False,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.share, self.trains, self._now = checked_share(share), trains, now
        self._lock = threading.Lock()
        self._free_at = -float("inf")
        self.busy = 0.0  # seconds of all turns

    def rest(self) -> float:
        """Seconds until the next turn may begin."""
        return max(self._free_at - self._now(), 0.0) if self.trains() else 0.0

    @contextmanager
    def turn(
        self, inside: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> Iterator[None]:
        """Inside, nobody else has a turn. Call it when there is nothing left to rest.

        Args:
            inside: entered when it is one's turn; waiting for it takes nothing from anybody.
        """
        with self._lock, inside():
            began = self._now()
            try:
                yield
            finally:
                self.spend(self._now() - began)

    def spend(self, seconds: float) -> None:
        """Count time that was used up now, in a turn or beside one."""
        self.busy += seconds
        rest = seconds * (1 / self.share - 1)
        self._free_at = max(self._free_at, self._now()) + rest


def checked_share(share: float) -> float:
    """The same; InputError for what is none."""
    if not 0 < share <= 1:
        raise InputError(field="viewer.share", found=share, expected="above 0, at most 1")
    return float(share)
