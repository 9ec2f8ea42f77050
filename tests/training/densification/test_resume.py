"""A training whose Gaussians come and go is one training, stopped or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from polyfield.fields.backbone import Replacement
from polyfield.kernels.rasterize.records import ScreenStatistics
from polyfield.training.densification import MCMC, NAMES, Classic, Strategy, resized
from polyfield.training.optimizers import Adam
from polyfield.training.schedules import Schedule
from polyfield.training.stepper import Stepper
from polyfield.training.task import StepResult

STEPS, LR = 90, 5e-3


class Cloud(nn.Module):
    """Gaussians and their strategy: all that a checkpoint has to hold."""

    def __init__(self, parameters: dict[str, nn.Parameter], strategy: Strategy) -> None:
        super().__init__()
        self.gaussians, self.strategy = nn.ParameterDict(parameters), strategy


class Pulling:
    """A task without pictures: Gaussians are pulled towards the origin, the far ones the most."""

    splits, score_name = ("test",), "psnr"

    def __init__(self, parameters: dict[str, nn.Parameter], strategy: Strategy) -> None:
        strategy.begin(len(parameters["means"]), 1.0)
        self.module = Cloud(parameters, strategy)
        self.counts: list[int] = []

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        return dict(self.module.gaussians.items())

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": [p], "name": name} for name, p in self.parameters.items()]

    def grow(self, step: int, progress: float, generator: torch.Generator) -> Sequence[Replacement]:
        strategy = self.module.strategy
        if step:
            strategy.after_step(self.parameters, LR, generator)
        if not strategy.due(step, progress):
            return []
        made, replaced, _ = strategy.refine(self.parameters, step, progress, generator)
        self.module.gaussians = nn.ParameterDict(made)
        self.counts.append(len(made["means"]))
        return replaced

    def before_step(self, step: int, progress: float, generator: torch.Generator) -> None: ...

    def loss(self, step: int, progress: float, generator: torch.Generator) -> StepResult:
        p, strategy = self.parameters, self.module.strategy
        seen = (torch.rand(len(p["means"]), generator=generator) > 0.3).float()
        loss = sum((p[name] ** 2).mean() for name in NAMES if name != "opacity_logits")
        gradients = 1e-3 * p["means"].detach()[:, :2] * seen[:, None]
        record = ScreenStatistics(seen, gradients, gradients)
        strategy.after_backward(p, record, (2, 2), step, progress)
        opacity = p["opacity_logits"] * (torch.arange(len(seen)) % 3 - 1.0)
        terms = strategy.penalties(p)
        total = torch.stack([torch.as_tensor(loss), opacity.mean(), *terms.values()]).sum()
        return StepResult(total, terms)

    def evaluate(self, *_: Any) -> dict[str, Any]:
        return {}

    def state(self) -> dict[str, Any]:
        return {"densification": self.module.strategy.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        strategy = self.module.strategy
        strategy.load_state(state["densification"])
        if strategy.n != len(self.parameters["means"]):
            self.module.gaussians = nn.ParameterDict(resized(self.parameters, strategy.n))


def strategy_of(name: str) -> Strategy:
    if name == "classic":
        return Classic(every=20, rounds=1, stop=1.0, reset_every=40, threshold=1e-3)
    return MCMC(every=20, rounds=1, stop=1.0, growth=0.2) if name == "mcmc" else Strategy()


def trained(name: str, make: Any, stops: Sequence[int] = ()) -> tuple[dict[str, Tensor], list[int]]:
    """The tensors at the end, and the counts; a new process takes over at each stop."""

    def start() -> Stepper:
        task = Pulling(make(12), strategy_of(name))
        return Stepper(task, lambda groups: Adam(groups, lr=LR), Schedule())

    stepper, counts = start(), []
    for step in range(STEPS):
        if step in stops:
            snapshot = stepper.capture()
            counts += stepper.task.counts  # type: ignore[attr-defined]
            stepper = start()
            stepper.restore(snapshot)
        stepper.step(step, step / STEPS)
    end = stepper.capture()
    counts += stepper.task.counts  # type: ignore[attr-defined]
    return {**end.model, **end.training}, counts


@pytest.mark.parametrize("name", ["classic", "mcmc", "none"])
def test_resume_equals_straight(name: str, make: Any) -> None:
    straight, counts = trained(name, make)
    # In the middle of gathering, and on either side of the refinement of step 42, with its reset.
    resumed, counts_again = trained(name, make, stops=(7, 42, 43, 75))
    assert counts == counts_again
    assert (len(set(counts)) > 1) == (name != "none")
    assert straight.keys() == resumed.keys()
    for key, tensor in straight.items():
        assert torch.equal(tensor, resumed[key]), key
