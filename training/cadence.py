"""When a training looks up from its steps, and what it has seen since the last time."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from polyfield.errors import InputError
from polyfield.training.task import Metric, StepResult

SPLITS = ("test", "val", "train")


@dataclass(frozen=True)
class Cadence:
    """When a training looks up from its steps; 0 for never.

    Args:
        eval_every: steps between evaluations; above 0 there is also one at the end.
        eval_split, eval_images: what is evaluated, and how many of it at most.
        save_every: steps between checkpoints.
        save_seconds: seconds of training between checkpoints.
        keep: newest checkpoints that are kept, beside the one of the best score.
        log_every: steps between rows of `metrics.jsonl`.
    """

    eval_every: int = 0
    eval_split: str = "test"
    eval_images: int | None = None
    save_every: int = 0
    save_seconds: float = 120.0
    keep: int = 2
    log_every: int = 100

    def __post_init__(self) -> None:
        for name, least in {"eval_every": 0, "save_every": 0, "keep": 1, "log_every": 0}.items():
            value = getattr(self, name)
            if value < least:
                raise InputError(field=f"trainer.{name}", found=value, expected=f"{least} or more")
        if self.eval_split not in SPLITS:
            expected = " or ".join(SPLITS)
            raise InputError(field="trainer.eval_split", found=self.eval_split, expected=expected)
        if self.eval_images is not None and self.eval_images < 1:
            found = self.eval_images
            raise InputError(field="trainer.eval_images", found=found, expected="1 or more")


@dataclass
class Window:
    """Sums over the steps since something was last shown."""

    elapsed: float = 0.0
    steps: int = 0
    loss: float = 0.0
    rays: int = 0
    samples: int = 0

    def add(self, loss: float, result: StepResult) -> None:
        self.steps += 1
        self.loss += loss
        self.rays += result.n_rays
        self.samples += result.n_samples

    def values(self, elapsed: float) -> dict[str, float]:
        """Means and rates until now; empty before the first step."""
        seconds = elapsed - self.elapsed
        if not self.steps or seconds <= 0:
            return {}
        rates = {"rays_per_second": self.rays, "samples_per_second": self.samples}
        return {
            "loss": self.loss / self.steps,
            **{name: count / seconds for name, count in rates.items() if count},
            "milliseconds_per_step": 1000 * seconds / self.steps,
        }


def read_metrics(result: StepResult) -> dict[str, float]:
    """Terms (as `loss/NAME`) and metrics of a step as numbers."""
    terms = {f"loss/{name}": float(term.detach()) for name, term in result.terms.items()}
    metrics = {name: _number(value) for name, value in result.metrics.items()}
    return {**terms, **metrics}


def _number(value: Metric) -> float:
    found = value() if callable(value) else value
    return float(found.detach() if isinstance(found, Tensor) else found)
