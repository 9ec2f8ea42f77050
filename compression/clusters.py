"""Gaussians in groups that are alike: k-means (Lloyd 1982) in mini-batches (Sculley 2010).

Letters: n rows of a table, a columns, c clusters.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from polyfield.errors import InputError

KINDS = {"object": 8, "indoor": 60, "outdoor": 120}
"""c by what a scene shows, the middle of what NeuralGS has for each."""

EACH = 2048  # Gaussians that are worth a network of their own
LEAST, MOST = 6, 140  # clusters where nothing is known but how many Gaussians there are
BATCH = 1 << 16  # rows that are looked at in one round
CHUNK = 1 << 15  # rows that are compared with all centres at once


def cluster_count(clusters: int | str, n: int) -> int:
    """How many clusters.

    Args:
        clusters: a number, one of `KINDS`, or "auto": by the number n of Gaussians.

    Raises:
        InputError: for anything else.
    """
    if clusters == "auto":
        return max(min(max(n // EACH, LEAST), MOST, n), 1)
    if isinstance(clusters, str) and clusters in KINDS:
        return max(min(KINDS[clusters], n), 1)
    if isinstance(clusters, int) and not isinstance(clusters, bool) and 1 <= clusters <= 65535:
        return max(min(clusters, n), 1)
    expected = f"auto, {', '.join(KINDS)}, or 1 to 65535"
    raise InputError(field="clusters", found=clusters, expected=expected)


def k_means(
    table: Float[Tensor, "n a"], c: int, generator: torch.Generator, rounds: int = 20
) -> Int64[Tensor, " n"]:
    """The cluster of each row, 0 to c - 1; the same for the same generator.

    Args:
        table: columns of one size, as `attributes.Normalisation` makes them.
        rounds: of assigning and averaging.
    """
    n = len(table)
    if c <= 1 or n == 0:
        return torch.zeros(n, dtype=torch.int64)
    centres = _first_centres(table[_some(n, generator)], c, generator)
    for _ in range(rounds):
        rows = table[_some(n, generator)]
        labels, away = _nearest(rows, centres)
        counts = torch.bincount(labels, minlength=c)
        sums = torch.zeros_like(centres).index_add_(0, labels, rows)
        centres = torch.where((counts > 0)[:, None], sums / counts.clamp(min=1)[:, None], centres)
        # A centre that nothing is near to moves to what is far from all.
        empty = torch.nonzero(counts == 0)[:, 0]
        centres[empty] = rows[away.topk(min(len(empty), len(rows))).indices][: len(empty)]
    return _nearest(table, centres)[0]


def _some(n: int, generator: torch.Generator) -> Tensor:
    """All rows, or a batch of them."""
    if n <= BATCH:
        return torch.arange(n)
    return torch.randint(n, (BATCH,), generator=generator)


def _first_centres(table: Tensor, c: int, generator: torch.Generator) -> Float[Tensor, "c a"]:
    """Rows drawn by their squared distance to those drawn before (k-means++, Arthur 2007)."""
    chosen = [int(torch.randint(len(table), (1,), generator=generator))]
    away = (table - table[chosen[0]]).square().sum(dim=1)
    while len(chosen) < c:
        # In double: the sum of many small numbers must reach its end.
        reach = away.double().cumsum(0)
        at = torch.rand(1, generator=generator, dtype=torch.float64) * reach[-1]
        chosen.append(min(int(torch.searchsorted(reach, at)), len(table) - 1))
        away = torch.minimum(away, (table - table[chosen[-1]]).square().sum(dim=1))
    return table[chosen].clone()


def _nearest(rows: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest centre of each row, and the squared distance to it."""
    labels, away = [], []
    for part in rows.split(CHUNK):
        distances = torch.addmm(centres.square().sum(dim=1), part, centres.T, beta=1, alpha=-2)
        least = distances.min(dim=1)
        labels.append(least.indices)
        away.append((least.values + part.square().sum(dim=1)).clamp(min=0))
    return torch.cat(labels), torch.cat(away)
