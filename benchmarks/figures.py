"""Figures of what was measured: the book's records as pictures for the docs.

Drawn by matplotlib, which `pip install 'polyfield[plots]'` brings. A figure of which nothing was
measured is not drawn.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from polyfield.benchmarks.book import Book
from polyfield.benchmarks.factored_sections import field_of
from polyfield.benchmarks.targets import EQUAL_STEPS, TENSORF
from polyfield.errors import InputError

DOTS = 100  # an inch
PANEL = (3.6, 2.9)  # inches
COLUMNS = 3  # panels side by side at most

Axes = Any  # matplotlib's
Panels = Mapping[str, Callable[[Axes], None]]  # by title, what draws it


def check(folder: Path) -> None:
    """Make the folder, before hours of measuring.

    Raises:
        InputError: without matplotlib, or where the folder cannot be made.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        hint = "pip install 'polyfield[plots]'"
        raise InputError(
            field="figures", found="no matplotlib", expected="it", hint=hint
        ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError("cannot write", file=folder, found=error.strerror) from error


def draw(book: Book, folder: Path) -> list[Path]:
    """Write all figures of which there is something, and say which.

    Raises:
        InputError: as `check`.
    """
    check(folder)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    written = []
    try:
        for name, panels in figures(book).items():
            if not panels:
                continue
            columns = min(len(panels), COLUMNS)
            rows = -(-len(panels) // columns)
            size = (PANEL[0] * columns, PANEL[1] * rows)
            figure = Figure(figsize=size, dpi=DOTS, layout="constrained")
            FigureCanvasAgg(figure)
            places = figure.subplots(rows, columns, squeeze=False).ravel()
            for axes in places[len(panels) :]:
                axes.remove()
            for axes, (title, fill) in zip(places, panels.items(), strict=False):
                axes.set_title(title, fontsize=9)
                axes.tick_params(labelsize=7)
                axes.grid(alpha=0.3)
                fill(axes)
            figure.savefig(folder / f"{name}.png", metadata={"Software": None})
            written.append(folder / f"{name}.png")
    except OSError as error:
        raise InputError("cannot write", file=folder, found=error.strerror) from error
    return written


def figures(book: Book) -> dict[str, Panels]:
    """The panels of each figure, by its name."""
    return {
        "rotation": _rotation(book),
        "sizes": _sizes(book),
        "axes": _along_axes(book),
        "tensorf": _beside_tensorf(book),
    }


def _rotation(book: Book) -> Panels:
    groups: dict[str, dict[str, Any]] = {}
    for name in book.names("rotation-"):
        data, field, variant = name.removeprefix("rotation-").split("-", 2)
        values = book.values(name)
        if values is not None:
            groups.setdefault(f"{data}, {field}", {})[variant] = values
    return {title: partial(_bars, rows=rows) for title, rows in groups.items()}


def _bars(axes: Axes, rows: Mapping[str, Any]) -> None:
    """A pair of bars a variant: data as it lies, and the mean of turned data with its range."""
    places = range(len(rows))
    straight = [values["straight"] for values in rows.values()]
    turned = [statistics.mean(values["turned"]) for values in rows.values()]
    low = [mean - min(v["turned"]) for mean, v in zip(turned, rows.values(), strict=True)]
    high = [max(v["turned"]) - mean for mean, v in zip(turned, rows.values(), strict=True)]
    axes.bar([x - 0.2 for x in places], straight, 0.38, label="as it lies")
    axes.bar([x + 0.2 for x in places], turned, 0.38, yerr=[low, high], capsize=2, label="turned")
    names = [variant.replace("tilted-", "TILTED\n").replace("-", " ") for variant in rows]
    axes.set_xticks(list(places), names, fontsize=6)
    least, most = min([*straight, *turned]), max([*straight, *turned])
    margin = max(most - least, 1e-6)
    axes.set_ylim(least - 0.6 * margin, most + 0.6 * margin)
    _labels(axes, "", _unit(next(iter(rows.values()))["score"]))


def _unit(score: str) -> str:
    known = {"psnr": "PSNR, dB", "psnr_held_out": "PSNR of held-out pixels, dB", "iou": "IoU"}
    return known.get(score, score.replace("_", " "))


def _sizes(book: Book) -> Panels:
    curves: dict[str, list[tuple[float, float]]] = {}
    for name in book.names("size-lego_200-"):
        values = book.values(name)
        if values is not None:
            point = (values["parameters"] / 1e6, values["value"])
            curves.setdefault(field_of(name), []).append(point)

    def fill(axes: Axes) -> None:
        for field, points in curves.items():
            axes.plot(*zip(*sorted(points), strict=True), marker="o", markersize=3, label=field)
        axes.set_xscale("log")
        sizes = [math.log2(size) for points in curves.values() for size, _ in points]
        ticks = [2.0**k for k in range(round(min(sizes)), round(max(sizes)) + 1)]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        _labels(axes, "million parameters", "PSNR, dB")

    return {"lego_200, equal steps": fill} if curves else {}


def _along_axes(book: Book) -> Panels:
    panels: dict[str, Callable[[Axes], None]] = {}
    for name in book.names("axes-"):
        values = book.values(name)
        if values is None:
            continue

        def fill(axes: Axes, values: Mapping[str, Any] = values) -> None:
            for contender, found in values.items():
                label = "SIREN" if contender == "network" else f"F-INR, {contender}"
                _curve(axes, found["looks"], "seconds", label)
            axes.set_xscale("log")
            _labels(axes, "seconds of training", "PSNR, dB")

        panels[name.removeprefix("axes-")] = fill
    return panels


def _beside_tensorf(book: Book) -> Panels:
    ours, theirs = book.values(EQUAL_STEPS), book.values(TENSORF)
    if ours is None or theirs is None:
        return {}

    def fill(axes: Axes, over: str) -> None:
        _curve(axes, ours["looks"], over, "polyfield, VM")
        _curve(axes, theirs["looks"], over, "TensoRF's code, VM")
        if over == "seconds":
            axes.set_xscale("log")
        _labels(axes, {"step": "steps", "seconds": "seconds of training"}[over], "PSNR, dB")

    return {
        "lego_200, by steps": partial(fill, over="step"),
        "lego_200, by seconds": partial(fill, over="seconds"),
    }


def _curve(axes: Axes, looks: Any, over: str, label: str) -> None:
    points = [(look[over], look["psnr"]) for look in looks]
    axes.plot(*zip(*points, strict=True), linewidth=1.2, label=label)


def _labels(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.legend(fontsize=6)
