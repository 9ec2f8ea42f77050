"""Where the factors of a factored grid lie in its flat table, and how they are read.

Letters: v vertices of a factor, w numbers a vertex; F features of a part, p numbers of the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.errors import InputError
from polyfield.fields.resampling import Box, resampled
from polyfield.kernels.encode import EncoderBlocks, EncoderKernels

MOST_VERTICES = 1 << 16  # an axis of a factor
Reference = Callable[[Tensor, Tensor, Tensor, EncoderKernels], Tensor]


@dataclass(frozen=True)
class Factor:
    """A lattice over some coordinates.

    Args:
        axes: which coordinates, at most 3; none for what is the same everywhere.
        counts: vertices along each.
    """

    axes: tuple[int, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if any(not 2 <= count <= MOST_VERTICES for count in self.counts):
            raise InputError(
                field="field.resolution", found=list(self.counts), expected=f"2 to {MOST_VERTICES}"
            )

    @property
    def vertices(self) -> int:
        """How many, v."""
        return int(np.prod(self.counts, dtype=np.int64))


@dataclass(frozen=True)
class Place:
    """A factor's place in the table.

    Args:
        factor: what lies there; part: whose it is.
        first: number of the table; width: numbers a vertex, w.
    """

    factor: Factor
    part: int
    first: int
    width: int

    @property
    def numbers(self) -> int:
        return self.factor.vertices * self.width

    def view(self, table: Float[Tensor, " p"]) -> Tensor:
        """What the factor holds, [last count, ..., first count, w]; a view of the table."""
        values = table[self.first : self.first + self.numbers]
        return values.view(*self.factor.counts[::-1], self.width)

    def part_of(self, box: Box | None) -> Box | None:
        """A box of the unit cube as the axes of `view` see it."""
        if box is None:
            return None
        axes = self.factor.axes[::-1]
        return [box[0][axis] for axis in axes], [box[1][axis] for axis in axes]


@dataclass(frozen=True)
class Layout:
    """The places of all factors, and the block functions that read them.

    Args:
        places: one behind the other, from 0.
        frame_of: the frame that each part sees points in, where there are rotations.
        features: columns of a part, F.
        ints, floats: the description that the block functions read.
        blocks: these; reference: the same in plain torch, of points, table, frames and kernels.
    """

    places: tuple[Place, ...]
    frame_of: tuple[int, ...]
    features: int
    ints: np.ndarray
    floats: np.ndarray
    blocks: EncoderBlocks
    reference: Reference

    @property
    def numbers(self) -> int:
        """Of the table, p."""
        return self.places[-1].first + self.places[-1].numbers

    def resized(
        self, table: Float[Tensor, " p"], to: Layout, box: Box | None = None
    ) -> Float[Tensor, " q"]:
        """The table of a layout of the same factors at other counts, by linear interpolation.

        Args:
            box: the part of the unit cube that the other layout covers; all of it by default.
        """
        return torch.cat(
            [
                resampled(old.view(table), new.factor.counts[::-1], old.part_of(box)).reshape(-1)
                for old, new in zip(self.places, to.places, strict=True)
            ]
        )
