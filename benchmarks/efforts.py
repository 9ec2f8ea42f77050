"""How much is spent on a cell."""

from __future__ import annotations

from dataclasses import dataclass

BUDGETS = ("quick", "default", "full")


@dataclass(frozen=True)
class Effort:
    """What a budget means to the suite of kernels.

    Attributes:
        repetitions: of a contender.
        seconds: of the trainings that only make a field worth measuring.
    """

    repetitions: int
    seconds: float


EFFORTS = {
    "quick": Effort(repetitions=3, seconds=3.0),
    "default": Effort(repetitions=7, seconds=5.0),
    "full": Effort(repetitions=15, seconds=20.0),
}
