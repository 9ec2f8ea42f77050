"""How large a picture can be to be there in time, learned from how long others took.

A call that renders n pixels takes about a + b n seconds; both are measured, the more recent calls
counting more, since every place of a scene and every machine has its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

FADE = 0.8  # weight of what was known before, at each new measurement
GROW = 4.0  # pixels of a picture in terms of the one before it
SMALLEST = 32  # pixels along the shorter edge of the coarsest picture
FIRST = 64 * 64  # pixels of the first picture, when nothing is known
PRIOR = 2e-6  # seconds a pixel, before anything is known

Size = tuple[int, int]


class Pace:
    """Seconds of rendering by number of pixels."""

    def __init__(self) -> None:
        self._sums = [0.0] * 5  # of weights, n, t, n n, n t
        self.measured = 0

    def add(self, pixels: int, seconds: float) -> None:
        """Take note of a call; the very first of a process compiles and is left out."""
        self.measured += 1
        if self.measured == 1:
            return
        new = (1.0, pixels, seconds, pixels * pixels, pixels * seconds)
        self._sums = [FADE * old + value for old, value in zip(self._sums, new)]

    @property
    def line(self) -> tuple[float, float]:
        """(a, b): seconds a call and seconds a pixel, none below 0."""
        weight, n, t, nn, nt = self._sums
        if not weight:
            return 0.0, PRIOR
        spread = nn * weight - n * n
        # Calls of nearly one size tell nothing of a: all is put down to the pixels.
        slope = (nt * weight - n * t) / spread if spread > 0.01 * nn * weight else t / n
        slope = min(max(slope, 0.1 * t / n), t / n)
        return max((t - slope * n) / weight, 0.0), slope

    def pixels(self, seconds: float) -> int:
        """How many can be rendered in that time by one call."""
        if self.measured < 2:
            return FIRST
        constant, slope = self.line
        # Where calls alone take longer, a quarter of that on top still pays.
        return max(int(max(seconds - constant, 0.25 * constant) / max(slope, 1e-12)), 1)


def sizes(full: Size, coarse: int) -> Iterator[Size]:
    """Widths and heights from coarse to full, each of about `GROW` times the pixels.

    Args:
        full: of the finest picture.
        coarse: pixels of the first.
    """
    width, height = full
    least = min(SMALLEST / min(full), 1.0)
    factor = min(max(math.sqrt(coarse / (width * height)), least), 1.0)
    factor = 2 ** (math.floor(2 * math.log2(factor)) / 2)  # few sizes: renderers keep their pixels
    while factor < 1:
        yield max(round(width * factor), 1), max(round(height * factor), 1)
        factor *= math.sqrt(GROW)
        if factor > 0.8:  # hardly finer than the last
            break
    yield full


def within(width: int, height: int, longest: int) -> Size:
    """The size scaled down, where need be, so that no edge is longer."""
    factor = min(longest / max(width, height, 1), 1.0)
    return max(round(width * factor), 1), max(round(height * factor), 1)
