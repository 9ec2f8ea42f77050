"""Cells of one picture of many Gaussians: milliseconds, and the memory that it takes."""

from __future__ import annotations

from typing import Any

import torch

from polyfield.benchmarks.splat_files import made
from polyfield.benchmarks.timing import interleaved, once
from polyfield.benchmarks.training import peak_memory
from polyfield.fields.gaussians import tensors_of
from polyfield.kernels.rasterize.rasterize import rasterize
from polyfield.kernels.rasterize.records import PinholeView

DISTANCE = 5.0  # of the camera from the middle of a sphere of radius 2


def measure(gaussians: int, size: int, repetitions: int) -> dict[str, Any]:
    """Milliseconds of a picture, with every harmonic.

    Args:
        gaussians: how many, made at random around a sphere that fills the picture.
        size: of the picture, pixels a side.
    """
    tensors = tensors_of(made(gaussians, degree=3))
    pose = torch.eye(4)[:3]
    pose[2, 3] = DISTANCE
    view = PinholeView(pose, (float(size), float(size), size / 2, size / 2), size, size)
    before = peak_memory()

    def draw() -> None:
        with torch.no_grad():
            rasterize(view=view, **tensors)  # type: ignore[arg-type]

    draw()
    after = peak_memory()
    times = interleaved({"frame": once(draw)}, repetitions)["frame"]["total"]
    used = None if before is None or after is None else after - before
    return {"milliseconds": times["best"], "memory": used, "resolution": [size, size]}
