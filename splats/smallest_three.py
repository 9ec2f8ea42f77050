"""Unit quaternions by three components: the largest in magnitude follows from the others.

As q and -q are one rotation, it is made positive. Letters: n quaternions.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from polyfield.splats.activations import unit_quats

OTHERS = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
"""By the place of the largest component, those of the others."""


def smallest_three(
    quats: Float[np.ndarray, "n 4"],
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n 3"]]:
    """The place of the largest component, and the others, of at most sqrt(1/2), in their order."""
    unit = unit_quats(quats)
    place = np.abs(unit).argmax(axis=1)
    largest = np.take_along_axis(unit, place[:, None], axis=1)
    others = np.take_along_axis(unit, OTHERS[place], axis=1)
    return place, others * np.where(largest < 0, np.float32(-1), np.float32(1))


def from_smallest_three(
    place: Int[np.ndarray, " n"], others: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n 4"]:
    """Quaternions; of unit length unless the three are longer already, as no writer has them."""
    quats = np.empty((len(place), 4), np.float32)
    largest = np.sqrt(np.maximum(1 - np.einsum("ni,ni->n", others, others), 0))
    for which in range(4):
        of = place == which
        quats[np.ix_(of, OTHERS[which])] = others[of]
        quats[of, which] = largest[of]
    return quats
