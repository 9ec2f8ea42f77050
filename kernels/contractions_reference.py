"""The definition of right for tensor trains and Tucker decompositions, in plain torch.

Letters as in `kernels.tensor_train` and `kernels.tucker`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.kernels.encode import EncoderKernels
from polyfield.kernels.factors_reference import interpolate, seen


def train_reference(
    x: Float[Tensor, "n d"],
    params: Float[Tensor, " p"],
    frames: Float[Tensor, "t d d"],
    kernels: EncoderKernels,
    counts: Sequence[int],
    rank: int,
    features: int,
) -> Float[Tensor, "n c"]:
    """The features of `kernels.tensor_train.encode` for every part."""
    d, outputs, at = len(counts), [], 0
    widths = [rank, *[rank * rank] * (d - 2), rank * features]
    for part in range(kernels.n_parts):
        y = seen(x, frames, kernels, part)
        row: Tensor | None = None
        for a in range(d):
            rows = params[at : at + counts[a] * widths[a]].view(counts[a], widths[a])
            at += rows.numel()
            values = interpolate(y[:, a : a + 1], rows, [counts[a]])
            if row is None:
                row = values
            else:
                row = torch.einsum("ni,nik->nk", row, values.view(len(x), rank, -1))
        assert row is not None
        outputs.append(row)
    return torch.cat(outputs, dim=1)


def tucker_reference(
    x: Float[Tensor, "n d"],
    params: Float[Tensor, " p"],
    frames: Float[Tensor, "t d d"],
    kernels: EncoderKernels,
    counts: Sequence[int],
    rank: int,
    features: int,
) -> Float[Tensor, "n c"]:
    """The features of `kernels.tucker.encode` for every part."""
    d, outputs, at = len(counts), [], 0
    for part in range(kernels.n_parts):
        y = seen(x, frames, kernels, part)
        core = params[at : at + rank**d * features]
        at += core.numel()
        tensor = core.expand(len(x), -1)
        for a in range(d):
            rows = params[at : at + counts[a] * rank].view(counts[a], rank)
            at += rows.numel()
            weights = interpolate(y[:, a : a + 1], rows, [counts[a]])
            tensor = torch.einsum("ni,nik->nk", weights, tensor.reshape(len(x), rank, -1))
        outputs.append(tensor)
    return torch.cat(outputs, dim=1)
