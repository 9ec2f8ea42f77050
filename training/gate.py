"""Who may touch the parameters when: the trainer steps, others come in between two steps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK = 0.1  # seconds between looks at whether the training was stopped meanwhile


class Gate:
    """Keeps the steps of a training apart from those who look at it from other threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._stepping = False
        self._visitors = 0
        self._paused = False
        self._asked: list[Callable[[], None]] = []

    @property
    def paused(self) -> bool:
        """Whether the training waits for `resume`."""
        return self._paused

    def pause(self) -> None:
        """Let the training wait after the step that runs now."""
        self._paused = True

    def resume(self) -> None:
        """Let it go on."""
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    @contextmanager
    def visit(self) -> Iterator[None]:
        """Inside, from any other thread: no step runs, no parameter changes."""
        with self._changed:
            self._visitors += 1
            self._changed.wait_for(lambda: not self._stepping)
        try:
            yield
        finally:
            with self._changed:
                self._visitors -= 1
                self._changed.notify_all()

    def ask(self, what: Callable[[], None]) -> None:
        """Have the training's own thread do something between two steps, also while it waits."""
        with self._changed:
            self._asked.append(what)
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether a step would have to wait."""
        return self._paused or self._visitors > 0 or bool(self._asked)

    def wait(self, stopped: Callable[[], bool]) -> None:
        """Do what was asked for, and wait until a step may run or the training was stopped."""
        while self.closed and not stopped():
            with self._changed:
                asked, self._asked = self._asked, []
                if not asked:
                    self._changed.wait(LOOK)
            for what in asked:
                what()

    @contextmanager
    def step(self) -> Iterator[None]:
        """The trainer's: inside, nobody visits."""
        with self._changed:
            self._changed.wait_for(lambda: self._visitors == 0)
            self._stepping = True
        try:
            yield
        finally:
            with self._changed:
                self._stepping = False
                self._changed.notify_all()
