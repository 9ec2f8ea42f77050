"""What is scored at the end of a training is what a run would be scored by: the averaged field."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest

from polyfield.benchmarks import axes, equal_steps
from polyfield.training.averaging import Average
from polyfield.training.grid_task import GridTask

WORDS = ["task=image", "field=dense", "field.resolution=8", "trainer.ema=0.9"]


def by_steps(picture: str) -> None:
    equal_steps.measure(picture, WORDS, 5)


def by_seconds(picture: str) -> None:
    axes.measure(WORDS, {"one": []}, 0.05, [], picture)


@pytest.mark.parametrize("measure", [by_steps, by_seconds])
def test_the_final_score_is_of_the_average(
    measure: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYFIELD_KERNELS", "reference")
    picture = tmp_path / "picture.png"
    iio.imwrite(picture, np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8))
    applied, evaluate = Average.applied, GridTask.evaluate
    inside: list[bool] = [False]
    seen: list[bool] = []

    @contextmanager
    def watched(average: Average) -> Iterator[None]:
        with applied(average):
            inside[0] = True
            yield
            inside[0] = False

    def look(task: GridTask, *arguments: Any) -> dict[str, Any]:
        seen.append(inside[0])
        return evaluate(task, *arguments)

    monkeypatch.setattr(Average, "applied", watched)
    monkeypatch.setattr(GridTask, "evaluate", look)
    measure(str(picture))
    assert seen[-1]
