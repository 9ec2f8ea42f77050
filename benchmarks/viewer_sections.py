"""The section of RESULTS.md on the viewer."""

from __future__ import annotations

from polyfield.benchmarks.book import Book
from polyfield.benchmarks.sections import Rows, Section
from polyfield.benchmarks.viewer_cells import PREVIEW


def viewer_rows(book: Book) -> Rows:
    """Seconds and pictures a second, by field."""
    for name in book.names("view-"):
        what, field = name.removeprefix("view-").split("-")
        title = f"{field}, {'first picture' if what == 'first' else 'previews'}"
        values = book.values(name)
        if values is None:
            yield [title, book.missing(name)]
        elif what == "first":
            found = values["seconds"]
            yield [title, f"{found['best']:.2f} s", f"{found['median']:.2f} s"]
        else:
            found = values["per_second"]
            yield [title, f"{found['best']:.1f} / s", f"{found['median']:.1f} / s"]


SECTIONS = (
    Section(
        "Viewer",
        "From the start of `polyfield view` to a picture in a browser that is open already, and "
        f"pictures of {PREVIEW} x {PREVIEW} pixels a second, rendered and encoded, of a camera "
        "that goes round while nothing trains.",
        ("", "best", "median"),
        viewer_rows,
    ),
)
