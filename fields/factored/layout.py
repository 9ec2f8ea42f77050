"""Where the factors of a factored grid lie in its flat table.

Letters: F features of a part, v vertices of a factor, e coordinates of a factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from polyfield.errors import InputError
from polyfield.kernels import factors as kernel

MOST_VERTICES = 1 << 16  # an axis of a factor
REDUCTIONS = {"product": kernel.PRODUCT, "sum": kernel.SUM}


@dataclass(frozen=True)
class Factor:
    """A lattice over some coordinates.

    Args:
        axes: which coordinates, 1 to 3; counts: vertices along each.
    """

    axes: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def vertices(self) -> int:
        return int(np.prod(self.counts))


@dataclass(frozen=True)
class Part:
    """F features: factors that are multiplied or added.

    Args:
        factors: at most 6; reduction: "product" or "sum".
        frame: which rotation it sees points by, where there are rotations.
    """

    factors: tuple[Factor, ...]
    reduction: str = "product"
    frame: int = 0


class Layout:
    """The parts' places in a flat table: one factor after the other, rows of F.

    Args:
        parts: side by side in the features, in this order.
        features: F.
    """

    def __init__(self, parts: Sequence[Part], features: int) -> None:
        self.parts, self.features = tuple(parts), features
        ints, floats, first_row = [len(parts)], [], 0
        self.first_rows: list[list[int]] = []
        for number, part in enumerate(parts):
            if not 1 <= len(part.factors) <= kernel.FACTORS:
                raise InputError(
                    field="field", found=f"{len(part.factors)} factors", expected="1 to 6 a part"
                )
            ints += [number * features, REDUCTIONS[part.reduction], len(part.factors)]
            rows = []
            for k in range(kernel.FACTORS):
                if k >= len(part.factors):
                    ints += [0] * kernel.FACTOR_INTS
                    floats += [0.0] * kernel.AXES
                    continue
                factor = part.factors[k]
                _check(factor)
                padding = [0] * (kernel.AXES - len(factor.axes))
                ints += [len(factor.axes), first_row, *factor.axes, *padding]
                ints += [*factor.counts, *padding]
                floats += [*(count - 1.0 for count in factor.counts), *padding]
                rows.append(first_row)
                first_row += factor.vertices
            self.first_rows.append(rows)
        if first_row >= 1 << 32:
            raise InputError(field="field.resolution", found=first_row, expected="under 2^32 rows")
        self.rows = first_row
        self.ints, self.floats = np.array(ints), np.array(floats)

    def views(self, table: Float[Tensor, " p"]) -> list[tuple[Factor, Tensor]]:
        """Each factor with what it holds, [last count, ..., first count, F]; views of the table."""
        found = []
        for part, rows in zip(self.parts, self.first_rows):
            for factor, first in zip(part.factors, rows):
                values = table[first * self.features : (first + factor.vertices) * self.features]
                found.append((factor, values.view(*factor.counts[::-1], self.features)))
        return found

    def resized(self, table: Float[Tensor, " p"], to: Layout) -> Float[Tensor, " q"]:
        """The table of a layout of the same factors at other counts, by linear interpolation."""
        pieces = [
            _resized(values, new.counts[::-1]).reshape(-1)
            for (_, values), new in zip(
                self.views(table), (f for part in to.parts for f in part.factors)
            )
        ]
        return torch.cat(pieces)


def _check(factor: Factor) -> None:
    e = len(factor.axes)
    if not 1 <= e <= kernel.AXES or len(factor.counts) != e:
        raise InputError(field="field", found=f"a factor over {factor.axes}", expected="1 to 3")
    if any(not 2 <= count <= MOST_VERTICES for count in factor.counts):
        raise InputError(
            field="field.resolution", found=list(factor.counts), expected=f"2 to {MOST_VERTICES}"
        )


def _resized(values: Tensor, counts: tuple[int, ...]) -> Tensor:
    """[..., F] at other counts, corner vertices kept (TensoRF's upsampling)."""
    if values.shape[:-1] == counts:
        return values
    modes = {1: "linear", 2: "bilinear", 3: "trilinear"}
    channels_first = values.movedim(-1, 0)[None]
    made = F.interpolate(channels_first, size=counts, mode=modes[len(counts)], align_corners=True)
    return made[0].movedim(0, -1)
