"""What tasks over points of the unit cube have in common: one field, nothing between it and them.

Letters: n points, d coordinates, k numbers of the signal.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields.backbone import Replacement
from polyfield.fields.signal_field import SignalField
from polyfield.training.growth import Growth
from polyfield.training.task import StepResult
from polyfield.version import __version__

SPLIT = "test"


class PointTask:
    """A task whose module is a field; `loss` and `score` are what differs.

    Args:
        field: what learns.
        batch: points a step.
    """

    module: nn.Module
    splits: tuple[str, ...] = (SPLIT,)
    score_name = "psnr"

    def __init__(self, field: SignalField, batch: int) -> None:
        if batch < 1:
            raise InputError(field="task.batch", found=batch, expected="1 or more")
        self.field, self.module, self.batch = field, field, batch
        self._growth = Growth(field.grow)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The field's groups."""
        return self.field.parameter_groups()

    def grow(self, step: int, progress: float, generator: torch.Generator) -> Sequence[Replacement]:
        """Let the field change resolution."""
        return self._growth(step, progress)

    def before_step(self, step: int, progress: float, generator: torch.Generator) -> None:
        """Nothing is refreshed."""

    def loss(self, step: int, progress: float, generator: torch.Generator) -> StepResult:
        """Draw points and compare."""
        raise NotImplementedError

    def result(self, name: str, loss: Tensor, metrics: dict[str, Tensor], n: int) -> StepResult:
        """A step's loss of n points, and the field's own penalty."""
        terms = {name: loss}
        penalty = self.field.regularization()
        if penalty.requires_grad:
            terms["field"] = penalty
        total = torch.stack(list(terms.values())).sum() if len(terms) > 1 else loss
        return StepResult(total, terms, metrics, n_samples=n)

    def score(self, out: Path | None, limit: int | None) -> dict[str, Any]:
        """Scores as plain data, without what `evaluate` adds."""
        raise NotImplementedError

    def evaluate(
        self, split: str = SPLIT, out: Path | None = None, limit: int | None = None
    ) -> dict[str, Any]:
        """Score the signal.

        Args:
            split: "test": a signal is scored as a whole, and what was held out of it apart.
            out: a folder for pictures; None for none.
            limit: of how many pictures; None for all.

        Returns:
            The scores, and "split", "seconds", "version", "notes".
        """
        if split not in self.splits:
            raise InputError(field="split", found=split, expected=SPLIT)
        if limit is not None and limit < 1:
            raise InputError(field="limit", found=limit, expected="1 or more")
        began = time.perf_counter()
        scores = self.score(out, limit)
        seconds = time.perf_counter() - began
        notes = scores.pop("notes", [])
        return {
            **scores,
            "split": split,
            "seconds": seconds,
            "version": __version__,
            "notes": notes,
        }

    def state(self) -> dict[str, Any]:
        """What made the field grow."""
        return {"growth": self._growth.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Undo `state`: let the field grow as it had."""
        self._growth.load_state(state["growth"])
