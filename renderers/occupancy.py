"""The occupancy estimator: which cells of the domain hold matter, learned along the way.

Letters: R cells an axis. values <- max(decay * values, density); a cell is occupied where its value
exceeds min(threshold / step, mean value), with the length of a marching step there (Mueller et al.
2022, appendix C; nerfacc compares thickness, value times step, which under a contraction would have
distant cells, whose steps are long, empty those around the cameras before anything is learned).

The grid knows no time: of a scene that moves a cell is occupied if it is at any time. What is thin
fills a small part of a cell, and what is fast is there for a small part of the time, so that a look
at one point and moment tells little. Such cells are looked at several times, and those around
occupied ones are taken to be occupied too: what is found anywhere opens the way to what is near it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields.domain import Domain
from polyfield.fields.resampling import Box
from polyfield.kernels.distances import cell_distances

MARGIN = 1  # cells around what is occupied, when everything else is cut off
LOOKS = 4  # of an update at a cell of a scene that moves


class Cells(NamedTuple):
    """What a ray needs to know of occupied cells.

    Attributes:
        resolution: R, cells an axis.
        distances: see `kernels.distances`.
        clip: the box around what is occupied, lower and upper corner, world.
    """

    resolution: int
    distances: UInt8[Tensor, " c"]
    clip: Float[Tensor, "2 3"]


class OccupancyGrid(nn.Module):
    """A cube of cells over a domain.

    Args:
        domain: the field's.
        resolution: R, cells an axis.
        threshold: optical thickness of one step above which a cell is occupied.
        decay: of the values at every update.
        every: training steps between updates.
        warmup: steps until which every update visits all cells; afterwards it visits one in
            sixteen at random and up to twice as many of the occupied ones.

    Attributes:
        moving: whether densities are of random times, see above; the renderer says so.
    """

    values: Tensor
    steps: Tensor
    reachable: Tensor
    occupied: Tensor
    distances: Tensor
    clip: Tensor

    def __init__(
        self,
        domain: Domain,
        resolution: int = 64,
        threshold: float = 0.01,
        decay: float = 0.95,
        every: int = 16,
        warmup: int = 256,
    ) -> None:
        super().__init__()
        if not 2 <= resolution <= 512:
            raise InputError(
                field="renderer.occupancy.resolution", found=resolution, expected="2 to 512"
            )
        limits = {
            "threshold": (threshold, 0.0, 1e6),
            "decay": (decay, 0.0, 1.0),
            "every": (every, 1, 1 << 31),
            "warmup": (warmup, 0, 1 << 31),
        }
        for name, (value, low, high) in limits.items():
            if not low <= value <= high:
                raise InputError(
                    field=f"renderer.occupancy.{name}", found=value, expected=f"{low} to {high:g}"
                )
        self.domain, self.resolution, self.moving = domain, resolution, False
        self.threshold, self.decay, self.every, self.warmup = threshold, decay, every, warmup
        cells = resolution**3
        self.register_buffer("values", torch.zeros(cells))
        self.register_buffer("steps", torch.ones(cells), persistent=False)
        self.register_buffer("reachable", self._reachable(), persistent=False)
        self.measured = False
        self.register_buffer("occupied", torch.ones(cells, dtype=torch.uint8))
        self.register_buffer("distances", torch.zeros(cells, dtype=torch.uint8))
        self.register_buffer("clip", domain.bounds.detach().clone())

    def _reachable(self) -> Tensor:
        """[cells] False where no point of the world is mapped to: in the cube's corners, when the
        contraction's image is a ball."""
        R = self.resolution
        if self.domain.kind != "contract_l2":
            return torch.ones(R**3, dtype=torch.bool)
        inner = ((4 * (torch.arange(R) + 0.5) / R - 2).abs() - 2 / R).clamp(min=0)  # nearest point
        squares = inner.square()
        norm = squares[:, None, None] + squares[:, None] + squares
        return norm.flatten() < 4

    @property
    def fraction(self) -> float:
        """Share of the reachable cells that are occupied."""
        return float(self.occupied[self.reachable].float().mean())

    def cell_points(self, cells: Tensor, jitter: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """World points in the given cells, jitter in [0, 1)."""
        R = self.resolution
        corner = torch.stack([cells // (R * R), (cells // R) % R, cells % R], dim=-1)
        return self.domain.to_world((corner + jitter) / R)

    def due(self, step: int) -> bool:
        """Whether step `step` begins with an update."""
        return step % self.every == 0

    @torch.no_grad()
    def update(
        self,
        step: int,
        density: Callable[[Tensor], Tensor],
        step_size: Callable[[Tensor], Tensor],
        generator: torch.Generator | None = None,
    ) -> None:
        """Refresh the grid.

        Args:
            step: of the training.
            density: world points [n, 3] -> density [n], 1 / world unit; of a scene that moves each
                at a random time, and asked more than once.
            step_size: world points [n, 3] -> length of a marching step there [n], world units;
                asked once.
        """
        n, device = self.resolution**3, self.values.device
        if not self.measured:
            self._measure(step_size)
        if step < self.warmup:
            cells = self.reachable.nonzero().flatten()
        else:
            cells = torch.randint(n, (n // 16,), generator=generator, device=device)
            full = self.occupied.nonzero().flatten()
            if len(full) > n // 8:
                picks = torch.randint(len(full), (n // 8,), generator=generator, device=device)
                full = full[picks]
            cells = torch.cat([cells[self.reachable[cells]], full])
        self.values.mul_(self.decay)
        self.values[cells] = self.values[cells].nan_to_num(0.0, 0.0)  # may have recovered
        for _ in range(LOOKS if self.moving else 1):
            jitter = torch.rand(len(cells), 3, generator=generator, device=device)
            seen = density(self.cell_points(cells, jitter)).float()
            self.values.scatter_reduce_(0, cells, seen, reduce="amax")
        self.refresh()

    def _measure(self, step_size: Callable[[Tensor], Tensor]) -> None:
        everywhere = torch.arange(len(self.steps), device=self.steps.device)
        middle = torch.full((len(self.steps), 3), 0.5, device=self.steps.device)
        self.steps.copy_(step_size(self.cell_points(everywhere, middle)))
        self.measured = True

    @torch.no_grad()
    def refresh(self) -> None:
        """Derive the binary grid, its distance field and the occupied box from the values."""
        positive = self.values.clamp(min=0)
        # What is no number is looked at, not hidden.
        occupied = ~(positive <= self.limits(self.steps)) & self.reachable
        if not bool(occupied.any()):  # never empty: keep the densest cells
            occupied = positive >= positive.max()
        R = self.resolution
        if self.moving:
            occupied = _with_neighbours(occupied, R) & self.reachable
        self.occupied.copy_(occupied)
        self.distances.copy_(cell_distances(self.occupied, R))
        self.clip.copy_(self.clip_of(self.occupied, R))

    def limits(self, steps: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """The densities above which cells are occupied, where marching steps are that long."""
        mean = float(self.values.clamp(min=0)[self.reachable].mean())
        limits = self.threshold / steps
        return limits.clamp(max=mean) if math.isfinite(mean) else limits

    def clip_of(self, occupied: UInt8[Tensor, " c"], resolution: int) -> Float[Tensor, "2 3"]:
        """The box around cells of the domain, world; all of it under a contraction."""
        clip = self.clip.clone()
        if self.domain.kind != "box":
            return clip
        cube = occupied.view(resolution, resolution, resolution)
        lower, upper = self.domain.bounds
        for axis, others in enumerate(((1, 2), (0, 2), (0, 1))):
            hit = cube.amax(dim=others).nonzero().flatten()
            size = (upper[axis] - lower[axis]) / resolution
            clip[0, axis] = lower[axis] + hit[0] * size
            clip[1, axis] = lower[axis] + (hit[-1] + 1) * size
        return clip

    @property
    def cells(self) -> Cells:
        """Where rays take samples."""
        return Cells(self.resolution, self.distances, self.clip)

    @property
    def found(self) -> bool:
        """Whether anything is occupied by its own density, and not for want of anything denser."""
        return bool((self.values > self.threshold / self.steps).any())

    def box(self) -> Box:
        """The box around what is occupied, a cell wider on each side, in the unit cube."""
        R = self.resolution
        cube = self.occupied.view(R, R, R)
        lower, upper = [], []
        for others in ((1, 2), (0, 2), (0, 1)):
            hit = cube.amax(dim=others).nonzero().flatten()
            lower.append(max(int(hit[0]) - MARGIN, 0) / R)
            upper.append(min(int(hit[-1]) + 1 + MARGIN, R) / R)
        return lower, upper

    @torch.no_grad()
    def crop(self, box: Box, step_size: Callable[[Tensor], Tensor]) -> None:
        """Lay the cells over a part of the domain, which becomes all of it.

        A cell takes the largest value of those that it was part of. Call it after `Domain.crop`.

        Args:
            box: the part, in the unit cube.
            step_size: as in `update`.
        """
        R = self.resolution
        cube = self.values.view(R, R, R)
        for axis in range(3):
            edges = torch.linspace(box[0][axis], box[1][axis], R + 1, dtype=torch.float64) * R
            first = edges[:-1].floor().long().clamp(max=R - 1)
            last = (edges[1:].ceil().long() - 1).clamp(min=0)
            cube = torch.maximum(cube.index_select(axis, first), cube.index_select(axis, last))
        self.values.copy_(cube.flatten())
        self.clip.copy_(self.domain.bounds)
        self._measure(step_size)
        self.refresh()


def _with_neighbours(occupied: Tensor, R: int) -> Tensor:
    """[R^3] the same cells and the up to 26 around each."""
    cube = occupied.view(R, R, R).clone()
    for axis in range(3):
        before = cube.clone()
        cube.narrow(axis, 1, R - 1).logical_or_(before.narrow(axis, 0, R - 1))
        cube.narrow(axis, 0, R - 1).logical_or_(before.narrow(axis, 1, R - 1))
    return cube.flatten()
