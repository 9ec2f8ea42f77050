"""The occupancy estimator: which cells of the domain hold matter, learned along the way.

Letters: R cells an axis. values <- max(decay * values, density); a cell is occupied where its value
exceeds min(threshold / step, mean value), with the length of a marching step there (Mueller et al.
2022, appendix C; nerfacc compares thickness, value times step, which under a contraction would have
distant cells, whose steps are long, empty those around the cameras before anything is learned).
"""

from __future__ import annotations

import math
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
        every: training steps between updates.
        warmup: steps until which every update visits all cells; afterwards it visits one in
            sixteen at random and up to twice as many of the occupied ones.
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
        self.domain, self.resolution = domain, resolution
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
            density: world points [n, 3] -> density [n], 1 / world unit.
            step_size: world points [n, 3] -> length of a marching step there [n], world units;
                asked once.
        """
        n, device = self.resolution**3, self.values.device
        if not self.measured:
            everywhere = torch.arange(n, device=device)
            middle = torch.full((n, 3), 0.5, device=device)
            self.steps.copy_(step_size(self.cell_points(everywhere, middle)))
            self.measured = True
        if step < self.warmup:
            cells = self.reachable.nonzero().flatten()
        else:
            cells = torch.randint(n, (n // 16,), generator=generator, device=device)
            full = self.occupied.nonzero().flatten()
            if len(full) > n // 8:
                picks = torch.randint(len(full), (n // 8,), generator=generator, device=device)
                full = full[picks]
            cells = torch.cat([cells[self.reachable[cells]], full])
        jitter = torch.rand(len(cells), 3, generator=generator, device=device)
        points = self.cell_points(cells, jitter)
        self.values.mul_(self.decay)
        self.values[cells] = self.values[cells].nan_to_num(0.0, 0.0)  # may have recovered
        self.values.scatter_reduce_(0, cells, density(points).float(), reduce="amax")
        self.refresh()

    @torch.no_grad()
    def refresh(self) -> None:
        """Derive the binary grid, its distance field and the occupied box from the values."""
        positive = self.values.clamp(min=0)
        mean = float(positive[self.reachable].mean())
        threshold = self.threshold / self.steps
        if math.isfinite(mean):
            threshold = threshold.clamp(max=mean)
        occupied = ~(positive <= threshold) & self.reachable  # no number: looked at, not hidden
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
