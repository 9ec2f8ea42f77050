"""The definition of right for factored grids, in plain torch: any device, differentiable twice.

Letters as in `kernels.factors`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.kernels.encode import EncoderKernels
from polyfield.kernels.factors import AXES, FACTOR_INTS, PART_INTS, PRODUCT


def factors_reference(
    x: Float[Tensor, "n d"],
    params: Float[Tensor, " p"],
    frames: Float[Tensor, "t d d"],
    kernels: EncoderKernels,
    features: int,
) -> Float[Tensor, "n c"]:
    """The features of `kernels.factors.encode` for every part, columns in the parts' order."""
    rows = params.view(-1, features)
    outputs: list[tuple[int, Tensor]] = []
    for part in range(kernels.n_parts):
        column, reduction, factors = kernels.ints[1 + part * PART_INTS :][:3].tolist()
        y = seen(x, frames, kernels, part)
        total: Tensor | None = None
        for k in range(factors):
            at = 1 + part * PART_INTS + 3 + k * FACTOR_INTS
            numbers = kernels.ints[at : at + FACTOR_INTS].tolist()
            e, first_row = numbers[:2]
            axes, counts = numbers[2 : 2 + e], numbers[2 + AXES : 2 + AXES + e]
            values = interpolate(y[:, axes], rows[first_row:], counts)
            if total is None:
                total = values
            else:
                total = total * values if reduction == PRODUCT else total + values
        assert total is not None
        outputs.append((column, total))
    return torch.cat([values for _, values in sorted(outputs, key=lambda pair: pair[0])], dim=1)


def interpolate(
    x: Float[Tensor, "n e"], rows: Float[Tensor, "v F"], counts: list[int]
) -> Float[Tensor, "n F"]:
    """Multilinear interpolation in a lattice whose first coordinate varies fastest."""
    index = torch.zeros(len(x), 1, dtype=torch.int64, device=x.device)
    weight = x.new_ones(len(x), 1)
    stride = 1
    for a, count in enumerate(counts):
        q = x[:, a : a + 1].clamp(0, 1) * (count - 1)
        cell = q.detach().nan_to_num().long().clamp(max=count - 2)
        upper = q - cell
        index = torch.cat([index + cell * stride, index + (cell + 1) * stride], dim=1)
        weight = torch.cat([weight * (1 - upper), weight * upper], dim=1)
        stride *= count
    return (weight[..., None] * rows[index]).sum(dim=1)


def seen(
    x: Float[Tensor, "n d"], frames: Float[Tensor, "t d d"], kernels: EncoderKernels, part: int
) -> Float[Tensor, "n d"]:
    """Points as a part sees them; see `kernels.frames`."""
    if len(frames) == 0:
        return x
    return 0.5 + (x - 0.5) @ frames[int(kernels.frame_of[part])].T
