"""Layouts of products and sums of lattices: `kernels.factors`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from polyfield.errors import InputError
from polyfield.fields.factored.layout import Factor, Layout, Place
from polyfield.kernels import factors as kernel
from polyfield.kernels.factors_reference import factors_reference

REDUCTIONS = {"product": kernel.PRODUCT, "sum": kernel.SUM}


@dataclass(frozen=True)
class Part:
    """F features: factors that are multiplied or added.

    Args:
        factors: 1 to 6, over 1 to 3 coordinates each; reduction: "product" or "sum".
        frame: which rotation it sees points by, where there are rotations.
    """

    factors: tuple[Factor, ...]
    reduction: str = "product"
    frame: int = 0


def products(parts: Sequence[Part], features: int) -> Layout:
    """The layout of parts that lie side by side in the features, F columns each."""
    ints: list[int] = [len(parts)]
    floats: list[float] = []
    places: list[Place] = []
    first_row = 0
    for number, part in enumerate(parts):
        if not 1 <= len(part.factors) <= kernel.FACTORS:
            raise InputError(
                field="field", found=f"{len(part.factors)} factors", expected="1 to 6 a part"
            )
        ints += [number * features, REDUCTIONS[part.reduction], len(part.factors)]
        for k in range(kernel.FACTORS):
            if k >= len(part.factors):
                ints += [0] * kernel.FACTOR_INTS
                floats += [0.0] * kernel.AXES
                continue
            factor = part.factors[k]
            if not 1 <= len(factor.axes) == len(factor.counts) <= kernel.AXES:
                raise InputError(field="field", found=f"axes {factor.axes}", expected="1 to 3")
            padding = [0] * (kernel.AXES - len(factor.axes))
            ints += [len(factor.axes), first_row, *factor.axes, *padding]
            ints += [*factor.counts, *padding]
            floats += [*(count - 1.0 for count in factor.counts), *padding]
            places.append(Place(factor, number, first_row * features, features))
            first_row += factor.vertices
    if first_row >= 1 << 32:
        raise InputError(field="field.resolution", found=first_row, expected="under 2^32 rows")
    return Layout(
        tuple(places),
        tuple(part.frame for part in parts),
        features,
        np.array(ints),
        np.array(floats),
        kernel.factor_blocks(features),
        partial(factors_reference, features=features),
    )
