"""The corners of the cells that points lie in, and their interpolation weights.

Every grid shares this: hashed or dense, a line, a plane, a volume or space-time. Letters: d
dimensions, b points in a block, k = 2^d corners. Corner k takes the upper vertex of axis a where
bit a of k is set. Vertices are at q = 0, 1, ..., count - 1 with q = x * scale + shift.

Rows of a hashed lattice are (c_0 * 1 xor c_1 * 2654435761 xor ...) mod size (Mueller et al. 2022,
eq. 4), size a power of two; of a dense one c_0 + count_0 * (c_1 + count_1 * (...)).
"""

from __future__ import annotations

import numpy as np

from polyfield.kernels.blocks import leaf

BLOCK = 256
PRIMES = np.array([1, 2654435761, 805459861, 3674653429], np.uint32)


@leaf
def lattice_corners(x, j0, j1, scale, shift, counts, hashed, size, first_row, index, weight):  # type: ignore[no-untyped-def]
    """Fill index [k+1, b] (uint32 rows) and weight [k+1, b] for points j0..j1 of x [d, n].

    Args:
        index, weight: their last rows are scratch.
        scale: cells per unit of x, a number per axis [d]; shift: in cells.
        counts: vertices per axis [d], at least 2; size: rows of a hashed lattice.
        first_row: added to every row number.

    Points outside of [0, 1] are clamped to it, so that scale + shift is at most the count less one;
    NaN gives NaN weights and valid rows.
    """
    n = j1 - j0
    one, zero = weight.dtype.type(1), weight.dtype.type(0)
    stride = np.uint32(1)
    lows, uppers = index[index.shape[0] - 1], weight[weight.shape[0] - 1]
    for a in range(x.shape[0]):
        axis, s, last = x[a, j0:j1], scale[a], np.int32(counts[a] - 2)
        step = PRIMES[a] if hashed else stride
        for j in range(n):
            q = min(max(axis[j], zero), one) * s + shift
            cell = min(max(np.int32(q), np.int32(0)), last)
            uppers[j] = q - weight.dtype.type(cell)
            lows[j] = np.uint32(np.uint32(cell) * step)
        if a == 0:
            index_0, index_1, weight_0, weight_1 = index[0], index[1], weight[0], weight[1]
            for j in range(n):
                index_0[j] = lows[j]
                index_1[j] = np.uint32(lows[j] + step)
                weight_0[j] = one - uppers[j]
                weight_1[j] = uppers[j]
        half = 1 << a if a > 0 else 0
        for k in range(half):
            index_0, index_1 = index[k], index[half + k]
            weight_0, weight_1 = weight[k], weight[half + k]
            if hashed:
                for j in range(n):
                    index_1[j] = index_0[j] ^ np.uint32(lows[j] + step)
                    index_0[j] = index_0[j] ^ lows[j]
            else:
                for j in range(n):
                    index_1[j] = np.uint32(index_0[j] + np.uint32(lows[j] + step))
                    index_0[j] = np.uint32(index_0[j] + lows[j])
            for j in range(n):
                weight_1[j] = weight_0[j] * uppers[j]
                weight_0[j] = weight_0[j] - weight_1[j]
        stride = np.uint32(stride * np.uint32(counts[a]))
    mask = np.uint32(size - 1) if hashed else np.uint32(0xFFFFFFFF)
    first = np.uint32(first_row)
    for k in range(1 << x.shape[0]):
        rows = index[k]
        for j in range(n):
            rows[j] = np.uint32(np.uint32(rows[j] & mask) + first)
