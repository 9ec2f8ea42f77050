"""Points on learned shapes: where random lines cross the zero of a distance or an occupancy.

Lines of uniform measure cross a surface evenly over its area (Cauchy and Crofton).

Letters: n points, k lines, s steps along each.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.errors import InputError
from polyfield.export.point_clouds import MOST, NEIGHBOURS, PointCloud, strays
from polyfield.renderers.normals import density_normals

RADIUS = 1.8  # of a ball around [-1, 1]^3, where lines begin
SPARE = 1.1  # candidates for a point, of which some are outliers
STEP = 0.01  # along a line: what is thinner may be stepped over
BISECTIONS = 16
LINES = 1 << 13  # at once
EMPTY = 1 << 15  # lines that cross nothing, after which there is no surface
WIDTH = 4e-3  # half the base of the differences that give normals


@torch.no_grad()
def shape_points(
    field: Callable[[Tensor], Tensor], points: int, outliers: bool = False, seed: int = 0
) -> PointCloud:
    """Points spread evenly over where a field changes its sign.

    Args:
        field: points [n, 3] of [-1, 1]^3 -> [n], negative inside.
        points: how many.
        outliers: whether to keep what lies apart from all others.
        seed: of the lines.

    Raises:
        InputError: where no line crosses anything, or the field is no number.
    """
    if not 1 <= points <= MOST:
        raise InputError(field="points", found=points, expected=f"1 to {MOST:,}")
    generator = torch.Generator().manual_seed(seed)
    found: list[Tensor] = []
    count, lines = 0, 0
    wanted = points if outliers else int(SPARE * points)
    while count < wanted:
        crossings = _crossings(field, *_lines(LINES, generator))
        found.append(crossings)
        count, lines = count + len(crossings), lines + LINES
        if not count and lines >= EMPTY:
            hint = "train longer, or choose another checkpoint"
            raise InputError("no surface", field="run", found="a field of one sign", hint=hint)
    x = torch.cat(found)
    x = x[torch.randperm(len(x), generator=generator)[:wanted]]
    if not outliers and len(x) > NEIGHBOURS:
        x = x[~torch.from_numpy(strays(x.numpy()))][:points]
    normals = -density_normals(field, x, x.new_full((len(x),), WIDTH))
    ones = np.ones(len(x), np.float32)
    return PointCloud(x.numpy(), normals.numpy(), None, ones)


def _lines(k: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Where lines begin, on a ball, and their unit directions."""
    directions = torch.randn(k, 3, generator=generator)
    directions = torch.nn.functional.normalize(directions, dim=1)
    least = torch.nn.functional.one_hot(directions.abs().argmin(dim=1), 3).to(directions)
    a = torch.nn.functional.normalize(torch.linalg.cross(directions, least), dim=1)
    b = torch.linalg.cross(directions, a)
    uniform = torch.rand(2, k, generator=generator)
    offset, angle = RADIUS * uniform[0].sqrt(), 2 * math.pi * uniform[1]
    middle = (offset * angle.cos())[:, None] * a + (offset * angle.sin())[:, None] * b
    return middle - RADIUS * directions, directions


def _crossings(
    field: Callable[[Tensor], Tensor], starts: Float[Tensor, "k 3"], along: Float[Tensor, "k 3"]
) -> Float[Tensor, "n 3"]:
    """Where the field changes its sign along lines, within [-1, 1]^3."""
    t = torch.arange(0, 2 * RADIUS, STEP)
    x = starts[:, None] + t[:, None] * along[:, None]
    within = (x.abs() <= 1).all(dim=-1)
    values = x.new_full(within.shape, torch.nan)
    values[within] = field(x[within])
    if not bool(values[within].isfinite().all()):
        hint = "export an earlier checkpoint=N, or train again with a lower optimizer.lr"
        raise InputError("the run has diverged", field="run", found="no numbers", hint=hint)
    inner = values < 0
    changes = (inner[:, 1:] != inner[:, :-1]) & within[:, 1:] & within[:, :-1]
    line, step = changes.nonzero(as_tuple=True)
    low, high = t[step].clone(), t[step + 1].clone()
    first = inner[line, step]
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        same = (field(starts[line] + middle[:, None] * along[line]) < 0) == first
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    return starts[line] + (0.5 * (low + high))[:, None] * along[line]
