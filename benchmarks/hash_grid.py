"""Cells of the hash grid: ours, plain torch and torch.compile, forward and backward.

Letters: n points.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from polyfield.benchmarks.timing import Contender, Watch, interleaved
from polyfield.benchmarks.torch_hash_grid import TorchHashGrid
from polyfield.fields import HashGrid

Encoding = Callable[[Tensor, Tensor], Tensor]


def measure(
    points: int,
    levels: int,
    features: int,
    log2_entries: int,
    max_resolution: int,
    repetitions: int,
) -> dict[str, Any]:
    """Milliseconds of each, for the same random points, table and gradient.

    Args:
        points: n; the others are those of the grid.
    """
    generator = torch.Generator().manual_seed(0)
    grid = HashGrid(
        levels=levels,
        features=features,
        log2_entries=log2_entries,
        max_resolution=max_resolution,
        generator=generator,
    )
    assert grid.kernels is not None
    x = torch.rand(points, 3, generator=generator)
    d_out = torch.randn(points, grid.out_dim, generator=generator)
    plain = TorchHashGrid(grid)
    encodings: dict[str, Encoding] = {
        "polyfield": grid.kernels,
        "torch": plain.gather,
        "torch, tuned": plain.bags,
    }
    not_run = {}
    compiled, reason = compiled_encoding(plain.unrolled, x, grid.table, d_out)
    if compiled is None:
        not_run["torch.compile"] = reason
    else:
        encodings["torch.compile"] = compiled
    contenders = {
        name: step(encoding, x, grid.table, d_out) for name, encoding in encodings.items()
    }
    return {
        "parameters": grid.table.numel(),
        "times": interleaved(contenders, repetitions),
        "not_run": not_run,
    }


def step(encoding: Encoding, x: Tensor, table: Tensor, d_out: Tensor) -> Contender:
    """Forward and backward as a contender."""
    parameter = table.detach().clone().requires_grad_()

    def contender(watch: Watch) -> None:
        parameter.grad = None
        with watch.phase("forward"):
            out = encoding(x, parameter)
        with watch.phase("backward"):
            out.backward(d_out)

    return contender


def compiled_encoding(
    encoding: Encoding, x: Tensor, table: Tensor, d_out: Tensor
) -> tuple[Encoding | None, str]:
    """torch.compile of an encoding, run once; or None and why there is none."""
    made: Encoding = torch.compile(encoding)
    try:
        step(made, x, table, d_out)(Watch())
    except Exception as error:  # whatever its compiler runs into
        lines = str(error).strip().splitlines()
        return None, f"{type(error).__name__}: {lines[0] if lines else ''}"[:200]
    return made, ""
