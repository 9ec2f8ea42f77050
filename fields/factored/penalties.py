"""Penalties on what factors hold.

Those of the papers: TV, the mean squared difference of neighbours (TensoRF, K-Planes); roughness in
time and motion, the mean squared second difference along time and the mean distance from 1 of
planes with time (K-Planes, Fridovich-Keil et al. 2023, equations 6 and 7). Of the others, L1 and
group sparsity, `grid` makes one line each: the mean magnitude (TensoRF on density), and the root
mean square of each factor (TILTED's "l12").

A view is a factor's place and its values [last count, ..., first count, w].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from polyfield.errors import InputError
from polyfield.fields.factored.layout import Place

TIME = 3  # the coordinate that is time
Views = Sequence[tuple[Place, Tensor]]


def total_variation(views: Views) -> Tensor:
    """The mean, over factors and their axes, of the mean squared difference between neighbours."""
    terms = []
    for place, values in views:
        for axis in range(len(place.factor.axes)):
            terms.append(values.diff(dim=axis).square().mean())
    return torch.stack(terms).mean()


def time_roughness(views: Views) -> Tensor:
    """The mean, over factors that hold time, of the mean squared second difference along it."""
    terms = []
    for place, values in views:
        axes = place.factor.axes
        if TIME in axes and place.factor.counts[axes.index(TIME)] > 2:
            along = len(axes) - 1 - axes.index(TIME)
            terms.append(values.diff(n=2, dim=along).square().mean())
    return _mean(terms, "time_smooth", "three vertices along time or more")


def motion(views: Views) -> Tensor:
    """The mean, over factors of time and space, of the mean distance from 1, where they stand."""
    terms = [
        (1 - values).abs().mean()
        for place, values in views
        if TIME in place.factor.axes and len(place.factor.axes) > 1
    ]
    return _mean(terms, "still", "planes of space and time")


def _mean(terms: list[Tensor], penalty: str, expected: str) -> Tensor:
    if not terms:
        raise InputError(field=f"field.{penalty}", found="a field without", expected=expected)
    return torch.stack(terms).mean()
