"""Which cells of geometry there are, by budget: meshes of trained fields against true surfaces."""

from __future__ import annotations

from typing import Any

from polyfield.benchmarks.cells import Cell
from polyfield.benchmarks.scenes import LEGO

BUNNY, ARMADILLO = "meshes/stanford-bunny.obj", "meshes/armadillo.obj"
SECONDS = {"quick": 2.0, "default": 60.0, "full": 60.0}

# What is learned, from which data, with which settings, and by which methods it becomes a mesh.
LEARNED: dict[str, tuple[str | None, list[str], list[str]]] = {
    "procedural-sdf": (None, ["task=sdf"], ["marching"]),
    "procedural-radiance": (None, ["field=hash"], ["fusion", "marching", "poisson"]),
    "procedural-gaussians": (None, ["field=gaussians"], ["fusion", "poisson"]),
    "bunny-sdf": (BUNNY, ["task=sdf"], ["marching"]),
    "armadillo-sdf": (ARMADILLO, ["task=sdf"], ["marching"]),
    "lego_200-radiance": (LEGO, ["field=hash"], ["fusion", "marching"]),
}
AT_FIRST = ("procedural-sdf",)  # for a quick look
LATER = ("bunny-sdf", "armadillo-sdf", "lego_200-radiance")  # the full budget alone


def geometry(budget: str) -> list[Cell]:
    """The suite of meshes."""
    names = list(LEARNED)
    if budget != "full":
        names = [name for name in names if name not in LATER]
    if budget == "quick":
        names = list(AT_FIRST)
    return [cell(name, SECONDS[budget], 64 if budget == "quick" else 256) for name in names]


def cell(name: str, seconds: float, resolution: int) -> Cell:
    """A training and its meshes."""
    data, words, methods = LEARNED[name]
    settings: dict[str, Any] = {
        "words": words,
        "seconds": seconds,
        "methods": methods,
        "resolution": resolution,
    }
    return Cell("geometry", f"geometry-{name}", "geometry", settings, data=data)
