"""Aligned text for terminals: facts by name, and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def facts(values: Mapping[str, Any]) -> str:
    """One fact a line, names aligned; nested facts are indented, None is left out."""
    return "\n".join(_lines(values, ""))


def _lines(values: Mapping[str, Any], indent: str) -> list[str]:
    shown = {str(name): value for name, value in values.items() if value is not None}
    width = max((len(name) for name, value in shown.items() if not _nested(value)), default=0)
    lines = []
    for name, value in shown.items():
        if _nested(value):
            lines += [f"{indent}{name}", *_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name:<{width}}  {plain(value)}".rstrip())
    return lines


def _nested(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value)


def plain(value: Any) -> str:
    """A value as a person writes it: yes and no, four digits, lists without quotes."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(plain(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "none"
    return str(value)


def table(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Columns under titles: the first flush left, numbers flush right."""
    cells = [list(titles), *([plain(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(titles))]
    lines = [
        "  ".join(
            f"{cell:<{width}}" if i == 0 else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def size(n_bytes: float) -> str:
    """`12.3 MB`."""
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} GB"
