"""What a person sees while a scene is learned: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

REFRESH = 0.25  # seconds between two refreshes of the live line
PLAIN = 10.0  # and between two plain lines


class Display:
    """Shows progress; `due` is cheap enough to be asked at every step.

    Args:
        enabled: False shows nothing.
        console: by default standard error.
    """

    def __init__(self, enabled: bool = True, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stderr)
        self.enabled = enabled
        self.live = enabled and self.console.is_terminal
        self.interval = REFRESH if self.live else PLAIN
        self._next = time.perf_counter() + self.interval
        self._bar: Progress | None = None

    def __enter__(self) -> Display:
        if self.live:
            self._bar = Progress(
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[line]}"),
                console=self.console,
                auto_refresh=False,
            )
            self._task = self._bar.add_task("train", total=1.0, line="")
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def due(self, now: float) -> bool:
        """Whether it is time to show something again.

        Args:
            now: of `time.perf_counter`.
        """
        return self.enabled and now >= self._next

    def show(self, values: dict[str, Any], progress: float) -> None:
        """Show a step.

        Args:
            values: as `status_line` takes them.
            progress: in [0, 1].
        """
        self._next = time.perf_counter() + self.interval
        line = status_line(values)
        if self._bar is not None:
            self._bar.update(self._task, completed=progress, line=line, refresh=True)
        elif self.enabled:
            self.note(f"{progress:4.0%}  {line}")

    def note(self, text: str) -> None:
        """A line of its own, such as a score or a place."""
        if self.enabled:
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)


def status_line(values: dict[str, Any]) -> str:
    """One line of what is known.

    Args:
        values: any of "step", "loss", "psnr" (dB), "rays_per_second", "samples_per_second",
            "gaussians" (how many), "eta" (seconds), "memory" (bytes).
    """
    shown = {
        "step": lambda v: f"step {v:,}",
        "loss": lambda v: f"loss {v:.4g}",
        "psnr": lambda v: f"{v:.2f} dB",
        "gaussians": lambda v: f"{v:,.0f} Gaussians",
        "rays_per_second": lambda v: f"{_short(v)} rays/s",
        "samples_per_second": lambda v: f"{_short(v)} samples/s",
        "memory": lambda v: f"{v / 2**20:,.0f} MiB",
        "eta": lambda v: f"{duration(v)} left",
    }
    parts = [form(values[key]) for key, form in shown.items() if values.get(key) is not None]
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """`1:02:03`, or `2:03` below an hour."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def resident_memory() -> int | None:
    """Bytes of this process in memory; where the system does not say, the most it ever had."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        pass
    return most_memory()


def most_memory() -> int | None:
    """The most bytes that this process, or on Linux also its parent, ever had in memory."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _short(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.3g}"
