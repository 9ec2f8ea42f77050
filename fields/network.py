"""Small rectified networks as one flat vector of parameters, the layout of `kernels.mlp`.

Letters: n points, p parameters. `widths` are those of the layers, inputs first; layer i (1 is the
first) with i = `skip` sees the inputs again, -1 for none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def layers(widths: Sequence[int], skip: int = -1) -> list[tuple[int, int]]:
    """(inputs, outputs) of each layer, the skipped features counted in."""
    return [
        (widths[i - 1] + (widths[0] if i == skip else 0), widths[i]) for i in range(1, len(widths))
    ]


def initial_parameters(
    widths: Sequence[int], skip: int = -1, generator: torch.Generator | None = None
) -> Float[Tensor, " p"]:
    """Flat weights, uniform by He's rule for rectified layers; biases zero."""
    pieces = [torch.empty(0)]
    shapes = layers(widths, skip)
    for i, (fan_in, fan_out) in enumerate(shapes, start=1):
        bound = math.sqrt((6 if i < len(shapes) else 3) / fan_in)
        weight = torch.empty(fan_in * fan_out).uniform_(-bound, bound, generator=generator)
        pieces += [weight, torch.zeros(fan_out)]
    return torch.cat(pieces)


def network(x: Tensor, params: Tensor, widths: Sequence[int], skip: int = -1) -> Tensor:
    """The network of `kernels.mlp` in plain torch: [n, widths[0]] -> [n, widths[-1]]."""
    h, at = x, 0
    shapes = layers(widths, skip)
    for i, (fan_in, fan_out) in enumerate(shapes, start=1):
        weight = params[at : at + fan_in * fan_out].view(fan_in, fan_out)
        at += fan_in * fan_out
        bias = params[at : at + fan_out]
        at += fan_out
        h = torch.addmm(bias, torch.cat([h, x], dim=-1) if i == skip else h, weight)
        if i < len(shapes):
            h = F.relu(h)
    return h
