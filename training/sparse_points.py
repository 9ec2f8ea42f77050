"""Sparse points as depth supervision: rays through what structure from motion saw.

Letters: r rays, v views (pairs of a point and an image that saw it). Deng et al. 2022 (DS-NeRF).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from polyfield.cameras.rays import Rays
from polyfield.datasets.scene import Scene


class SparsePoints:
    """Views of points, from which rays with a known distance are drawn.

    Args:
        origins: [v, 3] where the cameras stand, world.
        points: [v, 3] what they saw.
        images: [v] which images these are.
        times: [n] of all images, where the scene moves.
    """

    def __init__(
        self,
        origins: Float[Tensor, "v 3"],
        points: Float[Tensor, "v 3"],
        images: Int[Tensor, " v"],
        times: Float[Tensor, " n"] | None = None,
    ) -> None:
        rays = points - origins
        distances = torch.linalg.vector_norm(rays, dim=-1)
        seen = distances > 1e-6
        self.origins, self.images = origins[seen].float(), images[seen]
        self.directions = (rays[seen] / distances[seen, None]).float()
        self.distances = distances[seen].float()
        self.times = None if times is None else times[self.images].float()

    @classmethod
    def of(cls, scene: Scene) -> SparsePoints | None:
        """The training images' views; None where the scene does not know them."""
        if scene.points is None or scene.point_views is None:
            return None
        trained = torch.isin(scene.point_views[:, 1], scene.splits["train"])
        point, image = scene.point_views[trained].unbind(dim=1)
        if len(point) == 0:
            return None
        points = scene.points[point].double()
        return cls(scene.cameras.positions[image], points, image, scene.times)

    def __len__(self) -> int:
        return len(self.distances)

    def sample(self, n_rays: int, generator: torch.Generator) -> tuple[Rays, Float[Tensor, " r"]]:
        """Rays through points, and the distances at which these lie."""
        which = torch.randint(len(self), (n_rays,), generator=generator)
        times = None if self.times is None else self.times[which]
        rays = Rays(self.origins[which], self.directions[which], self.images[which], times=times)
        return rays, self.distances[which]
