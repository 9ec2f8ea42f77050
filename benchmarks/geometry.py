"""Cells of geometry: a field is trained, made a mesh, and held against the surface it learned."""

from __future__ import annotations

import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from polyfield.benchmarks.cells import NotRun
from polyfield.commands.schema import configuration
from polyfield.datasets.mesh import load_mesh
from polyfield.datasets.procedural import procedural_scene, procedural_truth
from polyfield.errors import InputError
from polyfield.export.meshes import Mesh
from polyfield.export.meshes.extract import extract
from polyfield.export.meshes.files import write_mesh
from polyfield.export.meshes.geometry import (
    Truth,
    compare,
    truth_of_mesh,
    truth_of_procedural,
)
from polyfield.export.meshes.implicit import Implicit
from polyfield.export.meshes.sparse_cubes import sparse_cubes
from polyfield.export.meshes.texture import textured
from polyfield.export.meshes.textured_mesh import renderer_of
from polyfield.training.assembly import build_trainer
from polyfield.training.catalogue import load_data
from polyfield.training.evaluation import chosen, true_view
from polyfield.training.metrics import psnr
from polyfield.training.photo_task import PhotoTask
from polyfield.training.preparation import prepared_task
from polyfield.training.task import Task

VIEWS = 10
FINE = 512  # cells across the built-in scene, where it is to be learned as a shape
BOX = np.array([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])


def measure(
    words: list[str], seconds: float, methods: list[str], resolution: int, data: str | None = None
) -> dict[str, Any]:
    """Train, export, compare.

    Args:
        words: settings of a training as on the command line.
        seconds: of it.
        methods: by which meshes are found.
        resolution: cells along the longest edge.
        data: photos or a mesh; None for the built-in scene, or its exact surface as a mesh.

    Returns:
        "steps", and "meshes": by method what `geometry.compare` says, "all_f_score" of what nobody
        saw too, "triangles" and "seconds"; of photos whose surface is not known the last two alone.
        Of what photos show also "texture": see `dressed`.
    """
    built_in = data is None
    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as name:
        folder = Path(name)
        if built_in and "task=sdf" in words:
            data = str(folder / "procedural.ply")
            write_mesh(procedural_mesh(), Path(data))
        config = configuration(
            f"data={data or 'procedural'}", *words, f"trainer.max_seconds={seconds}"
        )
        task, settled, _ = prepared_task(config, load_data(config))
        trainer = build_trainer(settled, task, folder / "run")
        outcome = trainer.train()
        if outcome.interrupted:
            raise KeyboardInterrupt
        task.module.eval()
        everything, seen = truths(task, built_in, None if data is None else Path(data))
        with trainer.average.applied() if trainer.average else nullcontext():
            found = {method: made(task, method, resolution, everything, seen) for method in methods}
            looks = {"texture": dressed(task, resolution)} if isinstance(task, PhotoTask) else {}
    return {"steps": outcome.step, "meshes": found, **looks}


def made(
    task: Task, method: str, resolution: int, everything: Truth | None, seen: Truth | None
) -> dict[str, Any]:
    """A mesh and its measures."""
    began = time.perf_counter()
    try:
        mesh = extract(task, method=method, resolution=resolution).mesh
    except InputError as error:
        if "needs Open3D" in str(error):
            raise NotRun(str(error)) from error
        raise
    facts = {"seconds": time.perf_counter() - began, "triangles": len(mesh)}
    if everything is None or seen is None:
        return facts
    return {**facts, **compare(mesh, seen), "all_f_score": compare(mesh, everything)["f_score"]}


def dressed(task: Any, resolution: int) -> dict[str, Any]:
    """A mesh with a texture, and how it looks from where nothing was learned.

    Args:
        task: a `PhotoTask`.

    Returns:
        "seconds" from the field to the textured mesh, "psnr" of its views and "field_psnr" of the
        field's own, dB, means over ten test views, and "worst", the largest difference of a view.
    """
    began = time.perf_counter()
    mesh = extract(task, resolution=resolution, frame="world").mesh
    try:
        surface = textured(mesh, task)
    except InputError as error:
        if "xatlas" in str(error):
            raise NotRun("xatlas is not installed") from error
        raise
    seconds = time.perf_counter() - began
    shown, scores = renderer_of(surface), []
    for i in chosen(task.scene, "test", VIEWS):
        behind = None if task.background is None else task.background.detach()
        truth = true_view(task.scene, i, behind)
        renders = (each.image(task.scene.cameras, i, behind) for each in (shown, task.renderer))
        scores.append([psnr(render.rgb.numpy(), truth) for render in renders])
    ours, own = np.array(scores).T
    means = {"psnr": float(ours.mean()), "field_psnr": float(own.mean())}
    return {"seconds": seconds, **means, "worst": float((own - ours).max())}


def truths(task: Task, built_in: bool, data: Path | None) -> tuple[Truth | None, Truth | None]:
    """What is true of all of a surface, and of what the training saw of it."""
    if built_in:
        truth = procedural_truth(procedural_scene(n_train=1, n_test=0, size=4))
        everything = truth_of_procedural(truth)
        if not isinstance(task, PhotoTask):
            return everything, everything
        train = task.scene.splits["train"]
        return everything, truth_of_procedural(truth, task.scene.cameras.positions[train])
    if isinstance(task, PhotoTask) or data is None:
        return None, None
    shape = truth_of_mesh(load_mesh(data))
    return shape, shape


def procedural_mesh(resolution: int = FINE) -> Mesh:
    """The built-in scene's exact surface as triangles."""
    truth = procedural_truth(procedural_scene(n_train=1, n_test=0, size=4))

    def value(x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return -truth.signed_distance(x)

    def near(middles: Float[Tensor, "n 3"], half: Float[Tensor, "3"]) -> Bool[Tensor, " n"]:
        return torch.as_tensor(value(middles).abs() <= half.norm())

    return sparse_cubes(Implicit(value, BOX, near, bend=False), resolution)
