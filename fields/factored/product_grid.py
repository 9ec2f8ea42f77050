"""Contractions on the product of coordinates: what a factored grid holds at all of them at once.

Letters: d axes with n_1 ... n_d coordinates, P parts of F features each, c = P F, r the rank, k
numbers that a linear map `mix` [c, k] makes of the features. A line factor of axis a, read at its
coordinates, is `lines[a]` [n_a, P, w_a]:

    CP      w = F                   u = sum_c mix_ck prod_a lines[a]_c
    TT      w = r, r r ..., r F     u = the product of the matrices, as in `kernels.tensor_train`
    Tucker  w = r, core [P, r^d F]  u = the core contracted with all lines, `kernels.tucker`

The map is taken in before anything is as large as the grid: the grid itself costs one matrix
product, of n_1 ... n_d k numbers with r (CP: c) terms each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def products_on_grid(
    lines: Sequence[Float[Tensor, "n P F"]], mix: Float[Tensor, "c k"]
) -> Float[Tensor, "*n k"]:
    """Products of lines (CP) at all combinations of their coordinates, mapped by `mix`.

    Some of the first axes are multiplied on the left, the others on the right: as many as need the
    fewest numbers, of which the left has k to each of the right.
    """
    flat = [line.flatten(1) for line in lines]
    if len(flat) == 1:
        return flat[0] @ mix
    counts = [len(line) for line in flat]

    def numbers(axes: int) -> int:
        return mix.shape[1] * math.prod(counts[:axes]) + math.prod(counts[axes:])

    first = min(range(1, len(flat)), key=numbers)
    left = mix.T[:, None, :] * _multiplied(flat[:first])  # [k, n_1 n_2 ..., c]
    grid = left.flatten(0, 1) @ _multiplied(flat[first:]).T
    return grid.view(-1, *counts).movedim(0, -1)


def _multiplied(lines: Sequence[Float[Tensor, "n c"]]) -> Float[Tensor, "m c"]:
    """Products of lines at all combinations of their coordinates, the last varying fastest."""
    product = lines[0]
    for line in lines[1:]:
        product = (product[:, None, :] * line).flatten(0, 1)
    return product


def trains_on_grid(
    lines: Sequence[Float[Tensor, "n P w"]], mix: Float[Tensor, "c k"], rank: int
) -> Float[Tensor, "*n k"]:
    """Tensor trains at all combinations of their coordinates, mapped by `mix`."""
    parts = lines[0].shape[1]
    counts = [len(line) for line in lines]
    row = lines[0].transpose(0, 1)  # [P, n_1 ... n_a, r]
    for line in lines[1:-1]:
        matrices = line.view(len(line), parts, rank, rank).permute(1, 2, 0, 3)
        row = (row @ matrices.reshape(parts, rank, -1)).view(parts, -1, rank)
    last = lines[-1].view(counts[-1], parts, rank, -1)
    mixed = torch.einsum("nprf,pfk->kprn", last, mix.view(parts, -1, mix.shape[1]))
    rows = row.transpose(0, 1).reshape(-1, parts * rank)
    grid = rows @ mixed.reshape(-1, parts * rank, counts[-1])
    return grid.view(-1, *counts).movedim(0, -1)


def tuckers_on_grid(
    lines: Sequence[Float[Tensor, "n P r"]],
    core: Float[Tensor, "P s"],
    mix: Float[Tensor, "c k"],
    rank: int,
) -> Float[Tensor, "*n k"]:
    """Tucker decompositions at all combinations of their coordinates, mapped by `mix`."""
    parts, d, k = lines[0].shape[1], len(lines), mix.shape[1]
    counts = [len(line) for line in lines]
    small = core.view(parts, rank**d, -1) @ mix.view(parts, -1, k)
    # Contract all axes but the last part by part, then the last one and the parts together.
    tensor = small.view(parts, rank ** (d - 1), rank * k)
    done = 1
    for a, line in enumerate(lines[:-1]):
        tensor = tensor.reshape(parts, done, rank, rank ** (d - 2 - a) * rank * k)
        tensor = torch.einsum("pdrx,npr->pdnx", tensor, line)
        done *= counts[a]
    tensor = tensor.reshape(parts, done, rank, k).permute(3, 1, 0, 2)
    grid = tensor.reshape(k * done, parts * rank) @ lines[-1].flatten(1).T
    return grid.view(-1, *counts).movedim(0, -1)


def grid_points(axes: Sequence[Float[Tensor, " n"]]) -> Float[Tensor, "m d"]:
    """All combinations of coordinates, the last varying fastest."""
    mesh = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([values.reshape(-1) for values in mesh], dim=-1)


def grid_size(axes: Sequence[Tensor]) -> int:
    """How many combinations there are."""
    return math.prod(len(axis) for axis in axes)
