"""Sections of RESULTS.md on pages."""

from __future__ import annotations

from polyfield.benchmarks.book import Book
from polyfield.benchmarks.sections import Rows, Section

PREFIX = "web-page-"


def page_rows(book: Book) -> Rows:
    """Pages by how many Gaussians they hold."""
    for name in book.names(PREFIX):
        count, degree = name.removeprefix(PREFIX).split("-")
        title = f"{count.removesuffix('k')},000, degree {degree.removeprefix('degree')}"
        values = book.values(name)
        if values is None:
            yield [title, book.missing(name)]
            continue
        size = " x ".join(map(str, values["resolution"]))
        sizes = [f"{values['bytes'] / 1e6:.2f}", size]
        yield [title, *sizes, f"{values['fps']:.1f}", f"{values['scale']:.2f}",
               f"{values['psnr']:.1f}"]  # fmt: skip


SECTIONS = (
    Section(
        "Pages of Gaussians",
        "Made-up Gaussians, which compress worse than learned ones, in headless Chromium with "
        "WebGL2 on the processor: frames a second while the camera moves, the share of the "
        "window's resolution that the page then draws at, and PSNR of its picture at rest against "
        "our renderer's.",
        ("Gaussians", "MB", "pixels", "frames a second", "resolution", "PSNR, dB"),
        page_rows,
    ),
)
