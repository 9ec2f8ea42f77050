"""Sections of RESULTS.md on factored grids."""

from __future__ import annotations

import statistics

from polyfield.benchmarks.book import Book, seconds_to, sooner
from polyfield.benchmarks.sections import Rows, Section, shown


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


def axes_rows(book: Book) -> Rows:
    """Networks along the axes against one network of all coordinates."""
    for name in book.names("axes-"):
        values, data = book.values(name), name.removeprefix("axes-")
        if values is None:
            yield [data, book.missing(name)]
            continue
        network = values["network"]
        for contender, found in values.items():
            row = [
                f"{data}, {contender}",
                "x".join(map(str, found["resolution"])),
                f"{found['parameters'] / 1e6:.2f}",
                f"{found['milliseconds_per_step']:.1f}",
                f"{found['psnr']:.2f}",
            ]
            if contender != "network":
                row.append(shown(seconds_to(found["looks"], network["psnr"]), 2))
                row.append(shown(sooner(found["looks"], network["looks"], network["psnr"])))
                row.append(f"{found['psnr'] - network['psnr']:+.2f}")
            yield row


SECTIONS = (
    Section(
        "Networks along the axes",
        "A picture, a volume and a video, learned by one SIREN of all coordinates (4 by 256) "
        "and by networks of single coordinates (F-INR), each for the same seconds. Last come the "
        "seconds that F-INR took to where the network ended, how many times sooner that is, and "
        "what it gained in dB at the same seconds.",
        ("", "samples", "M parameters", "ms a step", "PSNR", "s to it", "times sooner", "dB"),
        axes_rows,
    ),
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
