"""How many rays to draw so that a step costs the same all along.

Empty space is skipped more and more while a scene takes shape, so a ray needs fewer and fewer
samples. Feedback on their (smoothed) number keeps a step near its budget, as in instant-ngp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from polyfield.errors import InputError


@dataclass
class RayBudget:
    """The number of rays of the next step; a function of the samples of the steps before alone.

    Args:
        samples: wanted a step; 0 keeps the number of rays.
        rays: of the first step.
        least, most: bounds of the number of rays.
        smoothing: how much of the estimate of samples a ray stays from step to step.
    """

    samples: int = 16384
    rays: int = 512
    least: int = 64
    most: int = 8192
    smoothing: float = 0.8

    def __post_init__(self) -> None:
        if self.samples < 0 or not 0 < self.least <= self.rays <= self.most:
            raise InputError(
                field="task",
                found=f"samples {self.samples}, rays {self.rays} of {self.least} to {self.most}",
                expected="samples of 0 or more, rays between the bounds",
            )
        self.samples_per_ray: float | None = None

    def update(self, n_samples: int) -> None:
        """Take the samples of the step with `rays` rays in, and set `rays` for the next.

        The number at most doubles or halves, so that one odd batch does no harm.
        """
        if self.samples == 0:
            return
        seen = n_samples / self.rays
        before = seen if self.samples_per_ray is None else self.samples_per_ray
        self.samples_per_ray = self.smoothing * before + (1 - self.smoothing) * seen
        wanted = self.samples / max(self.samples_per_ray, 1e-3)
        bounded = min(max(wanted, 0.5 * self.rays), 2.0 * self.rays)
        self.rays = int(min(max(bounded, self.least), self.most))

    def state(self) -> dict[str, Any]:
        """Plain data."""
        return {"rays": self.rays, "samples_per_ray": self.samples_per_ray}

    def load_state(self, state: dict[str, Any]) -> None:
        """Undo `state`."""
        self.rays, self.samples_per_ray = state["rays"], state["samples_per_ray"]
