"""One step of a training, and everything that it changes: to be captured, restored and undone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from polyfield.fields.backbone import Replacement
from polyfield.kernels.gradients import direct_gradients
from polyfield.training.averaging import Average
from polyfield.training.optimizers import keeps_gradients
from polyfield.training.schedules import Schedule
from polyfield.training.snapshot import Snapshot, capture, restore_model, restore_training
from polyfield.training.task import Following, StepResult, Task

OptimizerFactory = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]


def of_group(group: dict[str, Any], progress: float) -> float:
    """The factor of a group's own: towards "final" exponentially, and 0 from "end" on.

    From "hold" to "end" the rate falls to 0, in groups that learn only for a while.
    """
    factor = float(group.get("final", 1.0)) ** progress
    hold, end = group.get("hold", 1.0), group.get("end", 1.0)
    if progress < hold or hold >= 1:
        return factor
    return factor * max(end - progress, 0.0) / (end - hold) if end > hold else 0.0


class NotFinite(ArithmeticError):
    """A loss is NaN or infinite.

    Args:
        loss: its value.
        terms: the names of its terms that are not finite either.
    """

    def __init__(self, loss: float, terms: list[str]) -> None:
        super().__init__(loss, terms)
        self.loss, self.terms = loss, terms


class Stepper:
    """A task with its optimiser, its averages and its generator.

    Args:
        task: see `training.task`.
        optimizer: makes the optimiser of the task's parameter groups.
        schedule: of the learning rate.
        ema: decay of the average of the parameters; 0 for none.
        restart: whether the optimiser forgets and the schedule begins again, at its first rate,
            where parameters were replaced (TensoRF).
        seed: of the generator of all randomness.
    """

    def __init__(
        self,
        task: Task,
        optimizer: OptimizerFactory,
        schedule: Schedule,
        ema: float = 0.0,
        seed: int = 0,
        restart: bool = False,
    ) -> None:
        self.task, self.schedule, self.restart = task, schedule, restart
        self._since = 0.0  # progress at which the schedule began
        self._make_optimizer = optimizer
        self.optimizer = self._new_optimizer()
        self.average = Average(task.module, ema) if ema else None
        self.generator = torch.Generator().manual_seed(seed)

    def step(self, step: int, progress: float) -> tuple[float, StepResult]:
        """Take a step.

        Args:
            step: counted from 0.
            progress: in [0, 1].

        Returns:
            The loss before the step, and what the task gave.

        Raises:
            NotFinite: before anything is applied.
        """
        replaced = self.task.grow(step, progress, self.generator)
        if replaced:
            self._since = progress if self.restart else 0.0
            self.follow_growth(replaced)
        self.task.before_step(step, progress, self.generator)
        result = self.task.loss(step, progress, self.generator)
        loss = result.loss.item()
        if not math.isfinite(loss):
            terms = [name for name, t in result.terms.items() if not math.isfinite(t.item())]
            raise NotFinite(loss, terms)
        with direct_gradients():
            result.loss.backward()
        self._since = min(self._since, progress)  # with a larger budget training goes back in it
        factor = self.schedule(step, progress - self._since)
        for group in self.optimizer.param_groups:
            group["lr"] = group["full_lr"] * factor * of_group(group, progress)
        self.optimizer.step()
        if not self._keeps_gradients:
            self.optimizer.zero_grad(set_to_none=True)
        if isinstance(self.task, Following):
            groups = self.optimizer.param_groups
            rates = {group["name"]: group["lr"] * group.get("lr_scale", 1.0) for group in groups}
            self.task.after_step(step, progress, rates, self.generator)
        if self.average is not None:
            self.average.update()
        return loss, result

    def warm_up(self, step: int, progress: float) -> None:
        """Take a step that is undone, so that compiling and loading cost no training time."""
        before = self.capture()
        self.task.before_step(step, progress, self.generator)
        self.task.loss(step, progress, self.generator).loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.restore(before)

    def follow_growth(self, replaced: Sequence[Replacement]) -> None:
        """Let the optimiser go on with new parameters where it was with the old ones."""
        before = {} if self.restart else dict(self.optimizer.state)
        for old, new, carry in replaced:
            state = before.pop(old, None)
            if state:
                before[new] = {
                    name: carry(value) if value.shape == old.shape else value
                    for name, value in state.items()
                }
        self.optimizer = self._new_optimizer()
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                if parameter in before:
                    self.optimizer.state[parameter] = before[parameter]
        self._give_kept_gradients()
        if self.average is not None:
            self.average.follow(replaced)

    def capture(self) -> Snapshot:
        """A copy of everything that the next step depends on."""
        snapshot = capture(self.task, self.optimizer, self.generator, self.average)
        snapshot.state["since"] = self._since
        return snapshot

    def restore(self, snapshot: Snapshot, file: Path | None = None) -> None:
        """Undo `capture`.

        Args:
            file: where the snapshot's model was read from, for messages.

        Raises:
            InputError: when it is of another architecture.
        """
        restore_model(self.task, snapshot, file)
        self._since = snapshot.state.get("since", 0.0)
        self.optimizer = self._new_optimizer()
        if self.average is not None:
            self.average.follow()
        restore_training(self.task, self.optimizer, self.generator, self.average, snapshot)
        self._give_kept_gradients()

    def _give_kept_gradients(self) -> None:
        """Give parameters that have been learning the gradients that the optimiser keeps.

        One that is kept counts as zero in steps without one; a missing one does not.
        """
        for group in self.optimizer.param_groups if self._keeps_gradients else ():
            for parameter in group["params"] if keeps_gradients(group) else ():
                if parameter in self.optimizer.state:
                    parameter.grad = torch.zeros_like(parameter)

    @property
    def _keeps_gradients(self) -> bool:
        """Whether the optimiser clears gradients itself and keeps those of some groups."""
        return getattr(self.optimizer, "consumes_gradients", False)

    def _new_optimizer(self) -> torch.optim.Optimizer:
        optimizer = self._make_optimizer(self.task.parameter_groups())
        for group in optimizer.param_groups:
            group["full_lr"] = group["lr"]
        return optimizer
