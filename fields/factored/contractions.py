"""Layouts of lines whose values are contracted: tensor trains and Tucker decompositions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain

import numpy as np

from polyfield.fields.factored.layout import Factor, Layout, Place
from polyfield.kernels.contractions_reference import train_reference, tucker_reference
from polyfield.kernels.tensor_train import train_blocks
from polyfield.kernels.tucker import tucker_blocks


def tensor_trains(counts: Sequence[int], frames: Sequence[int], rank: int, features: int) -> Layout:
    """The layout of tensor trains, F columns each.

    Args:
        counts: vertices along each coordinate; frames: of each part.
        rank: r; features: F.
    """
    d = len(counts)
    widths = [rank, *[rank * rank] * (d - 2), rank * features]
    ints, places, first = [len(frames)], [], 0
    for part in range(len(frames)):
        ints.append(part * features)
        for a in range(d):
            place = Place(Factor((a,), (counts[a],)), part, first, widths[a])
            places.append(place)
            ints += [first, counts[a], widths[a]]
            first += place.numbers
    return Layout(
        tuple(places),
        tuple(frames),
        features,
        np.array(ints),
        np.array([count - 1.0 for count in counts] * len(frames)),
        train_blocks(rank, features),
        partial(train_reference, counts=tuple(counts), rank=rank, features=features),
    )


def tuckers(counts: Sequence[int], frames: Sequence[int], rank: int, features: int) -> Layout:
    """The layout of Tucker decompositions, F columns each.

    Args:
        counts: vertices along each coordinate; frames: of each part.
        rank: along each coordinate, r; features: F.
    """
    d = len(counts)
    ints, places, first = [len(frames)], [], 0
    for part in range(len(frames)):
        core = Place(Factor((), ()), part, first, rank**d * features)
        first += core.numbers
        lines = []
        for a in range(d):
            lines.append(Place(Factor((a,), (counts[a],)), part, first, rank))
            first += lines[-1].numbers
        places += [core, *lines]
        ints += [part * features, core.first]
        ints += chain.from_iterable((line.first, line.factor.counts[0]) for line in lines)
    return Layout(
        tuple(places),
        tuple(frames),
        features,
        np.array(ints),
        np.array([count - 1.0 for count in counts] * len(frames)),
        tucker_blocks(rank, features),
        partial(tucker_reference, counts=tuple(counts), rank=rank, features=features),
    )
