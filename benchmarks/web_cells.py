"""Cells of pages in a browser."""

from __future__ import annotations

from polyfield.benchmarks.cells import Cell

SIZE = 512  # pixels a side
# Seconds for which frames are counted.
WATCHED = {"quick": 3.0, "default": 10.0, "full": 20.0}
GAUSSIANS = {"quick": (100_000,), "default": (100_000,), "full": (100_000, 500_000)}


def web(budget: str) -> list[Cell]:
    """The suite of pages: with colours that depend on the direction, and without."""
    return [
        Cell(
            "web",
            f"web-page-{count // 1000}k-degree{degree}",
            "web_page",
            {"gaussians": count, "degree": degree, "size": SIZE, "seconds": WATCHED[budget]},
        )
        for count in GAUSSIANS[budget]
        for degree in (0, 3)
        if degree == 3 or budget != "quick"
    ]
