"""Where Gaussians are, as whole numbers that small files hold.

    u = asinh((x - centre) / spread),   cell = round((u - low) / (high - low) * (2^bits - 1))

Near the middle of a scene cells are even; far out they grow with the distance, so that a far
background costs the middle little. A cluster has its own low and high corner. What a network sees
is cell / (2^bits - 1): the very numbers that a file holds. Letters: n Gaussians, c clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64, UInt64

from polyfield.errors import InputError
from polyfield.splats.morton import BITS, interleaved, separated

FARTHEST = 80.0  # of |u|: sinh of it fits into float32


@dataclass(frozen=True)
class Places:
    """Centres of Gaussians, cluster after cluster, each along a Morton curve.

    Attributes:
        codes: [n] places along the curve, not descending within a cluster.
        counts: [c] Gaussians of each cluster.
        bits: of a coordinate.
        centre: [3] of the scene; spread: [1] the distance from it at which cells begin to grow.
        low, high: [c,3] corners, in u.
    """

    codes: UInt64[np.ndarray, " n"]
    counts: Int64[np.ndarray, " c"]
    bits: int
    centre: Float32[np.ndarray, "3"]
    spread: Float32[np.ndarray, "1"]
    low: Float32[np.ndarray, "c 3"]
    high: Float32[np.ndarray, "c 3"]

    def __len__(self) -> int:
        return len(self.codes)

    def fractions(self) -> Float64[np.ndarray, "n 3"]:
        """Each coordinate between the corners of its cluster, in [0,1]."""
        return separated(self.codes).astype(np.float64) / (2**self.bits - 1)

    def means(self) -> Float32[np.ndarray, "n 3"]:
        """The centres."""
        low, high = (np.repeat(c.astype(np.float64), self.counts, 0) for c in (self.low, self.high))
        u = low + self.fractions() * (high - low)
        with np.errstate(over="ignore"):  # the reader of a made-up file looks for infinities
            return (self.centre + self.spread.astype(np.float64) * np.sinh(u)).astype(np.float32)


def place(
    means: Float[np.ndarray, "n 3"], labels: Int64[np.ndarray, " n"], bits: int
) -> tuple[Places, Int64[np.ndarray, " n"]]:
    """Places of centres, and in which order they stand.

    Args:
        means: at least one.
        labels: the cluster of each, from 0; those without any are left out.
        bits: of a coordinate.

    Returns:
        The places, and indices of what stands first, second ...

    Raises:
        InputError: for a number of bits other than 4 to 21.
    """
    if bits not in range(4, BITS + 1):
        raise InputError(field="bits", found=bits, expected=f"4 to {BITS}")
    centre = np.median(means, axis=0).astype(np.float32)
    arms = np.abs(means.astype(np.float64) - centre)
    # Within four times the median distance cells are as good as even.
    spread = np.float32(4 * np.median(arms.max(axis=1)) or arms.max() or 1.0).reshape(1)
    u = np.arcsinh((means.astype(np.float64) - centre) / spread)
    found, labels = np.unique(labels, return_inverse=True)
    low, high = np.full((len(found), 3), np.inf), np.full((len(found), 3), -np.inf)
    np.minimum.at(low, labels, u)
    np.maximum.at(high, labels, u)
    low, high = low.astype(np.float32), high.astype(np.float32)
    extent = np.where(high > low, high.astype(np.float64) - low, 1)
    share = np.clip((u - low[labels]) / extent[labels], 0, 1)
    codes = interleaved(np.rint(share * (2**bits - 1)).astype(np.uint64))
    order = np.lexsort((codes, labels))
    counts = np.bincount(labels, minlength=len(found)).astype(np.int64)
    return Places(codes[order], counts, bits, centre, spread, low, high), order
