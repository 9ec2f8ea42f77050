"""Cells of frame times: whole test views at several sizes, of a field that was trained shortly."""

from __future__ import annotations

import statistics
from functools import partial
from typing import Any

from polyfield.benchmarks.render_step import trained
from polyfield.benchmarks.timing import interleaved, once


def measure(
    data: str,
    words: list[str],
    seconds: float,
    sizes: list[int],
    views: int,
    repetitions: int,
) -> dict[str, Any]:
    """Milliseconds a frame, the views at each size taking turns.

    Args:
        words: settings of the training, as on the command line; seconds: of it.
        sizes: widths of the frames in pixels.
        views: how many test views at most.
    """
    task = trained(data, words, seconds)
    task.module.eval()
    scene = task.scene
    split = scene.splits["test"].tolist()
    chosen = split[:: max(len(split) // views, 1)][:views]
    frames, behind = {}, task.background
    for size in sizes:
        cameras = scene.cameras.scaled(size / int(scene.cameras.size[chosen[0], 0]))

        contenders = {
            str(i): once(partial(task.renderer.image, cameras, i, behind)) for i in chosen
        }
        times = interleaved(contenders, repetitions)
        best = [times[str(i)]["total"]["best"] for i in chosen]
        frames[str(size)] = {
            "mean": statistics.mean(best),
            "slowest": max(best),
            "resolution": cameras.size[chosen[0]].tolist(),
        }
    scores = task.evaluate("test", None, views)
    return {
        "frames": frames,
        "views": len(chosen),
        "psnr": scores["psnr"],
    }
