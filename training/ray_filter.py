"""Training rays that can say something: those that meet what is there.

TensoRF (Chen et al. 2022, section 5) leaves out at first the rays that miss the box, and later
those that meet no occupied cell: they are background in the photo and in every render. What
occupancy said then is kept with the run, as it says other things later. Letters: r rays, R cells an
axis.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn

from polyfield.cameras.rays import Rays
from polyfield.datasets.pixels import PixelSampler
from polyfield.errors import InputError
from polyfield.kernels.choice import forced
from polyfield.kernels.distances import cell_distances
from polyfield.kernels.meets import meets
from polyfield.kernels.packed_reference import march_reference
from polyfield.kernels.resample import box_of
from polyfield.kernels.volume import Geometry
from polyfield.renderers.volume import VolumeRenderer

FINE = 0.5  # of a training step: the lattice on which rays are looked at


class RayFilter(nn.Module):
    """Which training rays are drawn.

    Args:
        renderer: with the occupancy that says what is there.
        share: of the training from which on rays must meet an occupied cell; before that, the box.
    """

    bounds: Tensor
    occupied: Tensor
    step: Tensor
    taken: Tensor

    def __init__(self, renderer: VolumeRenderer, share: float) -> None:
        super().__init__()
        if not 0 <= share < 1:
            raise InputError(field="task.filter", found=share, expected="null, or 0 to below 1")
        self.share = share
        grid = renderer.occupancy
        self._at_first = self._geometry(
            renderer, grid.domain.bounds, torch.ones_like(grid.occupied), renderer.step
        )
        self._applied: tuple[PixelSampler, bool] | None = None
        self.register_buffer("bounds", grid.domain.bounds.clone())
        self.register_buffer(
            "occupied", torch.zeros(-(-len(grid.occupied) // 8), dtype=torch.uint8)
        )
        self.register_buffer("step", torch.zeros((), dtype=torch.float64))
        self.register_buffer("taken", torch.zeros((), dtype=torch.bool))

    def update(self, renderer: VolumeRenderer, progress: float) -> None:
        """Before a step: keep what occupancy says, and how fine it is looked at, when due."""
        if bool(self.taken) or progress < self.share or self.share == 0:
            return
        grid = renderer.occupancy
        self.bounds.copy_(grid.domain.bounds)
        self.occupied.copy_(torch.from_numpy(np.packbits(grid.occupied.numpy())))
        self.step.fill_(renderer.step)  # of the field's cells, which may become finer
        self.taken.fill_(True)

    def narrow(self, sampler: PixelSampler, renderer: VolumeRenderer) -> None:
        """Let a sampler draw only what is to be drawn; does nothing the second time.

        Raises:
            InputError: when no ray meets the box.
        """
        taken = bool(self.taken)
        if self._applied is None or self._applied[0] is not sampler:
            if not sampler.keep(lambda rays: met(rays, self._at_first)):
                raise InputError(
                    field="domain.bounds",
                    found="a box that no training ray meets",
                    expected="the one that the photos show",
                )
            self._applied = (sampler, False)
        if taken and not self._applied[1]:
            cells = renderer.occupancy.resolution**3
            occupied = np.unpackbits(self.occupied.numpy(), count=cells)
            taken_then = (self.bounds, torch.from_numpy(occupied), float(self.step))
            geometry = self._geometry(renderer, *taken_then)
            if not sampler.keep(lambda rays: met(rays, geometry)):
                warnings.warn(
                    "no training ray meets an occupied cell: all of them stay", stacklevel=2
                )
            self._applied = (sampler, True)

    def stale(self, sampler: PixelSampler) -> bool:
        """Whether a sampler leaves out what is to be drawn again: training went back."""
        of, taken = self._applied or (None, False)
        return of is sampler and taken and not bool(self.taken)

    @staticmethod
    def _geometry(
        renderer: VolumeRenderer, bounds: Tensor, occupied: Tensor, step: float
    ) -> Geometry:
        geometry = renderer.geometry(np.dtype(np.float32), FINE, step)
        march = geometry.march.copy()
        march[:6], march[6:12] = box_of(bounds, march.dtype), bounds.numpy().ravel()
        distances = cell_distances(occupied, renderer.occupancy.resolution)
        return Geometry(geometry.grid, march, distances.numpy())


def met(rays: Rays, geometry: Geometry) -> Bool[Tensor, " r"]:
    """Which rays have a sample in an occupied cell."""
    if forced():
        jitter = torch.full((len(rays.origins),), 0.5)
        return march_reference(rays.origins, rays.directions, jitter, geometry).offsets.diff() > 0
    return meets(rays.origins, rays.directions, geometry)


def filter_of(renderer: Any, share: float, observation: Collection[str]) -> RayFilter:
    """The filter of a task.

    Args:
        observation: what the task learns beside the field.

    Raises:
        InputError: for a renderer without occupancy, and where rays move or meet what is learned.
    """
    for what, cannot in {
        f"{type(renderer).__name__}, which has no occupancy": not hasattr(renderer, "occupancy"),
        "poses that move": "poses" in observation,
        "a learned background": "background" in observation,
    }.items():
        if cannot:
            raise InputError(field="task.filter", found=f"{share:g}, and {what}", expected="null")
    return RayFilter(renderer, share)
