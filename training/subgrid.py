"""Batches that are grids themselves: some of the samples along each axis, in all combinations.

What is evaluated axis by axis (`SignalField.on_grid`) sees many samples at the price of few
coordinates. Letters: d axes with n_1 ... n_d samples, m_1 ... m_d of them in a batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

FEW = 8  # a batch is a small share where all are at least so many times as many


def batch_counts(counts: Sequence[int], most: int) -> list[int]:
    """m_1 ... m_d: as even a share of every axis as makes at most `most` samples; at least 1 each.

    Short axes first: what they cannot give for being at least 1, the longer ones must.
    """
    made, left = dict.fromkeys(range(len(counts)), 1), float(most)
    axes = sorted(range(len(counts)), key=lambda a: counts[a])
    for i, a in enumerate(axes):
        rest = axes[i:]
        share = min(1.0, (left / math.prod(counts[b] for b in rest)) ** (1 / len(rest)))
        # A share of a number of axes that makes all of it is all of it, whatever the rounding.
        made[a] = max(1, math.floor(share * counts[a] + 1e-6))
        left = max(left / made[a], 1.0)
    return [made[a] for a in range(len(counts))]


def draw_subgrid(
    counts: Sequence[int], most: int, generator: torch.Generator
) -> list[Int64[Tensor, " m"]]:
    """Numbers of random samples along each axis, ascending; all of them where they are few."""
    drawn = []
    for count, batch in zip(counts, batch_counts(counts, most)):
        drawn.append(_draw(count, batch, generator))
    return drawn


def _draw(count: int, batch: int, generator: torch.Generator) -> Int64[Tensor, " m"]:
    """A batch of the numbers below a count, each subset as likely as any, ascending."""
    if batch == count:
        return torch.arange(count)
    if count < FEW * batch:
        return torch.randperm(count, generator=generator)[:batch].sort().values
    # A permutation of all would cost far more than the batch; what is drawn twice is drawn again.
    drawn = torch.empty(0, dtype=torch.int64)
    while len(drawn) < batch:
        more = torch.randint(count, (batch - len(drawn),), generator=generator)
        drawn = torch.cat([drawn, more]).unique()
    return drawn


def numbers_of(counts: Sequence[int], drawn: Sequence[Int64[Tensor, " m"]]) -> Int64[Tensor, "*m"]:
    """The numbers of samples of a sub-grid, in the order of the whole grid's memory."""
    numbers = torch.zeros((), dtype=torch.int64)
    for count, index in zip(counts, drawn):
        numbers = numbers[..., None] * count + index
    return numbers


def slabs(counts: Sequence[int], most: int) -> Iterator[slice]:
    """Parts of the first axis whose samples are at most so many, or of one number of it."""
    each = max(1, most // math.prod(counts[1:]))
    return (slice(i, min(i + each, counts[0])) for i in range(0, counts[0], each))
