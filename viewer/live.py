"""A training that is watched: what it shows, and how it is held and let go."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from polyfield.viewer.screen import Screen

if TYPE_CHECKING:
    from polyfield.training.trainer import Trainer

LOOK = 0.25  # seconds between looks at whether the training still goes on


class Live:
    """The bridge to a trainer, for threads other than its own.

    Args:
        trainer: of what is shown.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.finished = False
        self.saved: Path | None = None
        self._screen: Screen | None = None
        self._stop = threading.Event()

    @property
    def trains(self) -> bool:
        """Whether steps are taken, or are about to be."""
        return not self.finished and not self.paused

    @property
    def paused(self) -> bool:
        """Whether it waits for `resume`."""
        return bool(self.trainer.gate.paused)

    def start(self, screen: Screen) -> None:
        """Tell a screen what happens from now on."""
        self._screen = screen

    def pause(self) -> None:
        """Let the training wait; it is not counted as training."""
        self.trainer.gate.pause()
        self._tell()

    def resume(self) -> None:
        """Let it go on."""
        self.trainer.gate.resume()
        self._tell()

    def save(self, then: threading.Event | None = None) -> None:
        """Have the trainer write a checkpoint between two steps.

        Args:
            then: set when it is written.
        """

        def write() -> None:
            self.saved = self.trainer.save()
            if then is not None:
                then.set()

        if self.finished:
            write()
        else:
            self.trainer.gate.ask(write)

    def finish(self) -> None:
        """The training has ended."""
        self.finished = True
        self._tell()

    def stop(self) -> None:
        """Nobody watches any more: a training that was held goes on."""
        self._stop.set()
        if self.paused:
            self.trainer.gate.resume()

    def _tell(self) -> None:
        if self._screen is not None:
            self._screen.changed()
