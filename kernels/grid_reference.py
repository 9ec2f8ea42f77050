"""The definition of right for grids, in plain torch: any device, differentiable to second order.

Letters as in `kernels.grid`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.kernels.encode import EncoderKernels
from polyfield.kernels.lattice import PRIMES


def grid_reference(
    x: Float[Tensor, "n d"], params: Float[Tensor, " p"], kernels: EncoderKernels, features: int
) -> Float[Tensor, "n c"]:
    """The features of `kernels.grid.encode` for every part, columns in the parts' order."""
    d = x.shape[1]
    rows = params.view(-1, features)
    bits = (torch.arange(2**d, device=x.device)[:, None] >> torch.arange(d, device=x.device)) & 1
    outputs: list[tuple[int, Tensor]] = []
    for part in range(kernels.n_parts):
        at, f = 1 + part * (4 + d), part * (d + 1)
        hashed, size, first_row, column = kernels.ints[at : at + 4].tolist()
        counts = torch.tensor(kernels.ints[at + 4 : at + 4 + d], device=x.device)
        floats = torch.tensor(kernels.floats[f : f + d + 1], dtype=x.dtype, device=x.device)
        q = x.clamp(0, 1) * floats[:d] + floats[d]
        cell = torch.minimum(q.detach().nan_to_num().long(), counts - 2)
        upper = q - cell
        vertices = cell[:, None, :] + bits  # [n, k, d]
        weight = torch.where(bits.bool(), upper[:, None, :], 1 - upper[:, None, :]).prod(dim=-1)
        if hashed:
            index = torch.zeros_like(vertices[..., 0])
            for a in range(d):
                index = index ^ ((vertices[..., a] * int(PRIMES[a])) & 0xFFFFFFFF)
            index = index & (size - 1)
        else:
            strides = torch.cumprod(torch.cat([counts.new_ones(1), counts[:-1]]), dim=0)
            index = (vertices * strides).sum(dim=-1)
        outputs.append((column, (weight[..., None] * rows[index + first_row]).sum(dim=1)))
    return torch.cat([values for _, values in sorted(outputs, key=lambda pair: pair[0])], dim=1)
