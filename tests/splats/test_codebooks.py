"""Codebooks stand for their samples as well as k-means does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyfield.splats.codebooks import scalar_codebook, vector_codebook


def mean_square(samples: np.ndarray, entries: np.ndarray, labels: np.ndarray) -> float:
    return float(((samples - entries[labels]) ** 2).mean())


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60),
    m=st.sampled_from([2, 3, 16, 256]),
)
def test_each_value_has_the_nearest_entry(values, m):
    samples = np.array(values, np.float32)
    entries, labels = scalar_codebook(samples, m)
    assert len(entries) == m
    assert (np.diff(entries) >= 0).all()
    distances = np.abs(samples[:, None].astype(np.float64) - entries)
    chosen = np.take_along_axis(distances, labels[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(chosen, distances.min(axis=1), rtol=1e-6, atol=1e-3)


def test_few_values_are_kept():
    samples = np.repeat([-3.0, 0.0, 0.5, 100.0], [1, 5, 50, 2]).astype(np.float32)
    entries, labels = scalar_codebook(samples, 256)
    np.testing.assert_allclose(entries[labels], samples, atol=1e-6)


@pytest.mark.parametrize("far", [0.0, 1e4])
def test_as_good_as_many_entries_can_be(far):
    """Panter and Dite: the integral of density^(1/3), cubed, over 12 m^2."""
    samples = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    samples[:3] = far  # which costs an entry
    entries, labels = scalar_codebook(samples, 256)
    best = np.sqrt(3) * np.pi / 2 / 256**2
    assert mean_square(samples, entries, labels) < 1.1 * best


def clustered(n: int, c: int = 24, kinds: int = 100) -> np.ndarray:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(kinds, c))
    return (centers[rng.integers(kinds, size=n)] + 0.1 * rng.normal(size=(n, c))).astype("f4")


def test_vectors_are_stood_for_as_by_plain_k_means():
    """Within a tenth of Lloyd's algorithm over all entries at once."""
    samples, m = clustered(4000), 512
    entries, labels = vector_codebook(samples, m)
    assert len(entries) <= m
    plain = samples[np.random.default_rng(1).choice(len(samples), m, replace=False)]
    for _ in range(12):
        distances = (plain**2).sum(axis=1) - 2 * samples @ plain.T
        nearest = distances.argmin(axis=1)
        counts = np.bincount(nearest, minlength=m)
        sums = np.zeros_like(plain)
        np.add.at(sums, nearest, samples)
        plain = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], plain)
    ours = mean_square(samples, entries, labels)
    assert ours < 1.1 * mean_square(samples, plain, nearest)


@pytest.mark.parametrize("n", [1, 5, 63, 64, 65, 130, 1000])
def test_any_number_of_vectors(n):
    samples = clustered(n, 9, 3)
    entries, labels = vector_codebook(samples, 64)
    assert len(entries) == min(n, 64)
    assert labels.shape == (n,)
    assert labels.max() < len(entries)
    if n <= 64:
        np.testing.assert_array_equal(entries[labels], samples)


def test_equal_vectors():
    samples = np.ones((1000, 9), np.float32)
    entries, labels = vector_codebook(samples, 256)
    np.testing.assert_allclose(entries[labels], samples)


def test_the_same_vectors_again():
    samples = clustered(3000, 9)
    first, second = vector_codebook(samples, 256), vector_codebook(samples, 256)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
