"""What the compiled rasteriser draws: the parts in which primitives differ.

Everything else is the same for all of them: the loop over what there is, the order by depth, tiles
and their pairs, harmonics, the loops over tiles.
"""

from __future__ import annotations

from typing import NamedTuple

from polyfield.kernels.blocks import Block
from polyfield.kernels.rasterize import (
    bins,
    blend,
    blend_backward,
    project,
    project_backward,
    surfels_blend,
    surfels_blend_backward,
    surfels_project,
    surfels_project_backward,
)
from polyfield.kernels.rasterize.screen import COLUMNS, ROW, SURFEL_COLUMNS


class Primitive(NamedTuple):
    """Block functions, of 16 at a time or of one and a tile.

    Attributes:
        columns: numbers of a row that are used.
        sums: columns of sums over pixels, multiples of 16.
    """

    project_16: Block
    outline_of: Block
    rows_between: Block
    blend_tile: Block
    blend_tile_backward: Block
    project_16_backward: Block
    columns: int
    sums: int


GAUSSIANS = Primitive(
    project.project_16,
    bins.outline_of,
    bins.rows_between,
    blend.blend_tile,
    blend_backward.blend_tile_backward,
    project_backward.project_16_backward,
    COLUMNS,
    ROW,
)
SURFELS = Primitive(
    surfels_project.project_16,
    surfels_project.outline_of,
    surfels_project.rows_between,
    surfels_blend.blend_tile,
    surfels_blend_backward.blend_tile_backward,
    surfels_project_backward.project_16_backward,
    SURFEL_COLUMNS,
    surfels_blend_backward.SUM_ROW,
)
