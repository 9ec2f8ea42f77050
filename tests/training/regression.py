"""A task small enough to train in milliseconds: a torch module fitted to a function of noise.

Tests reach it through the fixture `regression`, processes that they start by its path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from polyfield.fields.backbone import Replacement
from polyfield.training.task import StepResult
from polyfield.training.trainer import Trainer


class Regression:
    """Fits sin(3 x) with inputs, and noise like dropout's, from the generator.

    Args:
        width: of the hidden layer.
        grow_at: the step at which the table is replaced by a longer one.
        nan_at: the step whose loss is NaN.
        rare: whether the table has a gradient in every third step only.
        group: more of the table's group: "sparse", "kept".
    """

    splits, score_name = ("test",), "psnr"

    def __init__(
        self,
        width: int = 8,
        grow_at: int | None = None,
        nan_at: int | None = None,
        rare: bool = False,
        group: dict[str, bool] | None = None,
    ) -> None:
        generator = torch.Generator().manual_seed(3)
        self.module = nn.Module()
        self.module.inner = nn.Linear(1, width)
        self.module.table = nn.Parameter(torch.ones(width))
        self.module.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        with torch.no_grad():
            for parameter in self.module.inner.parameters():
                parameter.uniform_(-1, 1, generator=generator)
        self.width, self.grow_at, self.nan_at, self.rare = width, grow_at, nan_at, rare
        self.group = group or {}
        self.draws = 16
        self.evaluations: list[int] = []

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [
            {
                "params": [self.module.table],
                "name": "table",
                "lr_scale": 2.0,
                **self.group,
            },
            {"params": list(self.module.inner.parameters()), "name": "inner"},
        ]

    def resize(self, length: int) -> None:
        table = self.module.table.detach()
        self.module.table = nn.Parameter(torch.cat([table, table.new_ones(length - len(table))]))

    def grow(self, step: int, progress: float, generator: torch.Generator) -> list[Replacement]:
        if step != self.grow_at:
            return []
        before = self.module.table
        self.resize(2 * self.width)
        return [
            Replacement(before, self.module.table, lambda m: torch.cat([m, torch.zeros_like(m)]))
        ]

    def before_step(self, step: int, progress: float, generator: torch.Generator) -> None:
        self.module.seen += torch.randint(3, (), generator=generator)

    def loss(self, step: int, progress: float, generator: torch.Generator) -> StepResult:
        x = torch.rand(self.draws, 1, generator=generator) * 2 - 1
        self.draws = 16 + int(x.sum().abs() * 4)
        hidden = torch.relu(self.module.inner(x))
        keep = torch.rand(hidden.shape, generator=generator) > 0.1
        table = self.module.table
        if self.rare and step % 3:
            table = table.detach()
        y = (hidden * keep * table[: self.width]).sum(dim=-1)
        fit = (y - torch.sin(3 * x[:, 0])).square().mean()
        penalty = 1e-4 * table.square().sum()
        if step == self.nan_at:
            penalty = penalty * float("nan")
        terms = {"fit": fit, "penalty": penalty}
        return StepResult(
            fit + penalty, terms, {"psnr": -10 * fit.detach().log10()}, len(x), len(x)
        )

    def evaluate(self, split: str, out: Path | None, limit: int | None) -> dict[str, Any]:
        self.evaluations.append(int(self.module.seen))
        return {"psnr": self.module.inner.weight.sum().item(), "split": split}

    def state(self) -> dict[str, Any]:
        return {"draws": self.draws, "length": len(self.module.table)}

    def load_state(self, state: dict[str, Any]) -> None:
        self.draws = state["draws"]
        if state["length"] > len(self.module.table):
            self.resize(state["length"])


def trainer(task: Any, run: Path, **settings: Any) -> Trainer:
    """A trainer of 20 steps unless told otherwise."""
    settings.setdefault("max_steps", 20)
    settings.setdefault("optimizer", lambda groups: torch.optim.Adam(groups, lr=0.02))
    return Trainer(task, run, **settings)
