"""Ctrl-C and a polite kill end a training after the step that runs, and it is saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Turns SIGINT and SIGTERM into a flag; a second one acts at once, as it would have before."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.received is not None

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Inside, signals are held back; only the main thread can, elsewhere nothing changes."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        watched = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.getsignal(number) for number in watched}

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        def receive(number: int, frame: FrameType | None) -> None:
            self.received = signal.Signals(number)
            restore()

        for number in watched:
            signal.signal(number, receive)
        try:
            yield
        finally:
            restore()
