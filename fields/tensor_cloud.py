"""Clouds of cubes around known geometry, and how kernels are told of them: `kernels.strivec`.

Letters: n points, m cubes of a level, h half of their edge, V vertices of a vector, w registers of
F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.kernels.strivec import AXES, LEVEL_INTS, PART_INTS
from polyfield.kernels.voxel_hash import voxel_hash

CELLS = 2.0  # of the voxel hash along the distance between two cubes
MOST_CELLS = 1024  # along an edge of the unit cube


class Level(NamedTuple):
    """A cloud.

    Args:
        centers: [m, 3] in the unit cube; half: h; spacing: distance between cubes, about.
        vertices: V.
    """

    centers: Float[np.ndarray, "m 3"]
    half: float
    spacing: float
    vertices: int


class Part(NamedTuple):
    """Features of a level: its number, the first column, and w."""

    level: int
    column: int
    width: int


def centers_of(points: Float[Tensor, "n 3"], edge: float) -> Float[Tensor, "m 3"]:
    """The means of the points in each voxel of an edge that holds any, in the voxels' order."""
    voxels = (points.double() / edge).floor().long()
    _, voxel = voxels.unique(dim=0, return_inverse=True)
    m = int(voxel.max()) + 1 if len(points) else 0
    sums = torch.zeros(m, 3, dtype=torch.float64).index_add_(0, voxel, points.double())
    counts = torch.bincount(voxel, minlength=m)
    return (sums / counts[:, None]).float()


def first_rows(levels: Sequence[Level], parts: Sequence[Part]) -> list[int]:
    """Where the rows of each part begin, and where those of the last end."""
    rows = [0]
    for part in parts:
        level = levels[part.level]
        rows.append(rows[-1] + len(level.centers) * AXES * level.vertices * part.width)
    return rows


def described(
    levels: Sequence[Level], parts: Sequence[Part]
) -> tuple[np.ndarray, Float[np.ndarray, " f"]]:
    """The arrays `ints` and `floats` of the block functions."""
    tables: list[np.ndarray] = []
    ints: list[int] = [len(levels)]
    floats: list[float] = []
    begin = 1 + len(levels) * LEVEL_INTS + len(parts) * PART_INTS
    center = 2 * len(levels)
    for level in levels:
        cells = int(min(max(round(CELLS / level.spacing), 1), MOST_CELLS))
        table, bits = voxel_hash(level.centers, level.half, cells)
        ints += [level.vertices, cells, bits, begin, center]
        floats += [level.half, (level.vertices - 1) / (2 * level.half)]
        tables.append(table)
        begin += len(table)
        center += AXES * len(level.centers)
    for part, first in zip(parts, first_rows(levels, parts)[:-1], strict=True):
        ints += [part.column, part.width, part.level, first]
    centers = [level.centers.ravel() for level in levels]
    return np.concatenate([np.array(ints), *tables]), np.concatenate([np.array(floats), *centers])
