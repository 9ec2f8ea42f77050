"""Cells of training: quality against seconds, steps, memory and frame time of one run.

Trained by what `polyfield train` trains by, of the same configuration; evaluations along the way
are not part of the seconds.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from polyfield.commands.schema import configuration
from polyfield.datasets.load import load_scene
from polyfield.training import metrics
from polyfield.training.assembly import build_trainer
from polyfield.training.evaluation import evaluating
from polyfield.training.photo_task import PhotoTask
from polyfield.training.preparation import prepared_task
from polyfield.training.progress import most_memory
from polyfield.training.trainer import Trainer


class Looks:
    """Scores a training at given times: a callback of the trainer.

    Args:
        task: that is trained.
        at: seconds of training.
        views: of the test split, how many at most; None for all.
        before: seconds that a phase before the training took.
    """

    def __init__(
        self, task: PhotoTask, at: list[float], views: int | None, before: float = 0.0
    ) -> None:
        self.task, self.views, self.before = task, views, before
        self.waiting = sorted(at)
        self.first_step: float | None = None
        self.stepped = False
        self.seen: list[dict[str, float]] = []

    def __call__(self, trainer: Trainer) -> None:
        if not self.stepped:
            self.stepped = True
            self.first_step = process_age()
        elapsed = self.before + trainer.elapsed
        if self.waiting and elapsed >= self.waiting[0]:
            while self.waiting and elapsed >= self.waiting[0]:
                self.waiting.pop(0)
            self.look(trainer)

    def look(self, trainer: Trainer) -> None:
        """Add a row of seconds, step and the mean PSNR in dB."""
        averaged = trainer.average.applied() if trainer.average else nullcontext()
        with averaged, evaluating(self.task.module):
            scores = [
                metrics.psnr(view.render.rgb.cpu().numpy(), view.truth, view.mask)
                for view in self.task.views("test", self.views)
            ]
        psnr = sum(scores) / len(scores)
        seconds = self.before + trainer.elapsed
        self.seen.append({"seconds": seconds, "step": trainer.step, "psnr": psnr})


def measure(
    data: str, words: list[str], seconds: float, looks: list[float], views: int | None = None
) -> dict[str, Any]:
    """Train, look at it on the way, score it.

    Args:
        data: the scene's folder.
        words: settings as on the command line.
        seconds: of training.
        looks: seconds of training after which it is scored.
        views: how many test views are scored on the way; None for all.
    """
    with compiling() as spent:
        config = configuration(f"data={data}", *words, f"trainer.max_seconds={seconds}")
        scene = load_scene(**config["dataset"])
        task, settled, before = prepared_task(config, scene)
        assert isinstance(task, PhotoTask)
        watch = Looks(task, [at for at in looks if before < at < seconds], views, before)
        with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as folder:
            trainer = build_trainer(settled, task, Path(folder), on_step=[watch])
            outcome = trainer.train()
        if outcome.interrupted:
            raise KeyboardInterrupt
        with trainer.average.applied() if trainer.average else nullcontext():
            scores = task.evaluate("test", None, None)
    final = {"seconds": before + outcome.elapsed, "step": outcome.step, "psnr": scores["psnr"]}
    n_views = len(scores["images"])
    return {
        "psnr": scores["psnr"],
        "ssim": scores["ssim"],
        "views": n_views,
        "resolution": scores["resolution"],
        "photos": len(scene.splits["train"]),
        "seconds": before + outcome.elapsed,
        "steps": outcome.step,
        "milliseconds_per_step": 1000 * outcome.elapsed / outcome.step,
        "looks": [*watch.seen, final],
        "frame_milliseconds": 1000 * scores["seconds"] / n_views,
        "peak_memory": peak_memory(),
        "first_step_seconds": watch.first_step,
        "compiling_seconds": spent["seconds"],
        "protocol": scores["protocol"],
    }


@contextmanager
def compiling() -> Iterator[dict[str, float]]:
    """Inside, "seconds" adds up what numba compiles; what it finds in its cache is not compiled."""
    from numba.core import event

    spent = {"seconds": 0.0}

    def add(seconds: float) -> None:
        spent["seconds"] += seconds

    with event.install_timer("numba:compile", add):
        yield spent


def process_age() -> float | None:
    """Seconds since this process began, to some hundredths; None where the system does not say."""
    try:
        # Field 22 of the whole line; the name in field 2 may hold anything but ends with ")".
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
        return uptime - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def peak_memory() -> int | None:
    """The most bytes that this process ever had in memory; None where the system does not say.

    Not `ru_maxrss` on Linux: that of a process begins with what its parent had.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return most_memory()
