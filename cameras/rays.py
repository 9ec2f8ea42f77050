"""Rays: where they start and where they go.

Letters: r rays, n cameras.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    origins: Float[Tensor, "r 3"]
    directions: Float[Tensor, "r 3"]
    camera_index: Int[Tensor, " r"] | None = None
    axis_cosine: Float[Tensor, " r"] | None = None

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, which: slice | Tensor) -> Rays:
        """The rays of a slice, of a list of numbers, or of a mask [r]."""
        return Rays(
            self.origins[which],
            self.directions[which],
            None if self.camera_index is None else self.camera_index[which],
            None if self.axis_cosine is None else self.axis_cosine[which],
        )

    def to(self, device: torch.device | str) -> Rays:
        """The same rays on a device."""
        return Rays(
            self.origins.to(device, non_blocking=True),
            self.directions.to(device, non_blocking=True),
            None if self.camera_index is None else self.camera_index.to(device, non_blocking=True),
            None if self.axis_cosine is None else self.axis_cosine.to(device, non_blocking=True),
        )
