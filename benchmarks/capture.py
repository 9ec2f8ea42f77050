"""Cells of finding cameras: of photos whose cameras are known, without what is known."""

from __future__ import annotations

import importlib.util
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from polyfield.benchmarks.cells import NotRun
from polyfield.datasets.load import load_scene
from polyfield.structure.alignment import pose_errors
from polyfield.structure.prepare import prepare
from polyfield.structure.settings import Settings


def measure(settings: dict[str, Any], data: str) -> dict[str, Any]:
    """`polyfield prepare` of the photos of a data set that has a model.

    Args:
        settings: of `Settings`.
        data: a folder with `images`.

    Returns:
        "photos", "registered", "points", "reprojection_error" in pixels, "pose_error" ("mean",
        "median", "largest", in extents of the given cameras), "seconds" of wall clock.
    """
    if importlib.util.find_spec("pycolmap") is None:
        raise NotRun("pycolmap not found")
    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as folder:
        out = Path(folder) / "out"
        began = time.perf_counter()
        images = Path(data) / "images"
        found = prepare(images, out, Settings(**settings), _nothing, _nothing)
        seconds = time.perf_counter() - began
        errors = against(Path(data), out)
    return {
        "photos": len(found.photos),
        "registered": len(found.registered),
        "points": found.points,
        "reprojection_error": found.error,
        "pose_error": {
            "mean": float(errors.mean()),
            "median": float(np.median(errors)),
            "largest": float(errors.max()),
        },
        "seconds": seconds,
    }


def against(known: Path, found: Path) -> np.ndarray:
    """`pose_errors` of the photos that two data sets share, by name.

    Args:
        known: the one that is taken for true.
    """
    truth, ours = places(known), places(found)
    names = sorted(set(truth) & set(ours))
    return pose_errors(*(np.stack([part[name] for name in names]) for part in (ours, truth)))


def places(data: Path) -> dict[str, np.ndarray]:
    """By file name, where photos were taken, [3], in the frame of the data."""
    scene = load_scene(data)
    cameras = scene.cameras.transformed(scene.source_from_world)
    return {
        Path(name).name: place for name, place in zip(scene.images.names, cameras.positions.numpy())
    }


def _nothing(*_: object) -> None:
    """Nobody watches."""
