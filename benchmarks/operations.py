"""The compiled operations beside plain torch, and the fused step beside the composed one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from polyfield.benchmarks.cells import Cell, Settings

NAME = "operations"
TITLE = "Operations"
NOTE = (
    "Milliseconds, median of 7 after 2. The reference is the plain torch twin; for the render "
    "step, the same operations composed through autograd."
)
COLUMNS = {
    "milliseconds": ("compiled ms", ".2f"),
    "reference": ("reference ms", ".2f"),
    "ratio": ("ratio", ".1f"),
}
POINTS = 262144


def cells(settings: Settings) -> list[Cell]:
    """Encodings forward and with backward, Adam, and a training step's rendering."""
    made = []
    for name, field in (("hash grid 16x2, 2^19", big_hash), ("hash grid, default", default_hash)):
        for backward in (False, True):
            label = "forward and backward" if backward else "forward"

            def measure(field: Any = field, backward: bool = backward) -> dict[str, float]:
                return encoding(field(), backward)

            depends = {"points": POINTS}
            made.append(Cell(NAME, f"{name}, {POINTS:,} points, {label}", depends, measure))
    made.append(Cell(NAME, "Adam, 4 M parameters, 10 % with a gradient", {}, adam))
    made.append(Cell(NAME, "render step, default field, forward and backward", {}, render_step))
    return made


def big_hash() -> Any:
    """instant-ngp's own size."""
    from polyfield.fields import HashGrid

    return HashGrid(levels=16, features=2, log2_entries=19, max_resolution=2048)


def default_hash() -> Any:
    """The size of `field=hash`."""
    from polyfield.fields import HashGrid

    return HashGrid()


def median_ms(function: Callable[[], Any], repeats: int = 7) -> float:
    """Median milliseconds of a call, after two that are not counted."""
    times = []
    for _ in range(2 + repeats):
        began = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[2:])


def compared(compiled: Callable[[], Any], reference: Callable[[], Any]) -> dict[str, float]:
    """Both in milliseconds, and how many times the second takes."""
    ours, theirs = median_ms(compiled), median_ms(reference, repeats=3)
    return {"milliseconds": ours, "reference": theirs, "ratio": theirs / ours}


def encoding(backbone: Any, backward: bool) -> dict[str, float]:
    """A backbone at random points by both twins."""
    x = torch.rand(POINTS, 3, generator=torch.Generator().manual_seed(0))
    weights = torch.ones(POINTS, backbone.out_dim)

    def run(twin: Callable[[torch.Tensor], torch.Tensor]) -> None:
        if not backward:
            with torch.no_grad():
                twin(x)
            return
        backbone.zero_grad(set_to_none=True)
        twin(x).backward(weights)

    return compared(lambda: run(backbone.forward), lambda: run(backbone.reference))


def adam() -> dict[str, float]:
    """A sparse step of our Adam and a dense one of torch's."""
    from polyfield.training.optimizers import Adam

    generator = torch.Generator().manual_seed(0)
    parameter = torch.nn.Parameter(torch.zeros(1 << 22))
    gradient = torch.randn(1 << 22, generator=generator)
    gradient *= torch.rand(1 << 22, generator=generator) < 0.1
    ours = Adam([{"params": [parameter], "sparse": True}])
    theirs = torch.optim.Adam([parameter], fused=True)

    def run(optimizer: torch.optim.Optimizer) -> None:
        parameter.grad = gradient.clone()
        optimizer.step()

    return compared(lambda: run(ours), lambda: run(theirs))


def render_step() -> dict[str, float]:
    """1024 rays of the built-in scene through a field of that size, trained for a little while."""
    import polyfield

    config = polyfield.configuration("data=procedural", "trainer.max_steps=200")
    scene = polyfield.load_scene("procedural")
    task: Any = polyfield.build_task(config, scene)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(task.module.parameters(), lr=1e-2)
    for step in range(200):
        task.before_step(step, step / 200, generator)
        optimizer.zero_grad()
        task.loss(step, step / 200, generator).loss.backward()
        optimizer.step()
    rays = task.sampler.sample(1024, generator).rays

    def run(backend: str) -> None:
        task.renderer.backend = backend
        task.module.zero_grad(set_to_none=True)
        task.renderer(rays, torch.ones(3), generator=generator).rgb.sum().backward()

    return compared(lambda: run("fused"), lambda: run("modular"))
