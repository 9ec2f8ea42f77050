"""Rays: where they start and where they go.

Letters: r rays, n cameras.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Rays:
    """r rays in the world frame.

    Attributes:
        origins: [r,3].
        directions: [r,3], of unit length, so that distances along a ray are in world units.
        camera_index: [r] which camera (image) a ray belongs to, for what is learned per image.
        axis_cosine: [r] cosine between the ray and the optical axis: z_depth = depth * axis_cosine.
        times: [r] in [0, 1], when a ray looks, where the scene moves.
    """

    origins: Float[Tensor, "r 3"]
    directions: Float[Tensor, "r 3"]
    camera_index: Int[Tensor, " r"] | None = None
    axis_cosine: Float[Tensor, " r"] | None = None
    times: Float[Tensor, " r"] | None = None

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, which: slice | Tensor) -> Rays:
        """The rays of a slice, of a list of numbers, or of a mask [r]."""
        return self._each(lambda column: column[which])

    def to(self, device: torch.device | str) -> Rays:
        """The same rays on a device."""
        return self._each(lambda column: column.to(device, non_blocking=True))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Rays:
        """Rays of what a change makes of every column that there is."""
        columns: dict[str, Any] = {}
        for field in fields(self):
            column = getattr(self, field.name)
            columns[field.name] = None if column is None else change(column)
        return Rays(**columns)
