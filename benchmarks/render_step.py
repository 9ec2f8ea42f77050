"""Cells of the render step: one fused operation beside the same composed through autograd.

Letters: r rays.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from polyfield.benchmarks.cells import NotRun
from polyfield.benchmarks.timing import Contender, Watch, interleaved
from polyfield.commands.schema import configuration
from polyfield.datasets.load import load_scene
from polyfield.kernels.gradients import direct_gradients
from polyfield.training import losses
from polyfield.training.assembly import build_trainer
from polyfield.training.preparation import prepared_task
from polyfield.training.radiance import RadianceTask, composite


def trained(data: str, words: list[str], seconds: float) -> RadianceTask:
    """A task after a short training with the configuration of the command line.

    Args:
        data: the scene's folder.
        words: further settings, as on the command line.
        seconds: of training.
    """
    budget = [f"trainer.max_seconds={seconds}", "trainer.log_every=0"]
    config = configuration(f"data={data}", *words, *budget)
    task, settled, _ = prepared_task(config, load_scene(**config["dataset"]))
    assert isinstance(task, RadianceTask)
    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as folder:
        outcome = build_trainer(settled, task, Path(folder)).train()
    if outcome.interrupted:
        raise KeyboardInterrupt
    return task


def measure(data: str, words: list[str], seconds: float, repetitions: int) -> dict[str, Any]:
    """Milliseconds of rendering one training batch and of its backward pass, both ways.

    Args:
        seconds: of the training before, which gives the occupancy and the batch their usual sizes.
    """
    task = trained(data, words, seconds)
    renderer: Any = task.renderer
    if not hasattr(renderer, "backend"):
        raise NotRun("the renderer has one way only")
    if not renderer.fused:
        raise NotRun("this field does not run fused")
    generator = torch.Generator().manual_seed(0)
    batch = task.sampler.sample(task.budget.rays, generator)
    truth = composite(batch, task.background)
    parameters = [p for group in task.parameter_groups() for p in group["params"]]
    seen: dict[str, int] = {}

    def way(backend: str) -> Contender:
        def turn(watch: Watch) -> None:
            renderer.backend = backend
            for parameter in parameters:  # as between two steps of the trainer
                if parameter.grad is not None:
                    parameter.grad.zero_()
            generator.manual_seed(1)
            with watch.phase("forward"):
                render = renderer(batch.rays, task.background, generator=generator)
            loss = losses.huber(render.rgb, truth)
            with watch.phase("backward"), direct_gradients():
                loss.backward()
            seen["samples"] = int(render.extras["n_samples"])

        return turn

    ways = {backend: way(backend) for backend in ("fused", "modular")}
    gradients = {name: gradient_of(contender, parameters) for name, contender in ways.items()}
    largest = gradients["modular"].abs().max().clamp(min=1e-30)
    return {
        "rays": len(batch),
        **seen,
        "occupied": renderer.occupancy.fraction if hasattr(renderer, "occupancy") else None,
        "difference": float((gradients["fused"] - gradients["modular"]).abs().max() / largest),
        "times": interleaved(ways, repetitions),
    }


def gradient_of(contender: Contender, parameters: list[Tensor]) -> Tensor:
    """The gradient of all parameters as one vector."""
    contender(Watch())
    zero = torch.zeros(())
    return torch.cat([(zero if p.grad is None else p.grad).flatten().clone() for p in parameters])
