"""Colours of numbers, and the legends that say what they mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from polyfield.renderers.pictures import Picture, picture, turbo

Map = Callable[[NDArray[np.floating]], NDArray[np.floating]]
SHADES = 256

# Colours at evenly spaced numbers, sRGB; viridis is that of van der Walt and Smith (2015).
VIRIDIS = ("440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725")
HEAT = ("000000", "ff0000", "ffff00", "ffffff")
GRAY = ("000000", "ffffff")


def _between(colors: tuple[str, ...]) -> Map:
    anchors = np.array([[int(c[i : i + 2], 16) / 255 for i in (0, 2, 4)] for c in colors])
    places = np.linspace(0, 1, len(anchors))

    def colored(x: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.stack([np.interp(x, places, anchors[:, c]) for c in range(3)], axis=-1)

    return colored


MAPS: dict[str, Map] = {
    "turbo": turbo,
    "viridis": _between(VIRIDIS),
    "heat": _between(HEAT),
    "gray": _between(GRAY),
}
SUITS = {"depth": "turbo", "opacity": "gray", "samples": "viridis", "error": "heat"}


def colored(x: NDArray[np.floating], name: str, reverse: bool = False) -> Picture:
    """Numbers [h,w] in [0, 1], others cut to that, NaN as 0, as a picture."""
    table = _table(name)[::-1] if reverse else _table(name)
    index = np.nan_to_num(x, nan=0.0, posinf=1.0, neginf=0.0) * (SHADES - 1) + 0.5
    found: Picture = table[np.clip(index, 0, SHADES - 1).astype(np.int64)]
    return found


def _table(name: str) -> Picture:
    return picture(MAPS[name](np.linspace(0, 1, SHADES))[None])[0]


@dataclass(frozen=True)
class Legend:
    """What the colours of a picture mean.

    Attributes:
        title: of the numbers, with their unit.
        low, high: the numbers at the ends.
        colors: name of the map; None for a text alone.
        reverse: whether it runs from its end to its beginning.
    """

    title: str
    low: float = 0.0
    high: float = 1.0
    colors: str | None = None
    reverse: bool = False

    def html(self) -> str:
        """As a strip of colour with its numbers."""
        title = f"<div>{escape(self.title)}</div>"
        if self.colors is None:
            return _box(title)
        table = _table(self.colors)[:: 32 if not self.reverse else -32]
        stops = ",".join(f"rgb({r},{g},{b})" for r, g, b in table.tolist())
        strip = f'<div style="height:10px;background:linear-gradient(to right,{stops})"></div>'
        row = "display:flex;justify-content:space-between"
        ends = f"<span>{self.low:.4g}</span><span>{self.high:.4g}</span>"
        return _box(f'{title}{strip}<div style="{row}">{ends}</div>')


def _box(inner: str) -> str:
    return f'<div class="polyfield-legend" style="font-size:12px;margin:4px 12px">{inner}</div>'
