"""Networks fitted to the attributes of the Gaussians of their clusters.

Letters: n Gaussians, c clusters, m rows of each in a step, e numbers of an encoded place, a
attributes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.compression.networks import ClusterNetworks
from polyfield.errors import InputError
from polyfield.training.optimizers import Adam

ROWS = 4096  # of all clusters in a step, about
MOST_WEIGHT = 10.0  # of a row, where that of the mean is 1
FINAL = 0.03  # share of the learning rate at the end


def fit(
    networks: ClusterNetworks,
    encoded: Float[Tensor, "n e"],
    counts: Sequence[int],
    table: Float[Tensor, "n a"],
    weights: Float[Tensor, " n"] | None,
    steps: int,
    generator: torch.Generator,
    lr: float = 1e-2,
) -> float:
    """Learn a table, normalised, by heart: squared error, weighted, all clusters at once.

    Args:
        encoded: places, cluster after cluster.
        counts: [c] rows of each cluster.
        weights: how much each row counts; None for all alike.
        steps: of Adam; at the last the learning rate is FINAL of what it is at first.

    Returns:
        The weighted mean squared error of the last tenth of the steps.

    Raises:
        InputError: for a number of steps below 0.
    """
    if steps < 0:
        raise InputError(field="steps", found=steps, expected="0 or more")
    per_cluster = torch.as_tensor(counts)
    firsts = per_cluster.cumsum(0) - per_cluster
    m = max(min(int(per_cluster.max()), ROWS // len(networks)), 1)
    weights = torch.ones(len(table)) if weights is None else row_weights(weights, per_cluster)
    _begin_at_means(networks, table, counts)
    adam = Adam(networks.parameters(), lr=lr, betas=(0.9, 0.99), eps=1e-8)
    last = []
    for step in range(steps):
        rows = _rows(firsts, per_cluster, m, generator)
        errors = (networks(encoded[rows]) - table[rows]).square().sum(dim=2)
        loss = (errors * weights[rows]).mean(dim=1)
        loss.sum().backward()
        adam.param_groups[0]["lr"] = lr * FINAL ** (step / steps)
        adam.step()
        if step >= 0.9 * steps:
            last.append(float(loss.detach() @ per_cluster.float()) / len(table))
    return sum(last) / max(len(last), 1)


def row_weights(importance: Float[Tensor, " n"], counts: Tensor) -> Float[Tensor, " n"]:
    """Importance with a mean of 1 in each cluster, what is far above it cut."""
    pieces = importance.split(counts.tolist())
    scaled = [(p / p.mean().clamp(min=1e-20)).clamp(max=MOST_WEIGHT) for p in pieces]
    return torch.cat([p / p.mean().clamp(min=1e-20) for p in scaled])


def _begin_at_means(networks: ClusterNetworks, table: Tensor, counts: Sequence[int]) -> None:
    """Let each network begin by saying the mean of its cluster."""
    means = torch.stack([part.mean(dim=0) for part in table.split(list(counts))])
    with torch.no_grad():
        networks.biases[-1].copy_(means[:, None])


def _rows(firsts: Tensor, counts: Tensor, m: int, generator: torch.Generator) -> Tensor:
    """[c,m] rows of each cluster: from a random one on with an even stride, round and round."""
    begin = torch.rand(len(counts), 1, generator=generator) * counts[:, None]
    stride = (counts[:, None] / m).clamp(min=1)
    at = (begin + torch.arange(m) * stride).long() % counts[:, None]
    return firsts[:, None] + at
