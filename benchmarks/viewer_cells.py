"""The suite of the viewer."""

from __future__ import annotations

from polyfield.benchmarks.cells import Cell
from polyfield.benchmarks.scenes import LEGO

WORDS = {"hash": ["field=hash"], "gaussians": ["field=gaussians"]}
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
        made.append(Cell("viewer", f"view-first-{field}", "viewing", first, data=LEGO))
        moving = {**settings, "what": "previews", "repetitions": 10 * n, "size": PREVIEW}
        made.append(Cell("viewer", f"view-previews-{field}", "viewing", moving, data=LEGO))
    return made
