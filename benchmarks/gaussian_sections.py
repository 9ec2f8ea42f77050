"""Sections of RESULTS.md on Gaussians."""

from __future__ import annotations

from polyfield.benchmarks.book import Book
from polyfield.benchmarks.sections import Rows, Section

CONVERT = "splat-files-convert-"


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


def format_rows(book: Book) -> Rows:
    """Reading and writing files, by format."""
    for name in book.names("splat-files-"):
        if name.startswith(CONVERT):
            continue
        title, values = f".{name.removeprefix('splat-files-')}", book.values(name)
        if values is None:
            yield [title, book.missing(name)]
            continue
        times = [values[what][of] for what in ("read", "write") for of in ("seconds", "cpu")]
        yield [title, *(f"{time:.2f}" for time in times), f"{values['bytes']:.1f}"]


def convert_rows(book: Book) -> Rows:
    """The verb, from its start to its end."""
    for name in book.names(CONVERT):
        source, out = name.removeprefix(CONVERT).split("-")
        title, values = f".{source} to .{out}", book.values(name)
        if values is None:
            yield [title, book.missing(name)]
            continue
        found = values["convert"]
        yield [title, f"{found['seconds']:.2f}", f"{found['cpu']:.2f}", f"{values['bytes']:.1f}"]


SECTIONS = (
    Section(
        "Files of Gaussians",
        "Seconds for 500,000 made-up Gaussians of degree 3, which no format can make as small as "
        "learned ones: by the clock, writing until the disk has them, and of the processors.",
        ("", "read s", "read CPU s", "write s", "write CPU s", "bytes a Gaussian"),
        format_rows,
    ),
    Section(
        "Converting files of Gaussians",
        "Seconds of `polyfield convert` with the same, from the start of its process to the end.",
        ("", "seconds", "CPU s", "bytes a Gaussian"),
        convert_rows,
    ),
    Section(
        "Gaussians beside OpenSplat",
        "Iterations a second of OpenSplat's CPU build on the same cores, photos and points, one "
        "photo an iteration, with harmonics of that degree from the start and no Gaussian added or "
        "removed: the best of turns, each as many iterations as there are photos.",
        ("", "ours", "OpenSplat", "ratio"),
        rate_rows,
    ),
)
