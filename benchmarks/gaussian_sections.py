"""Sections of RESULTS.md on Gaussians."""

from __future__ import annotations

from polyfield.benchmarks.book import Book
from polyfield.benchmarks.sections import Rows, Section


def rate_rows(book: Book) -> Rows:
    """Iterations a second beside OpenSplat's."""
    for name in book.names("opensplat-"):
        data, size, degree = name.removeprefix("opensplat-").rsplit("-", 2)
        title = f"{data}, {size}, degree {degree.removeprefix('degree')}"
        values = book.values(name)
        if values is None:
            yield [title, book.missing(name)]
            continue
        theirs = values["opensplat"]["best"]
        if "polyfield" not in values:
            reason = values["not_run"]["polyfield"]
            yield [title, f"not run: {reason}", f"{theirs:.2f}"]
            continue
        ours = values["polyfield"]["best"]
        yield [title, f"{ours:.2f}", f"{theirs:.2f}", f"{ours / theirs:.1f}"]


SECTIONS = (
    Section(
        "Gaussians beside OpenSplat",
        "Iterations a second of OpenSplat's CPU build on the same cores, photos and points, one "
        "photo an iteration, with harmonics of that degree from the start and no Gaussian added or "
        "removed: the best of turns, each as many iterations as there are photos.",
        ("", "ours", "OpenSplat", "ratio"),
        rate_rows,
    ),
)
