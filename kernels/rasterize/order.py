"""Gaussians in order of depth: a radix sort of the bits of z.

Positive floats are ordered as their bits are. Letters: n Gaussians, m of them seen.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from polyfield.kernels.blocks import block
from polyfield.kernels.rasterize.screen import COLUMNS, Z

DIGIT = 11  # bits


@block
def gather_seen(n, seen, counts, visible):  # type: ignore[no-untyped-def]
    """Close the gaps between the parts of `project`; how many are seen."""
    parts, m = counts.shape[0], 0
    for part in range(parts):
        first = n * part // parts
        for j in range(counts[part]):
            visible[m + j] = seen[first + j]
        m += counts[part]
    return m


@block
def sort_by_key(keys, order, other_keys, other_order, bits):  # type: ignore[no-untyped-def]
    """Sort numbers by unsigned keys, stably; True where the result is in the other arrays."""
    n, buckets = keys.shape[0], 1 << DIGIT
    swapped = False
    for shift in range(0, bits, DIGIT):
        a, b = (other_keys, keys) if swapped else (keys, other_keys)
        c, d = (other_order, order) if swapped else (order, other_order)
        counts = np.zeros(buckets, np.int64)
        for j in range(n):
            counts[(a[j] >> np.uint64(shift)) & np.uint64(buckets - 1)] += 1
        if counts[(a[0] >> np.uint64(shift)) & np.uint64(buckets - 1)] == n:
            continue  # all alike in this digit
        total = 0
        for bucket in range(buckets):
            total, counts[bucket] = total + counts[bucket], total
        for j in range(n):
            bucket = (a[j] >> np.uint64(shift)) & np.uint64(buckets - 1)
            b[counts[bucket]], d[counts[bucket]] = a[j], c[j]
            counts[bucket] += 1
        swapped = not swapped
    return swapped


def order_by_depth(  # type: ignore[no-untyped-def]
    rows, words, bits, tiles, seen, counts, visible, order, rank_of, sorted_rows, first_pair
):
    """A template: the Gaussians that are seen, front to back.

    Args:
        rows: [n,16] of `project`; words: the same as integers of so many bits; tiles: [n,4].
        seen, counts: of `project`.
        visible, order: [n] int32 are overwritten with their numbers, rising and front to back.
        rank_of: [n] int32 with the place in `order` of each of them.
        sorted_rows: [n,16] with their rows.
        first_pair: [n + 1] int64 with where each one's tiles begin, counted by its box.

    Returns:
        m.
    """
    n = rows.shape[0]
    m = gather_seen(n, seen, counts, visible)
    if m == 0:
        first_pair[0] = 0
        return 0
    keys = np.empty(m, words.dtype)
    for j in range(m):
        keys[j] = words[visible[j], Z]
        order[j] = visible[j]
    other = np.empty(m, order.dtype)
    if sort_by_key(keys, order[:m], np.empty(m, words.dtype), other, bits):
        order[:m] = other
    for j in prange(m):
        i = order[j]
        rank_of[i] = j
        for column in range(COLUMNS):
            sorted_rows[j, column] = rows[i, column]
        first_pair[j + 1] = (tiles[i, 1] - tiles[i, 0] + 1) * (tiles[i, 3] - tiles[i, 2] + 1)
    first_pair[0] = 0
    for j in range(m):
        first_pair[j + 1] += first_pair[j]
    return m
