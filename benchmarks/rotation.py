"""Cells of rotation: what a field owes to the axes, by scores of straight and of turned data."""

from __future__ import annotations

from typing import Any

from polyfield.benchmarks import equal_steps


def measure(data: str, words: list[str], turns: list[list[str]], steps: int) -> dict[str, Any]:
    """Train on the data in each orientation, and score it.

    Args:
        data: a file or folder.
        words: settings as on the command line.
        turns: settings that turn the data, for each orientation; the first leaves it as it is.
        steps: of training, those in which rotations are found included.
    """
    results = [equal_steps.measure(data, [*words, *turn], steps) for turn in turns]
    return {
        "score": results[0]["score"],
        "parameters": results[0]["parameters"],
        "straight": results[0]["value"],
        "turned": [result["value"] for result in results[1:]],
        "seconds": [result["seconds"] for result in results],
    }
