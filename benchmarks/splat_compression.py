"""Cells of compression: one scene of Gaussians in files of all kinds, by size and held-out PSNR."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from polyfield.commands.schema import configuration
from polyfield.compression import neural_file
from polyfield.compression.neural_splats import Settings, compress, pruned
from polyfield.compression.photos import TrainingPhotos
from polyfield.compression.recovery import recovered
from polyfield.fields.gaussians import tensors_of
from polyfield.splats.cleaning import ATTRIBUTES, clean
from polyfield.splats.formats import read_splats, write_splats
from polyfield.splats.splats import Splats
from polyfield.training.assembly import build_trainer
from polyfield.training.catalogue import load_data
from polyfield.training.preparation import prepared_task
from polyfield.training.splatting import SplattingTask

SUFFIXES = (".ply", ".compressed.ply", ".spz", ".sog")
PRUNE = 0.4  # of what is pruned and stored in half precision
RECOVERY = 200  # steps of training on


def measure(
    words: list[str],
    seconds: float,
    variants: Mapping[str, Mapping[str, Any]],
    data: str = "procedural",
) -> dict[str, Any]:
    """Train a scene, write it in every way, read it back, score it.

    Args:
        words: settings of a training of Gaussians as on the command line.
        seconds: of it.
        variants: settings of our own compression, by name.
        data: a scene.

    Returns:
        "gaussians", "psnr" and "steps" of the training, and "files": by name, the "gaussians" of
        each, its "bytes", its "psnr", and the "seconds" that writing took.
    """
    config = configuration(f"data={data}", *words, f"trainer.max_seconds={seconds}")
    task, settled, _ = prepared_task(config, load_data(config))
    assert isinstance(task, SplattingTask)
    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as name:
        folder = Path(name)
        trainer = build_trainer(settled, task, folder / "run")
        outcome = trainer.train()
        if outcome.interrupted:
            raise KeyboardInterrupt
        with trainer.average.applied() if trainer.average else nullcontext():
            splats = clean(task.field.splats(), transparent=True).splats
        files = {suffix: in_format(task, splats, folder / f"a{suffix}") for suffix in SUFFIXES}
        files["pruned, half precision"] = in_halves(task, splats, 0)
        files["pruned, trained on, half precision"] = in_halves(task, splats, RECOVERY)
        for variant, settings in variants.items():
            files[variant] = in_networks(task, splats, folder / "a.ngs", Settings(**settings))
    return {
        "gaussians": len(splats),
        "psnr": psnr(task, splats),
        "steps": outcome.step,
        "files": files,
    }


def psnr(task: SplattingTask, splats: Splats) -> float:
    """Of the held-out views, dB; the task's Gaussians become these."""
    task.field.place(tensors_of(splats))
    return float(task.evaluate("test")["psnr"])


def in_format(task: SplattingTask, splats: Splats, file: Path) -> dict[str, Any]:
    """A file of a format that everyone reads."""
    began = time.perf_counter()
    write_splats(splats, file)
    took = time.perf_counter() - began
    return _found(task, read_splats(file), file.stat().st_size, took)


def in_halves(task: SplattingTask, splats: Splats, steps: int) -> dict[str, Any]:
    """What is left after pruning and some steps of training on, every number in two bytes.

    There is no such file, as no format is so.
    """
    began = time.perf_counter()
    photos = TrainingPhotos(task)
    kept, _ = pruned(splats, photos, PRUNE)
    kept = recovered(kept, photos, steps, torch.Generator().manual_seed(0))
    halves = {name: getattr(kept, name).astype(np.float16) for name in ATTRIBUTES}
    took = time.perf_counter() - began
    again = Splats(**halves, antialiased=kept.antialiased)
    return _found(task, again, sum(array.nbytes for array in halves.values()), took)


def in_networks(
    task: SplattingTask, splats: Splats, file: Path, settings: Settings
) -> dict[str, Any]:
    """A file of networks."""
    began = time.perf_counter()
    size = neural_file.write(compress(splats, TrainingPhotos(task), settings), file)
    took = time.perf_counter() - began
    return _found(task, read_splats(file), size, took)


def _found(task: SplattingTask, splats: Splats, n_bytes: int, seconds: float) -> dict[str, Any]:
    score = psnr(task, splats)
    return {"gaussians": len(splats), "bytes": n_bytes, "psnr": score, "seconds": seconds}
