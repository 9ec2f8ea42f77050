"""A lattice of values read at the vertices of another over the same box, or over a part of it.

Letters: w numbers a vertex.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Box = tuple[Sequence[float], Sequence[float]]  # lower and upper corner


def resampled(values: Tensor, counts: Sequence[int], box: Box | None = None) -> Tensor:
    """The multilinear interpolation of a lattice at the vertices of another.

    Args:
        values: [n_1, ..., n_e, w]; vertices span the unit cube corner to corner.
        counts: of the new lattice, e of them.
        box: what it spans, in the unit cube, axes in the order of `values`; all of it by default.

    Returns:
        [*counts, w]; the same tensor where nothing changes.
    """
    lower, upper = box or ([0.0] * len(counts), [1.0] * len(counts))
    if values.shape[:-1] == tuple(counts) and box is None:
        return values
    for axis, count in enumerate(counts):
        last = values.shape[axis] - 1
        at = torch.linspace(lower[axis], upper[axis], count, dtype=torch.float64) * last
        cell = at.long().clamp(0, last - 1)
        part = (at - cell).to(values.dtype).view(-1, *[1] * (values.ndim - 1 - axis))
        below, above = values.index_select(axis, cell), values.index_select(axis, cell + 1)
        values = torch.lerp(below, above, part)
    return values


def spread(extent: Sequence[float]) -> list[float]:
    """How many times as many vertices each axis gets when a box has these edges, their product 1.

    Cells become cubes again, in the units of the extent, and as many as there were.
    """
    edges = torch.tensor(extent, dtype=torch.float64)
    return [float(x) for x in edges / edges.log().mean().exp()]
