"""The section of RESULTS.md on finding cameras."""

from __future__ import annotations

from polyfield.benchmarks.book import Book
from polyfield.benchmarks.sections import Rows, Section

PREFIX = "capture-"
TITLES = {
    "cup-shared": "cup, one camera for all photos",
    "cup-each": "cup, a pinhole for each photo, as its own model has it",
}


def capture_rows(book: Book) -> Rows:
    """What `polyfield prepare` found."""
    for name in book.names(PREFIX):
        title = TITLES.get(name.removeprefix(PREFIX), name)
        values = book.values(name)
        if values is None:
            yield [title, book.missing(name)]
            continue
        errors = values["pose_error"]
        yield [
            title,
            f"{values['registered']} / {values['photos']}",
            f"{values['reprojection_error']:.2f}",
            *(f"{100 * errors[which]:.2f}" for which in ("mean", "median", "largest")),
            f"{values['seconds']:.0f}",
        ]


CAPTURE = Section(
    "Cameras of photos",
    "polyfield prepare of photos whose cameras are known, without what is known. Errors are "
    "distances of cameras from those of the given model, which COLMAP made too, after the "
    "similarity that brings them closest, in percent of the diagonal of the box of the given "
    "cameras.",
    (
        "",
        "registered",
        "reprojection error, px",
        "mean error, %",
        "median, %",
        "largest, %",
        "seconds",
    ),
    capture_rows,
)
SECTIONS = (CAPTURE,)
