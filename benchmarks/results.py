"""RESULTS.md: a book of records as tables."""

from __future__ import annotations

from polyfield.benchmarks import (
    capture_sections,
    compression_sections,
    factored_sections,
    gaussian_sections,
    geometry_sections,
    kernel_sections,
    training_sections,
    viewer_sections,
    web_sections,
)
from polyfield.benchmarks.book import Book
from polyfield.benchmarks.sections import Rows, Section, shown
from polyfield.benchmarks.targets import targets

HEAD = """\
# Results

Written by `polyfield bench` from the records of its measurements; not edited by hand. Times are the
best of interleaved repetitions, so that what is compared was measured side by side. Seconds of
training count steps alone: not loading, compiling, evaluating, saving.
"""


def results(book: Book) -> str:
    """The document."""
    made = (
        kernel_sections,
        training_sections,
        factored_sections,
        gaussian_sections,
        compression_sections,
        capture_sections,
        viewer_sections,
        web_sections,
        geometry_sections,
    )
    sections = [TARGETS, *(s for part in made for s in part.SECTIONS), RECORDS]
    parts = [HEAD, measured_on(book), *(section.text(book) for section in sections)]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def measured_on(book: Book) -> str:
    """The machines, and which commits and days."""
    lines = []
    for record in book.records.values():
        facts = record["machine"]
        line = (
            f"- {facts.get('processor')}, {facts.get('cores')} cores ({facts.get('vectors')}), "
            f"{facts.get('memory')} of memory, {facts.get('system')}; torch {facts.get('torch')}, "
            f"numba {facts.get('numba')} on {facts.get('threads')} threads; polyfield "
            f"{record['version']}, commit {record['commit']}"
        )
        if line not in lines:
            lines.append(line)
    return "Measured on:\n\n" + "\n".join(sorted(lines)) if lines else "Nothing measured yet."


def target_rows(book: Book) -> Rows:
    """What must be reached."""
    for target in targets(book):
        values = book.values(target.cell)
        bound = f"{'≥' if target.at_least else '≤'} {target.bound:g} {target.unit}"
        if values is None:
            yield [target.text, bound, book.missing(target.cell)]
            continue
        value = target.value(values)
        if value is None:
            yield [target.text, bound, "not reached or not measured", "**no**"]
            continue
        shown = f"{value:.{target.digits}f} {target.unit}"
        yield [target.text, bound, shown, "yes" if target.met(value) else "**no**"]


def record_rows(book: Book) -> Rows:
    """Where each number comes from."""
    for name in book.names(""):
        record = book.records.get(name)
        if record is None:
            yield [name, book.missing(name)]
            continue
        load = record["machine"].get("load")
        yield [
            name,
            record["commit"],
            record["date"][:16].replace("T", " "),
            f"{record['seconds']:.0f}",
            shown(load),
            record["hash"],
        ]


TARGETS = Section(
    "What it must reach", "Bounds are for two cores.", ("", "bound", "measured", "met"), target_rows
)
RECORDS = Section(
    "Records",
    "Load is that of the machine before, in processes that want to run.",
    ("cell", "commit", "date (UTC)", "seconds", "load", "settings"),
    record_rows,
)
