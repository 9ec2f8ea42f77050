"""What the trainer asks of a task: batches and losses, metrics, and a state to go on from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn

from polyfield.fields.backbone import Replacement

Metric: TypeAlias = float | Tensor | Callable[[], Tensor]


@dataclass
class StepResult:
    """What one training step gave.

    Args:
        loss: the scalar to minimise, the sum of `terms`.
        terms: its weighted parts by name; a NaN is reported by the name of its term.
        metrics: what else is worth a curve. Tensors are read, and functions called, only when they
            are shown.
        n_rays: rays in the batch; 0 for a task without.
        n_samples: evaluations of the field.
    """

    loss: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    n_rays: int = 0
    n_samples: int = 0


@runtime_checkable
class Task(Protocol):
    """Batch sampler, loss and metrics over one module.

    The trainer calls `grow`, `before_step` and `loss` in this order, once a step. All randomness
    comes from the generator that it passes, so that a run can go on bit by bit.

    Attributes:
        module: holds every parameter and buffer; a checkpoint stores its state dict.
        splits: what can be evaluated; a training is scored on the first.
        score_name: the key of an evaluation by which the best of them is told; higher is better.
    """

    module: nn.Module

    @property
    def splits(self) -> tuple[str, ...]: ...

    @property
    def score_name(self) -> str: ...

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Groups for the optimiser: "params", "name", maybe "lr_scale", "sparse" and "kept"."""
        ...

    def grow(self, step: int, progress: float, generator: torch.Generator) -> Sequence[Replacement]:
        """Change the number of parameters when due; those that were replaced.

        Whatever decides their shapes must be in `state`.
        """
        ...

    def before_step(self, step: int, progress: float, generator: torch.Generator) -> None:
        """What is refreshed between steps, such as occupancy; no parameter is replaced here."""
        ...

    def loss(self, step: int, progress: float, generator: torch.Generator) -> StepResult:
        """Draw a batch and compute its loss.

        Args:
            step: counted from 0.
            progress: in [0, 1): the share of the training that is done.
        """
        ...

    def evaluate(self, split: str, out: Path | None, limit: int | None) -> dict[str, Any]:
        """Scores on held-out data as plain data, ready for json.

        Args:
            split: "test", "val" or "train".
            out: a folder for pictures; None for none.
            limit: of how many items, evenly spread; None for all.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Plain data beside the module's tensors that the next step depends on."""
        ...

    def load_state(self, state: dict[str, Any]) -> None:
        """Undo `state`, giving the module the shapes that it had. Called before tensors load."""
        ...


@runtime_checkable
class Following(Protocol):
    """A task that looks at what its steps did."""

    def after_step(
        self, step: int, progress: float, rates: Mapping[str, float], generator: torch.Generator
    ) -> None:
        """Called when the optimiser has stepped.

        Args:
            step, progress: as of `Task.loss`.
            rates: the learning rates of the step, by the names of groups.
        """
        ...
