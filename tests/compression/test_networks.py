"""Networks of clusters: their shape, what they learn, what clusters and weights are for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from polyfield.compression.fitting import MOST_WEIGHT, fit, row_weights
from polyfield.compression.networks import ClusterNetworks, encoded, parameter_count
from polyfield.errors import InputError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_any_number_of_places_of_each_cluster() -> None:
    networks = ClusterNetworks(3, 5, width=8, layers=2, frequencies=4, generator=seeded())
    places = encoded(torch.rand(3, 6, 3, generator=seeded(1)), 4)
    together = networks(places)
    pieces = [places[0, :2], places[1], places[2, :1]]
    apart = networks.each(pieces)
    expected = torch.cat([together[0, :2], together[1], together[2, :1]])
    torch.testing.assert_close(apart, expected)
    apart.square().sum().backward()
    gradients = [p.grad for p in networks.parameters()]
    networks.zero_grad()
    expected = torch.cat([t[: len(p)] for t, p in zip(networks(places), pieces)])
    expected.square().sum().backward()
    for found, parameter in zip(gradients, networks.parameters()):
        torch.testing.assert_close(found, parameter.grad)


def test_parameters_as_one_row_a_network() -> None:
    networks = ClusterNetworks(2, 5, width=8, layers=1, frequencies=2, generator=seeded())
    flat = networks.flat()
    assert flat.shape == (2, parameter_count(networks.widths)) == (2, 16 * 8 + 8 * 5 + 5)
    other = ClusterNetworks(2, 5, width=8, layers=1, frequencies=2)
    other.load_flat(flat)
    places = encoded(torch.rand(2, 4, 3), 2)
    torch.testing.assert_close(other(places), networks(places))
    size, mean = torch.rand(5), torch.rand(5)
    expected = networks(places) * size + mean
    networks.rescale_outputs(size, mean)
    torch.testing.assert_close(networks(places), expected)
    with pytest.raises(InputError, match="width"):
        ClusterNetworks(1, 5, width=0)


def two_kinds(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Places, and values that depend on them in two ways; which of the two is by chance."""
    places = torch.rand(n, 3, generator=seeded(3))
    kind = torch.rand(n, generator=seeded(4)) < 0.5
    waves = torch.stack([(5 * places[:, 0]).sin(), places[:, 1], (4 * places[:, 2]).cos()], dim=1)
    return places, torch.where(kind[:, None], waves, -waves), kind


def test_clusters_of_what_is_alike_are_easier_than_one_network_of_their_size() -> None:
    places, table, kind = two_kinds(600)
    order = kind.int().argsort(stable=True)
    seen = encoded(places[order], 6)
    split = [int((~kind).sum()), int(kind.sum())]
    two = ClusterNetworks(2, 3, width=12, layers=2, frequencies=6, generator=seeded())
    one = ClusterNetworks(1, 3, width=22, layers=2, frequencies=6, generator=seeded())
    assert one.flat().numel() > two.flat().numel()
    errors = [
        fit(networks, seen, counts, table[order], None, 150, seeded())
        for networks, counts in ((two, split), (one, [600]))
    ]
    assert errors[0] < 0.5 * errors[1]


def test_what_matters_is_fitted_better() -> None:
    """Noise cannot be learned by so few parameters; a part of it can, at the cost of the rest."""
    places = torch.rand(800, 3, generator=seeded(1))
    table = torch.randn(800, 4, generator=seeded(2))
    matters = torch.where(torch.arange(800) % 10 == 0, 20.0, 0.2)
    seen, errors = encoded(places, 8), []
    for weights in (matters, None):
        networks = ClusterNetworks(1, 4, width=16, layers=2, frequencies=8, generator=seeded())
        fit(networks, seen, [800], table, weights, 200, seeded())
        with torch.no_grad():
            apart = (networks(seen[None])[0] - table).square().mean(dim=1)
        errors.append((float(apart[matters > 1].mean()), float(apart[matters < 1].mean())))
    assert errors[0][0] < 0.7 * errors[1][0]
    assert errors[0][1] > errors[1][1]


def test_weights_have_a_mean_of_one_in_each_cluster() -> None:
    weights = torch.cat([torch.rand(50, generator=seeded()), torch.tensor([1e9]), torch.zeros(3)])
    found = row_weights(weights, torch.tensor([50, 1, 3]))
    torch.testing.assert_close(found[:50].mean(), torch.tensor(1.0))
    assert found[50] == 1
    assert found[51:].tolist() == [0, 0, 0]
    spike = row_weights(torch.cat([torch.ones(99), torch.tensor([1e6])]), torch.tensor([100]))
    assert float(spike.max() / spike.min()) <= 1e6
    assert float(spike[-1]) < 100 * MOST_WEIGHT


def test_fitting_is_the_same_each_time() -> None:
    places, table, _ = two_kinds(200)
    found = []
    for _ in range(2):
        networks = ClusterNetworks(2, 3, width=8, layers=1, frequencies=3, generator=seeded())
        fit(networks, encoded(places, 3), [150, 50], table, None, 20, seeded(5))
        found.append(networks.flat())
    assert torch.equal(*found)
    with pytest.raises(InputError, match="steps"):
        fit(networks, encoded(places, 3), [200], table, None, -1, seeded())
