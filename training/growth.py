"""What made a field's parameters change shape, so that a checkpoint can do it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from polyfield.errors import InputError
from polyfield.fields.backbone import Replacement


class Growth:
    """When a field grew.

    Args:
        grow: of the field: step and progress -> the parameters that were replaced.
    """

    def __init__(self, grow: Callable[[int, float], Sequence[Replacement]]) -> None:
        self._grow = grow
        self._done: list[list[float]] = []

    def __call__(self, step: int, progress: float) -> Sequence[Replacement]:
        """Let the field grow; when it did is kept."""
        grown = self._grow(step, progress)
        if grown:
            self._done.append([step, progress])
        return grown

    def state(self) -> list[list[float]]:
        """Plain data."""
        return [list(entry) for entry in self._done]

    def load_state(self, state: list[list[float]]) -> None:
        """Let the field grow as it had."""
        done = len(self._done)
        if state[:done] != self._done:
            raise InputError(field="growth", found=state, expected=f"to begin with {self._done}")
        for step, progress in state[done:]:
            self(int(step), progress)
