"""Which pixels of many may be drawn: a bit each, and how many there are before every 32 of them.

The rank of a drawn pixel among the valid ones is turned into its place by these counts, which cost
a quarter of a byte a pixel. Letters: n pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numba import njit

BLOCK = 32  # bits of a word


@dataclass(frozen=True)
class ValidPixels:
    """A choice of pixels.

    Attributes:
        words: [n / 32] uint32, the first pixel of each in its lowest bit.
        ranks: [n / 32 + 1] int64, valid pixels before each word, and in all.
    """

    words: np.ndarray
    ranks: np.ndarray

    @classmethod
    def of(cls, valid: Bool[np.ndarray, " n"]) -> ValidPixels:
        """Those where a mask holds."""
        padded = np.zeros(-(-len(valid) // BLOCK) * BLOCK, bool)
        padded[: len(valid)] = valid
        words = np.packbits(padded, bitorder="little").view("<u4").astype(np.uint32, copy=False)
        counts = np.add.reduceat(padded, np.arange(0, len(padded), BLOCK), dtype=np.int64)
        return cls(words, np.concatenate([[0], np.cumsum(counts)]))

    def __len__(self) -> int:
        return int(self.ranks[-1])

    def mask(self, n: int) -> Bool[np.ndarray, " n"]:
        """The mask that they were made of."""
        octets = self.words.astype("<u4", copy=False).view(np.uint8)
        return np.unpackbits(octets, bitorder="little", count=n).view(bool)


@njit
def last_not_above(values, x):  # type: ignore[no-untyped-def]
    """The last i with values[i] <= x, for ascending values and x below the last of them."""
    low, high = 0, values.shape[0] - 1
    while high - low > 1:
        middle = (low + high) // 2
        if values[middle] <= x:
            low = middle
        else:
            high = middle
    return low


@njit
def place_of_rank(rank, ranks, words):  # type: ignore[no-untyped-def]
    """Where the valid pixel number `rank` lies."""
    block = last_not_above(ranks, rank)
    left = rank - ranks[block]
    word = words[block]
    place = block * BLOCK
    while True:
        if word & np.uint32(1):
            if left == 0:
                return place
            left -= 1
        word >>= np.uint32(1)
        place += 1
