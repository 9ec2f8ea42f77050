"""The occupancy estimator: which cells of the domain hold matter, learned along the way.

Letters: R cells an axis. values <- max(decay * values, density * step); a cell is occupied where
its value exceeds min(threshold, mean) (Mueller et al. 2022, appendix C; nerfacc).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields.domain import Domain
from polyfield.kernels.distances import cell_distances


class OccupancyGrid(nn.Module):
    """A cube of cells over a domain.

    Args:
        domain: the field's.
        resolution: R, cells an axis.
        threshold: optical thickness of one step above which a cell is occupied.
        decay: of the values at every update.
        every: steps between updates.
        warmup: steps until which every update visits all cells; afterwards it visits one in
            sixteen at random and up to twice as many of the occupied ones.
    """

    values: Tensor
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
        self.domain, self.resolution = domain, resolution
        self.threshold, self.decay, self.every, self.warmup = threshold, decay, every, warmup
        cells = resolution**3
        self.register_buffer("values", torch.zeros(cells))
        self.register_buffer("occupied", torch.ones(cells, dtype=torch.uint8))
        self.register_buffer("distances", torch.zeros(cells, dtype=torch.uint8))
        self.register_buffer("clip", domain.bounds.detach().clone())

    @property
    def fraction(self) -> float:
        """Share of the cells that are occupied."""
        return float(self.occupied.float().mean())

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
            density: world points [n, 3] -> density [n].
            step_size: world points [n, 3] -> length of a marching step there [n].
        """
        n, device = self.resolution**3, self.values.device
        if step < self.warmup:
            cells = torch.arange(n, device=device)
        else:
            cells = torch.randint(n, (n // 16,), generator=generator, device=device)
            full = self.occupied.nonzero().flatten()
            if len(full) > n // 8:
                picks = torch.randint(len(full), (n // 8,), generator=generator, device=device)
                full = full[picks]
            cells = torch.cat([cells, full])
        jitter = torch.rand(len(cells), 3, generator=generator, device=device)
        points = self.cell_points(cells, jitter)
        thickness = density(points).float() * step_size(points)
        self.values.mul_(self.decay)
        self.values.scatter_reduce_(0, cells, thickness, reduce="amax")
        self.refresh()

    @torch.no_grad()
    def refresh(self) -> None:
        """Derive the binary grid, its distance field and the occupied box from the values."""
        positive = self.values.clamp(min=0)
        threshold = min(self.threshold, float(positive.mean()))
        occupied = ~(positive <= threshold)  # what is no number is looked at, not hidden
        if not bool(occupied.any()):  # never empty: keep the densest cells
            occupied = positive >= positive.max()
        self.occupied.copy_(occupied)
        R = self.resolution
        self.distances.copy_(cell_distances(self.occupied, R))
        if self.domain.kind == "box":
            cube = occupied.view(R, R, R)
            lower, upper = self.domain.bounds
            for axis, others in enumerate(((1, 2), (0, 2), (0, 1))):
                hit = cube.amax(dim=others).nonzero().flatten()
                size = (upper[axis] - lower[axis]) / R
                self.clip[0, axis] = lower[axis] + hit[0] * size
                self.clip[1, axis] = lower[axis] + (hit[-1] + 1) * size
