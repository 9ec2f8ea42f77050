"""When Gaussians are refined, in trainings of 300 steps as in those of 30,000.

A moment is a share of the training up to 1, and a step above. Where a budget is in seconds the
number of steps that it will hold is foreseen from those that were taken.
"""

from __future__ import annotations

from dataclasses import dataclass

from polyfield.errors import InputError

LEAST_INTERVAL = 20  # steps; fewer see too few pictures to say where detail is missing


@dataclass(frozen=True)
class Window:
    """From when to when, and how often.

    Args:
        start, stop: the first and the last moment.
        every: steps between two refinements.
        rounds: how many refinements a training has at least: in one too short for that many they
            come more often than `every`, down to every 20 steps.
        name: of the settings, for messages.
    """

    start: float
    stop: float
    every: int
    rounds: int
    name: str = "densify"

    def __post_init__(self) -> None:
        for key in ("start", "stop"):
            value = getattr(self, key)
            if not value >= 0:
                expected = "a share of the training, 0 to 1, or a step"
                raise InputError(field=f"{self.name}.{key}", found=value, expected=expected)
        for key in ("every", "rounds"):
            value = getattr(self, key)
            if not value >= 1:
                raise InputError(field=f"{self.name}.{key}", found=value, expected="1 or more")

    def due(self, step: int, progress: float, last: int) -> bool:
        """Whether to refine before a step.

        Args:
            step: counted from 0.
            progress: the share of the training that is done, in [0, 1).
            last: the step before which it was done last; 0 for never.
        """
        if step == 0 or self.over(step, progress):
            return False
        start = self.step_of(self.start, step, progress)
        return step >= start and step - max(last, start) >= self.interval(step, progress)

    def over(self, step: int, progress: float) -> bool:
        """Whether nothing more will come."""
        return progress >= self.stop if self.stop <= 1 else step >= self.stop

    def interval(self, step: int, progress: float) -> int:
        """Steps between two refinements, `every` or less."""
        total = foreseen(step, progress)
        if total is None:
            return self.every
        start, stop = (self.step_of(at, step, progress) for at in (self.start, self.stop))
        often = max((min(stop, total) - start) // self.rounds, LEAST_INTERVAL)
        return min(self.every, often)

    @staticmethod
    def step_of(moment: float, step: int, progress: float) -> int:
        """The step at a moment, as far as can be foreseen; 0 for a share where nothing can."""
        if moment > 1:
            return int(moment)
        return round(moment * (foreseen(step, progress) or 0))


def foreseen(step: int, progress: float) -> int | None:
    """How many steps a training will have; None before it has taken any, or without a budget."""
    return round(step / progress) if step > 0 and progress > 0 else None
