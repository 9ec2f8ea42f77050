"""Sections of RESULTS.md on factored grids."""

from __future__ import annotations

import statistics

from polyfield.benchmarks.book import Book
from polyfield.benchmarks.sections import Rows, Section


def rotation_rows(book: Book) -> Rows:
    """Scores of data that lies straight and askew."""
    for name in book.names("rotation-"):
        data, field, variant = name.removeprefix("rotation-").split("-", 2)
        title, values = f"{data}, {field}, {variant}", book.values(name)
        if values is None:
            yield [title, book.missing(name)]
            continue
        digits = 2 if values["score"] == "psnr" else 4
        turned = statistics.mean(values["turned"])
        yield [
            title,
            values["score"],
            f"{values['parameters'] / 1e6:.2f}",
            f"{values['straight']:.{digits}f}",
            f"{turned:.{digits}f}",
            f"{turned - values['straight']:+.{digits}f}",
            f"{min(values['turned']):.{digits}f} to {max(values['turned']):.{digits}f}",
            f"{statistics.mean(values['seconds']):.0f}",
        ]


SECTIONS = (
    Section(
        "What fields owe to the axes",
        "The same data as it lies and turned at random, at equal steps: the axis-aligned field, "
        "the same with four learned rotations (TILTED) found along the way or by a weak field "
        "first, and the axis-aligned field with twice the features. PSNR in dB, intersection over "
        "union of shapes; of turned data the mean over the orientations.",
        ("", "score", "M parameters", "straight", "turned", "cost", "range", "seconds"),
        rotation_rows,
    ),
)
