"""Few values, or few vectors, that stand for many: k-means in one dimension and in many.

Letters: n samples, c components of one, m entries of a codebook.

In one dimension the samples are sorted once; what an entry stands for is then a range, and a round
of Lloyd's algorithm (1982) is m binary searches and m differences of running sums. Entries start as
dense as the cube root of the samples' density, where many of them would end (Panter and Dite 1951);
one that stands for nothing moves to where the error is greatest.

In many dimensions all entries at once would cost n m c a round. Instead samples are divided among
some 2 sqrt(m) coarse entries and each of those groups has its own share of the fine ones.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from threadpoolctl import threadpool_limits

ROUNDS_SCALAR = 60
WIDEST_GAP = 1000  # between neighbouring quantiles, relative to the median one
ROUNDS_COARSE, ROUNDS_FINE = 4, 3
BLOCK_FLOATS = 1 << 22  # of distances at a time
TRAINED_PER_ENTRY = 64  # samples a coarse entry learns from


def scalar_codebook(
    values: Float[np.ndarray, "..."], m: int
) -> tuple[Float[np.ndarray, " m"], Int[np.ndarray, "..."]]:
    """m values in ascending order and, for each of the given ones, which is nearest."""
    ordered = np.sort(values, axis=None).astype(np.float64)
    # Around the middle one, so that differences of sums of squares keep their digits.
    middle = ordered[len(ordered) // 2]
    ordered -= middle
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    squares = np.concatenate([[0.0], np.cumsum(ordered**2)])
    entries = _cube_root_quantiles(ordered, m)
    for _ in range(ROUNDS_SCALAR):
        cuts = np.searchsorted(ordered, (entries[1:] + entries[:-1]) / 2)
        cuts = np.concatenate([[0], cuts, [len(ordered)]])
        counts = np.diff(cuts)
        means = np.diff(sums[cuts]) / np.maximum(counts, 1)
        errors = np.diff(squares[cuts]) - counts * means**2
        moved = np.where(counts > 0, means, entries)
        unused = np.flatnonzero(counts == 0)
        worst = np.argsort(-errors)[: min(len(unused), int((counts > 1).sum()))]
        upper_half = ordered[(cuts[worst] + 3 * cuts[worst + 1]) // 4]
        moved[unused[: len(worst)]] = upper_half
        moved.sort()
        if np.array_equal(moved, entries):
            break
        entries = moved
    entries = (entries + middle).astype(np.float32)
    between = (entries[1:] + entries[:-1]) / 2
    return entries, np.searchsorted(between, values.reshape(-1)).reshape(values.shape)


def _cube_root_quantiles(ordered: Float[np.ndarray, " n"], m: int) -> Float[np.ndarray, " m"]:
    """Values of which there are as many in a stretch as its share of the density's cube root.

    Between quantiles the density is one over the width, so the share is the width to the power 2/3;
    gaps that are far wider than most hold little and get less.
    """
    edges = ordered[np.linspace(0, len(ordered) - 1, 8 * m + 1).astype(int)]
    widths = np.diff(edges)
    if not widths.any():
        return np.full(m, edges[0])
    capped = np.minimum(widths, WIDEST_GAP * np.median(widths[widths > 0]))
    share = np.concatenate([[0.0], np.cumsum(np.cbrt(capped) ** 2)])
    return np.interp((np.arange(m) + 0.5) / m * share[-1], share, edges)


def vector_codebook(
    samples: Float[np.ndarray, "n c"], m: int, seed: int = 0
) -> tuple[Float[np.ndarray, "m c"], Int[np.ndarray, " n"]]:
    """At most m vectors and, for each sample, the one that stands for it: near, not always nearest.

    Args:
        samples: n vectors.
        m: how many may stand for them.
        seed: of what they start from; the result depends on nothing else.
    """
    n = len(samples)
    if n <= m:
        return samples.copy(), np.arange(n)
    # Products this small are over before a second thread has woken, and it spins until the next.
    with threadpool_limits(1, "blas"):
        return _two_levels(samples, m, np.random.default_rng(seed))


def _two_levels(
    samples: Float[np.ndarray, "n c"], m: int, random: np.random.Generator
) -> tuple[Float[np.ndarray, "m c"], Int[np.ndarray, " n"]]:
    n = len(samples)
    coarse = max(1, min(round(2 * np.sqrt(m)), n // 8))
    some = random.permutation(n)[: TRAINED_PER_ENTRY * coarse]
    centers = _lloyd(samples[some], coarse, ROUNDS_COARSE, random)
    group = _nearest(samples, centers)
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group, minlength=coarse)
    shares = _shares(samples, group, sizes, m)
    entries, labels, start, first = [], np.empty(n, np.int64), 0, 0
    for size, share in zip(sizes, shares):
        if size == 0:
            continue
        members = order[start : start + size]
        fine = _lloyd(samples[members], int(share), ROUNDS_FINE, random)
        labels[members] = first + _nearest(samples[members], fine)
        entries.append(fine)
        start, first = start + size, first + len(fine)
    return np.concatenate(entries), labels


def _shares(
    samples: Float[np.ndarray, "n c"], group: Int[np.ndarray, " n"], sizes: np.ndarray, m: int
) -> Int[np.ndarray, " g"]:
    """Entries of each group, m in all: more where samples are more and differ more.

    Between what equal counts and equal deviations in the groups would ask for.
    """
    norms = np.einsum("nc,nc->n", samples, samples)
    means = np.zeros((len(sizes), samples.shape[1]))
    for c in range(samples.shape[1]):
        means[:, c] = np.bincount(group, samples[:, c], len(sizes))
    spread = np.bincount(group, norms, len(sizes)) - (means**2).sum(axis=1) / np.maximum(sizes, 1)
    weights = np.sqrt(sizes * np.sqrt(np.maximum(spread, 0) * sizes)) + 1e-9 * sizes
    shares = np.minimum(np.maximum((m * weights / weights.sum()).astype(int), 1), sizes)
    while (spare := m - int(shares.sum())) > 0:  # what groups that are too small left over
        open_groups = np.flatnonzero(shares < sizes)
        extra = weights[open_groups] / weights[open_groups].sum() * spare
        added = np.maximum(extra.astype(int), 0)
        if not added.any():
            added[np.argsort(-extra)[:spare]] = 1
        shares[open_groups] = np.minimum(shares[open_groups] + added, sizes[open_groups])
    while (over := int(shares.sum()) - m) > 0:
        largest = np.argsort(-shares)[:over]
        shares[largest] -= shares[largest] > 1
    return shares


def _lloyd(
    samples: Float[np.ndarray, "n c"], m: int, rounds: int, random: np.random.Generator
) -> Float[np.ndarray, "m c"]:
    """m centres of the samples; one that is nobody's nearest moves to a sample at random."""
    if m >= len(samples):
        return samples.copy()
    centers = samples[random.choice(len(samples), m, replace=False)]
    for _ in range(rounds):
        label = _nearest(samples, centers)
        counts = np.bincount(label, minlength=m)
        order = np.argsort(label, kind="stable")
        used = np.flatnonzero(counts)
        starts = (np.cumsum(counts) - counts)[used]
        sums = np.add.reduceat(samples[order], starts, axis=0)
        centers[used] = sums / counts[used, None]
        empty = np.flatnonzero(counts == 0)
        centers[empty] = samples[random.choice(len(samples), len(empty))]
    return centers


def _nearest(
    samples: Float[np.ndarray, "n c"], centers: Float[np.ndarray, "m c"]
) -> Int[np.ndarray, " n"]:
    """The nearest centre of each sample: where x.y - |y|^2 / 2 is greatest."""
    half = np.einsum("mc,mc->m", centers, centers) / 2
    transposed = np.ascontiguousarray(centers.T)
    labels = np.empty(len(samples), np.int64)
    block = max(1, BLOCK_FLOATS // len(centers))
    for start in range(0, len(samples), block):
        scores = samples[start : start + block] @ transposed
        scores -= half
        labels[start : start + block] = scores.argmax(axis=1)
    return labels
