"""A hash of voxels: which boxes reach into the cell of a lattice that a point lies in.

The unit cube has M cells an axis; a cell's key is (i M + j) M + k. Keys lie in a table of 2^b slots
by Fibonacci hashing and linear probing, half empty at least. Cells that no box reaches have no
entry, so what is kept grows with the surface that boxes lie along, not with the volume.

A table is an integer array: 2^b pairs (key, where its list begins), key -1 for an empty slot, then
the lists, each its length and the boxes' numbers in ascending order.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from polyfield.kernels.blocks import leaf

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio
WORD = 64
EMPTY = -1
SLACK = 1e-3  # cells by which boxes count as larger, so that rounding hides none


@leaf
def find_list(table, bits, key):  # type: ignore[no-untyped-def]
    """Where in the table the list of a cell begins; -1 where no box reaches."""
    slot = np.int64((np.uint64(key) * MULTIPLIER) >> np.uint64(WORD - bits))
    mask = (1 << bits) - 1
    while table[2 * slot] != key:
        if table[2 * slot] == EMPTY:
            return -1
        slot = (slot + 1) & mask
    return table[2 * slot + 1]


def voxel_hash(
    centers: Float[np.ndarray, "n 3"], half: float, cells: int
) -> tuple[Int[np.ndarray, " t"], int]:
    """The table of cubes of one size.

    Args:
        centers: in the unit cube; half: of their edges.
        cells: M, along an axis.

    Returns:
        The table, and b.
    """
    keys, boxes = _reached(np.asarray(centers, np.float64), half, cells)
    order = np.lexsort((boxes, keys))
    keys, boxes = keys[order], boxes[order]
    unique, first, counts = np.unique(keys, return_index=True, return_counts=True)
    bits = max(int(2 * len(unique)).bit_length(), 1)
    begins = (2 << bits) + first + np.arange(len(unique))
    table = np.empty((2 << bits) + len(boxes) + len(unique), np.int64)
    slots = table[: 2 << bits].reshape(-1, 2)
    slots[:] = EMPTY, 0
    slot = ((unique.astype(np.uint64) * MULTIPLIER) >> np.uint64(WORD - bits)).astype(np.int64)
    waiting = np.arange(len(unique))
    while len(waiting):
        free = waiting[slots[slot[waiting], 0] == EMPTY]
        slots[slot[free], 0] = unique[free]  # of several, one stays
        slots[slot[free], 1] = begins[free]
        waiting = waiting[slots[slot[waiting], 0] != unique[waiting]]
        slot[waiting] = (slot[waiting] + 1) & ((1 << bits) - 1)
    table[begins] = counts
    table[np.arange(len(boxes)) + np.repeat(begins - first, counts) + 1] = boxes
    return table, bits


def _reached(centers: np.ndarray, half: float, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of a cell's key and a box that reaches into it."""
    reach = half * cells + SLACK
    low = np.clip(np.floor(centers * cells - reach), 0, cells - 1).astype(np.int64)
    high = np.clip(np.floor(centers * cells + reach), 0, cells - 1).astype(np.int64)
    span = int((high - low).max(initial=-1)) + 1
    offsets = np.stack(np.meshgrid(*[np.arange(span)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    at = low[:, None] + offsets
    box, inside = np.nonzero((at <= high[:, None]).all(axis=-1))
    i, j, k = at[box, inside].T
    return (i * cells + j) * cells + k, box
