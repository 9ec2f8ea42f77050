"""Clusters of what is alike, and places as whole numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from polyfield.compression.clusters import cluster_count, k_means
from polyfield.compression.places import place
from polyfield.errors import InputError
from polyfield.splats.morton import interleaved, separated


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_groups_that_lie_apart_are_found() -> None:
    centres = 10 * torch.eye(6, 12)
    truth = torch.arange(600) % 6
    table = centres[truth] + 0.3 * torch.randn(600, 12, generator=seeded())
    for seed in range(5):
        labels = k_means(table, 6, seeded(seed))
        assert len({(a, b) for a, b in zip(labels.tolist(), truth.tolist())}) == 6
        assert torch.equal(labels, k_means(table, 6, seeded(seed)))


def test_many_rows_are_looked_at_in_batches() -> None:
    table = (torch.arange(200_000) % 4)[:, None].float()
    labels = k_means(table, 4, seeded())
    for i in range(4):
        assert len(labels[i::4].unique()) == 1
    assert len(labels.unique()) == 4


def test_rows_that_are_all_the_same() -> None:
    assert k_means(torch.ones(7, 3), 3, seeded()).max() < 3
    assert len(k_means(torch.ones(0, 3), 1, seeded())) == 0


def test_how_many() -> None:
    assert cluster_count("auto", 1_000_000) == 140
    assert cluster_count("auto", 40_960) == 20
    assert cluster_count("auto", 3000) == 6
    assert cluster_count("auto", 2) == 2
    assert [cluster_count(kind, 10**6) for kind in ("object", "indoor", "outdoor")] == [8, 60, 120]
    assert cluster_count(5, 3) == 3
    for wrong in (0, -1, 70_000, "many", 2.5, True, None):
        with pytest.raises(InputError, match="clusters"):
            cluster_count(wrong, 100)  # type: ignore[arg-type]


def test_codes_come_apart_again() -> None:
    cells = np.random.default_rng(0).integers(0, 2**21, (500, 3)).astype(np.uint64)
    cells[0], cells[1] = 0, 2**21 - 1
    np.testing.assert_array_equal(separated(interleaved(cells)), cells)
    assert interleaved(cells).max() == 2**63 - 1


@pytest.mark.parametrize("bits", [8, 16, 21])
def test_places_are_kept_to_half_a_cell(bits: int) -> None:
    rng = np.random.default_rng(0)
    means = rng.normal(size=(500, 3)).astype(np.float32)
    labels = rng.integers(0, 3, 500) * 2  # two labels have none
    places, order = place(means, labels, bits)
    assert places.counts.tolist() == [int((labels == i).sum()) for i in (0, 2, 4)]
    assert (np.diff(labels[order]) >= 0).all()
    assert np.unique(order).size == 500
    starts = np.cumsum(places.counts) - places.counts
    assert (
        np.diff(places.codes.astype(np.int64))[np.setdiff1d(np.arange(499), starts - 1)] >= 0
    ).all()
    # A cell is at most that of the far corner, cosh(u) wide.
    cell = np.ptp(means, axis=0).max() / (2**bits - 1)
    apart = np.abs(places.means() - means[order]).max()
    assert apart < 0.75 * cell + 1e-6


def test_a_far_background_costs_the_middle_little() -> None:
    rng = np.random.default_rng(0)
    means = rng.normal(size=(1000, 3)).astype(np.float32)
    means[:50] *= 1e5
    places, order = place(means, np.zeros(1000, np.int64), 16)
    apart = np.abs(places.means() - means[order])
    near = order >= 50
    assert apart[near].max() < 5e-3
    assert (apart[~near] / np.abs(means[order][~near]).max(axis=1, keepdims=True)).max() < 1e-3


def test_places_of_one_point_and_of_one_plane() -> None:
    places, _ = place(np.full((3, 3), 7.25, np.float32), np.zeros(3, np.int64), 16)
    np.testing.assert_array_equal(places.means(), np.full((3, 3), 7.25, np.float32))
    flat = np.array([[0, 0, 1], [1, 0, 1], [0, 2, 1]], np.float32)
    places, order = place(flat, np.array([0, 0, 1]), 16)
    np.testing.assert_allclose(places.means(), flat[order], atol=1e-4)
    with pytest.raises(InputError, match="bits"):
        place(flat, np.zeros(3, np.int64), 22)
