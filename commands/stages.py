"""Steps of which each is done in parts: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from polyfield.training.progress import PLAIN, REFRESH, duration

TITLE = 12  # columns that a title takes


class Stages:
    """Shows how far a step is and how long it will take; results are printed on standard output.

    Args:
        console: of what is shown while it goes on; by default standard error.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(file=sys.stderr)
        self._bar: Progress | None = None
        self._name = ""
        self._began = self._shown = 0.0
        self._first = 0

    def __enter__(self) -> Stages:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def watch(self, name: str, done: int, total: int) -> None:
        """Show that `done` of `total` parts of a step are done; call it as often as you like."""
        now = time.perf_counter()
        if name != self._name:
            self._stop()
            self._name, self._began, self._shown, self._first = name, now, now, done
        live = self._console.is_terminal
        if now - self._shown < (REFRESH if live else PLAIN):
            return
        self._shown = now
        line = f"{done:,} / {total:,}  {self._left(now, done, total)}".rstrip()
        if live:
            self._show(done / max(total, 1), line)
        else:
            self._console.print(f"{name:<{TITLE}}{line}", markup=False, highlight=False)

    def say(self, title: str, text: str) -> None:
        """Print a line that stays."""
        self._stop()
        print(f"{title:<{TITLE}}{text}", flush=True)

    def _left(self, now: float, done: int, total: int) -> str:
        """How long the rest takes, as fast as it went since this step was first seen."""
        made = done - self._first
        if made <= 0 or done >= total:
            return ""
        return f"{duration((now - self._began) * (total - done) / made)} left"

    def _show(self, share: float, line: str) -> None:
        if self._bar is None:
            columns = TextColumn("{task.description:<10}"), BarColumn(bar_width=24)
            text = TextColumn("{task.fields[line]}")
            self._bar = Progress(
                *columns, text, console=self._console, auto_refresh=False, transient=True
            )
            self._task = self._bar.add_task(self._name, total=1.0, line="")
            self._bar.start()
        self._bar.update(self._task, completed=share, line=line, refresh=True)

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._name = ""
