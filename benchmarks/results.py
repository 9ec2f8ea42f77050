"""RESULTS.md: the records of all suites as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

HEAD = """\
# Results

Written by `polyfield bench`; not edited by hand. Seconds of training exclude loading, compiling and
evaluating. Every row was measured as its commit and machine say; rows of different machines do not
compare.
"""


def results(suites: Sequence[Any], records: Sequence[Mapping[str, Any]]) -> str:
    """The document.

    Args:
        suites: modules with NAME, TITLE, NOTE and COLUMNS (title and format by key).
        records: of `cells.measure_all`.
    """
    parts = [HEAD]
    for suite in suites:
        rows = [record for record in records if record["suite"] == suite.NAME]
        if rows:
            parts.append(f"## {suite.TITLE}\n\n{suite.NOTE}\n\n{_table(suite.COLUMNS, rows)}\n")
    places = sorted({_place(record) for record in records if "numbers" in record})
    parts.append("## Measured on\n\n" + "\n".join(f"- {place}" for place in places) + "\n")
    return "\n".join(parts)


def _place(record: Mapping[str, Any]) -> str:
    return "{machine}; polyfield {version}, commit {commit}, {date}".format(**record)


def _table(columns: Mapping[str, tuple[str, str]], rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        "| | " + " | ".join(title for title, _ in columns.values()) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for row in rows:
        numbers = row.get("numbers")
        if numbers is None:
            cells = [f"not run: {row['not_run']}", *[""] * (len(columns) - 1)]
        else:
            cells = [_cell(numbers.get(key), form) for key, (_, form) in columns.items()]
        lines.append(f"| {row['name']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value: Any, form: str) -> str:
    return "-" if value is None else format(value, form)
