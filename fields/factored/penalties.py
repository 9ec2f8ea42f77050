"""Penalties on factors, as the papers have them; each is a mean over factors.

Those of time are K-Planes' (Fridovich-Keil et al. 2023, equations 6 and 7). Letters: v
vertices of a line, w components.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from polyfield.errors import InputError
from polyfield.fields.factored.layout import Layout, Place
from polyfield.kernels.gradients import direct_gradient

TIME = 3  # the coordinate that is time
TINY = 1e-12  # keeps the slope of a root finite

Views = Sequence[tuple[Place, Tensor]]  # factors with what they hold


def views(places: Sequence[Place], table: Tensor) -> Views:
    """Factors with what they hold.

    Args:
        places: one behind the other, from 0.
        table: the numbers of these, and maybe more.
    """
    numbers = [place.numbers for place in places]
    pieces = table[: sum(numbers)].split(numbers)  # once, as its gradient is put together
    shapes = [(*place.factor.counts[::-1], place.width) for place in places]
    return [(place, piece.view(shape)) for place, piece, shape in zip(places, pieces, shapes)]


def penalty(table: Tensor, end: int, measure: Callable[[Tensor], Tensor]) -> Tensor:
    """A scalar of the first `end` numbers of a table, whose gradient touches no others.

    Differentiable once. As with grids, the gradient goes straight to `.grad` where it may
    (`kernels.gradients`): one of the whole table, mostly zero, costs more than it says.
    """
    return _Penalty.apply(table, end, measure)


class _Penalty(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, table: Tensor, end: int, measure: Callable[[Tensor], Tensor]
    ) -> Tensor:
        with torch.enable_grad():
            held = table.detach()[:end].requires_grad_()
            value = measure(held)
            (gradient,) = torch.autograd.grad(value, held)
        ctx.save_for_backward(table, gradient)
        return value.detach()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_value: Tensor) -> tuple[Tensor | None, None, None]:
        table, gradient = ctx.saved_tensors
        direct = direct_gradient(table, needed=True)
        if direct is not None:
            torch.from_numpy(direct)[: len(gradient)].addcmul_(gradient, d_value)
            return None, None, None
        whole = torch.zeros_like(table)
        torch.mul(gradient, d_value, out=whole[: len(gradient)])
        return whole, None, None


def total_variation(factors: Views) -> Tensor:
    """The mean squared difference of neighbours, along each axis (TensoRF, K-Planes)."""
    terms = []
    for place, values in factors:
        for axis in range(len(place.factor.axes)):
            terms.append(values.diff(dim=axis).square().mean())
    return torch.stack(terms).mean()


def magnitude(factors: Views) -> Tensor:
    """The mean magnitude (TensoRF, on factors of the density)."""
    return torch.stack([values.abs().mean() for _, values in factors]).mean()


def group_sparsity(factors: Views) -> Tensor:
    """The root mean square (TILTED's "l12")."""
    return torch.stack([(values.square().mean() + TINY).sqrt() for _, values in factors]).mean()


def parallelism(lines: Sequence[Tensor]) -> Tensor:
    """The mean magnitude of the scalar products of different components (TensoRF's "ortho").

    Args:
        lines: [v, w] each, the components of one mode.
    """
    terms = []
    for vectors in lines:
        gram = vectors.T @ vectors
        w = len(gram)
        apart = gram - torch.diag(torch.diagonal(gram))
        terms.append(apart.abs().sum() / (w * (w - 1)))
    return torch.stack(terms).mean()


def modes(factors: Views, layout: Layout, density_parts: int) -> list[Tensor]:
    """The lines of each mode side by side, [v, w]: those of one axis, one frame, one purpose.

    Args:
        density_parts: how many parts, the first, are the density's own.
    """
    found: dict[tuple[int, ...], list[Tensor]] = {}
    for place, values in factors:
        if len(place.factor.axes) == 1:
            own = place.part < density_parts
            key = (place.factor.axes[0], *place.factor.counts, layout.frame_of[place.part], own)
            found.setdefault(key, []).append(values)
    lines = [torch.cat(values, dim=-1) for values in found.values()]
    return [vectors for vectors in lines if vectors.shape[1] > 1]


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
