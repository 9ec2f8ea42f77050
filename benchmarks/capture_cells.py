"""The suite of finding cameras."""

from __future__ import annotations

from polyfield.benchmarks.cells import Cell

CUP = "colmap_cup"
# The cup's own model has a camera for each photo.
WAYS = {
    "shared": {},
    "each": {"single_camera": False, "camera": "simple_pinhole"},
}


def capture(budget: str) -> list[Cell]:
    """The cup without its model; minutes, so not in a quick look."""
    names = {"quick": [], "default": ["shared"], "full": ["shared", "each"]}[budget]
    return [
        Cell("capture", f"capture-cup-{name}", "capture", {"settings": WAYS[name]}, data=CUP)
        for name in names
    ]
