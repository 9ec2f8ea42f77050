"""Learning rate against progress.

Decay runs on progress in [0, 1], so that the same schedule serves a budget in steps and one in
seconds; warm-up runs on steps, because it protects the optimiser's first estimates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from polyfield.errors import InputError

KINDS = ("cosine", "exponential", "constant")


@dataclass(frozen=True)
class Schedule:
    """The factor by which learning rates are multiplied.

    Args:
        kind: "cosine", "exponential" or "constant" decay from 1 to `final`.
        final: the factor at the end.
        warmup_steps: steps over which the factor first rises linearly.
        hold: the share of the training during which nothing decays.
    """

    kind: Literal["cosine", "exponential", "constant"] = "cosine"
    final: float = 0.03
    warmup_steps: int = 0
    hold: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(field="trainer.decay", found=self.kind, expected=" or ".join(KINDS))
        if not 0 < self.final <= 1:
            raise InputError(field="trainer.final", found=self.final, expected="above 0, up to 1")
        if self.warmup_steps < 0 or not 0 <= self.hold < 1:
            raise InputError(
                field="trainer",
                found=f"warmup_steps {self.warmup_steps}, hold {self.hold}",
                expected="warmup_steps of 0 or more, hold in [0, 1)",
            )

    def __call__(self, step: int, progress: float) -> float:
        """The factor for step `step`, counted from 0, at progress in [0, 1]."""
        warm = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        x = min(max((progress - self.hold) / (1 - self.hold), 0.0), 1.0)
        if self.kind == "cosine":
            return warm * (self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * x)))
        return warm * (self.final**x if self.kind == "exponential" else 1.0)
