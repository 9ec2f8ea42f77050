"""The suite of the viewer, and its section of RESULTS.md."""

from __future__ import annotations

from polyfield.benchmarks.book import Book
from polyfield.benchmarks.cells import Cell
from polyfield.benchmarks.sections import Rows, Section

WORDS = {
    "hash": ["data=procedural", "field=hash"],
    "gaussians": ["data=procedural", "field=gaussians"],
}
SECONDS = {"quick": 5.0, "default": 20.0, "full": 20.0}
REPETITIONS = {"quick": 2, "default": 5, "full": 9}
PREVIEW = 256  # pixels along both edges


def viewer(budget: str) -> list[Cell]:
    """First pictures and previews, of a hash field and of Gaussians."""
    made = []
    for field in ("hash",) if budget == "quick" else WORDS:
        settings = {"words": WORDS[field], "seconds": SECONDS[budget]}
        n = REPETITIONS[budget]
        first = {**settings, "what": "first picture", "repetitions": n}
        made.append(Cell("viewer", f"view-first-{field}", "viewing", first))
        moving = {**settings, "what": "previews", "repetitions": 10 * n, "size": PREVIEW}
        made.append(Cell("viewer", f"view-previews-{field}", "viewing", moving))
    return made


def viewer_rows(book: Book) -> Rows:
    """Seconds and pictures a second, by field."""
    for name in book.names("view-"):
        what, field = name.removeprefix("view-").split("-")
        title, values = f"{field}, {'first picture' if what == 'first' else 'previews'}", None
        values = book.values(name)
        if values is None:
            yield [title, book.missing(name)]
        elif what == "first":
            found = values["seconds"]
            yield [title, f"{found['best']:.2f} s", f"{found['median']:.2f} s"]
        else:
            found = values["per_second"]
            yield [title, f"{found['best']:.1f} / s", f"{found['median']:.1f} / s"]


def sections() -> list[Section]:
    """What RESULTS.md says of the viewer."""
    return [
        Section(
            "Viewer",
            "From the start of `polyfield view` to a picture in a browser that is open already, "
            f"and pictures of {PREVIEW} x {PREVIEW} pixels a second, rendered and encoded, of a "
            "camera that goes round while nothing trains.",
            ["what", "best", "median"],
            viewer_rows,
        )
    ]
