"""Cells of march, composite and Adam: ours, plain torch, and what memory bandwidth allows.

Letters: r rays, n samples, p parameters. The bytes of an operation are those of its inputs and
outputs, each once; copying a large array beside it says how fast these could at best be moved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polyfield.benchmarks.timing import Contender, Watch, copying, interleaved, once
from polyfield.benchmarks.torch_composite import composite as torch_composite
from polyfield.fields import Domain, HashGrid, RadianceDecoder, RadianceField
from polyfield.kernels.adam import adam_step
from polyfield.kernels.packed import Samples, composite, march_packed
from polyfield.kernels.packed_reference import march_reference
from polyfield.kernels.volume import Geometry
from polyfield.renderers import OccupancyGrid, VolumeRenderer

STOP = 1e-3
LINE = 16  # float32 in a cache line
FLOAT = 4  # bytes


def measure(rays: int, parameters: int, repetitions: int) -> dict[str, Any]:
    """Rows of milliseconds and bytes, and the bandwidth of copying.

    Args:
        rays: r, of marching and compositing.
        parameters: p, of Adam; a multiple of 16.
    """
    rows = [marching(rays), compositing(rays), *adam(parameters)]
    copy, moved = copying()
    for row in rows:
        times = interleaved({**row.pop("contenders"), "copy": copy}, repetitions)
        row["bandwidth"] = moved / times.pop("copy")["total"]["best"] / 1e6
        row["times"] = times
    return {"rows": rows}


def shell(n_rays: int) -> tuple[Tensor, Tensor, Tensor, Geometry]:
    """Rays at a thick spherical shell in a box, as after some training.

    Returns:
        Origins [r, 3] at distance 4 and directions [r, 3] into the box [-1.5, 1.5]^3, jitter [r],
        and where samples are taken.
    """
    generator = torch.Generator().manual_seed(0)
    domain = Domain(torch.tensor([[-1.5] * 3, [1.5] * 3]))
    backbone = HashGrid(levels=1, log2_entries=10, generator=generator)
    field = RadianceField(domain, backbone, RadianceDecoder(4, generator=generator))
    occupancy = OccupancyGrid(domain, 64)
    centres = occupancy.cell_points(torch.arange(64**3), torch.full((64**3, 3), 0.5))
    radius = torch.linalg.vector_norm(centres, dim=1)
    occupancy.values.copy_((radius > 0.9) & (radius < 1.1))
    occupancy.refresh()
    origins = torch.randn(n_rays, 3, generator=generator)
    origins = 4 * torch.nn.functional.normalize(origins, dim=1)
    targets = torch.rand(n_rays, 3, generator=generator) * 2.4 - 1.2
    directions = torch.nn.functional.normalize(targets - origins, dim=1)
    renderer = VolumeRenderer(field, occupancy, step=3 / 256, far=8.0)
    jitter = torch.rand(n_rays, generator=generator)
    return origins, directions, jitter, renderer.geometry(np.dtype(np.float32))


def marching(n_rays: int) -> dict[str, Any]:
    """From rays to packed samples."""
    rays = shell(n_rays)
    samples = march_packed(*rays)
    read = n_rays * 7 * FLOAT + rays[3].distances.nbytes
    return {
        "operation": "march",
        "of": f"{n_rays:,} rays, {len(samples.t):,} samples",
        "bytes": read + sum(tensor.numel() * tensor.element_size() for tensor in samples),
        "contenders": {
            "polyfield": once(lambda: march_packed(*rays)),
            "torch": once(lambda: march_reference(*rays)),
        },
    }


def compositing(n_rays: int) -> dict[str, Any]:
    """From density and colour of samples to rays, and back."""
    samples = march_packed(*shell(n_rays))
    n = len(samples.t)
    generator = torch.Generator().manual_seed(0)
    density = torch.rand(n, generator=generator) * 60
    rgb = torch.rand(n, 3, generator=generator)
    d_out = torch.randn(n_rays, 6, generator=generator)

    def contender(run: Callable[[Tensor, Tensor, Samples, float], Tensor]) -> Contender:
        inputs = (density.clone().requires_grad_(), rgb.clone().requires_grad_())

        def turn(watch: Watch) -> None:
            for tensor in inputs:
                tensor.grad = None
            with watch.phase("forward"):
                out = run(*inputs, samples, STOP)
            with watch.phase("backward"):
                out.backward(d_out)

        return turn

    # Forward reads density, colour, t, dt; backward reads them again and writes two gradients.
    return {
        "operation": "composite, forward and backward",
        "of": f"{n_rays:,} rays, {n:,} samples",
        "bytes": FLOAT * (n * (6 + 6 + 4) + 3 * 6 * n_rays),
        "contenders": {
            "polyfield": contender(composite),
            "torch": contender(torch_composite),
        },
    }


def adam(parameters: int) -> list[dict[str, Any]]:
    """A step where all entries have a gradient, and one where a tenth of the lines have."""
    generator = torch.Generator().manual_seed(0)
    dense = torch.randn(parameters, generator=generator)
    lines = torch.rand(parameters // LINE, 1, generator=generator) < 0.1
    sparse = (dense.view(-1, LINE) * lines).flatten()
    touched = int(lines.sum()) * LINE
    rows = []
    for of, gradient, skip in (
        ("every entry has a gradient", dense, False),
        ("a tenth has a gradient", sparse, True),
    ):
        # Touched entries: gradient, value and two moments are read, the latter three written.
        n_bytes = FLOAT * (7 * touched + (parameters - touched) if skip else 7 * parameters)
        contenders = {
            "polyfield": adam_contender(gradient, skip),
            "torch": torch_adam_contender(gradient, fused=True),
            "torch, not fused": torch_adam_contender(gradient, fused=False),
        }
        of = f"{parameters:,} parameters, {of}"
        rows.append({"operation": "Adam", "of": of, "bytes": n_bytes, "contenders": contenders})
    return rows


def adam_contender(gradient: Tensor, skip_zero: bool) -> Contender:
    """Our step on parameters of its own."""
    parameter, m, v = (torch.zeros_like(gradient) for _ in range(3))

    def step() -> None:
        adam_step(
            parameter, gradient, m, v, lr=1e-2, beta1=0.9, beta2=0.99, eps=1e-15, step=1,
            skip_zero=skip_zero,
        )  # fmt: skip

    return once(step)


def torch_adam_contender(gradient: Tensor, fused: bool) -> Contender:
    """torch's step on parameters of its own."""
    parameter = torch.nn.Parameter(torch.zeros_like(gradient))
    parameter.grad = gradient
    optimizer = torch.optim.Adam([parameter], lr=1e-2, betas=(0.9, 0.99), eps=1e-15, fused=fused)
    return once(optimizer.step)
