"""A section of RESULTS.md: a table under a title, with a note on how to read it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from polyfield.benchmarks.book import Book

NOTHING = "–"

Row = list[str]
Rows = Iterable[Row]


@dataclass(frozen=True)
class Section:
    """What is shown of a book.

    Attributes:
        title: of the section.
        note: how its numbers are meant.
        columns: titles; the first is that of the rows.
        rows: of a book; a section without any is left out. A short row is filled up.
    """

    title: str
    note: str
    columns: Sequence[str]
    rows: Callable[[Book], Rows]

    def text(self, book: Book) -> str:
        """The section in Markdown, empty where it has no rows."""
        rows = list(self.rows(book))
        if not rows:
            return ""
        note = textwrap.fill(self.note, 100, break_on_hyphens=False)
        parts = [f"## {self.title}", note, table(self.columns, rows)]
        return "\n\n".join(part for part in parts if part)


def table(columns: Sequence[str], rows: Rows) -> str:
    """A table in Markdown, the first column flush left, the others flush right."""
    lines = ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]
    for row in rows:
        lines.append("| " + " | ".join([*row, *[""] * (len(columns) - len(row))]) + " |")
    return "\n".join(lines)


def shown(number: float | None, digits: int = 1) -> str:
    """A number with its digits after the point, or a dash for none."""
    return NOTHING if number is None else f"{number:,.{digits}f}"
