"""Sections of RESULTS.md on files of Gaussians."""

from __future__ import annotations

from polyfield.benchmarks.book import Book
from polyfield.benchmarks.sections import Rows, Section

CONVERT = "splat-files-convert-"


def format_rows(book: Book) -> Rows:
    """Reading and writing, by format."""
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
        "Seconds for 500,000 made-up Gaussians of degree 3, which few formats can make small: by "
        "the clock, writing until the disk has them, and of the processors.",
        ("", "read s", "read CPU s", "write s", "write CPU s", "bytes a Gaussian"),
        format_rows,
    ),
    Section(
        "Converting files of Gaussians",
        "Seconds of `polyfield convert` with the same, from the start of its process to the end.",
        ("", "seconds", "CPU s", "bytes a Gaussian"),
        convert_rows,
    ),
)
