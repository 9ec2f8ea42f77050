"""The one trainer: steps on a budget, and everything around them that no task should care about.

The budget is in steps, in seconds or both. Schedules run on

    progress = max(step / max_steps, elapsed / max_seconds)

where `elapsed` is time in training steps alone. A run that is bounded by steps goes on bit by bit
after an interruption: parameters, moments, averages and the generator are restored exactly.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from polyfield.errors import InputError
from polyfield.training import checkpoint
from polyfield.training.averaging import Average
from polyfield.training.cadence import Cadence, Window, read_metrics
from polyfield.training.clock import Clock
from polyfield.training.gate import Gate
from polyfield.training.interrupts import Interrupts
from polyfield.training.progress import Display, resident_memory
from polyfield.training.records import Records
from polyfield.training.schedules import Schedule
from polyfield.training.stepper import NotFinite, OptimizerFactory, Stepper
from polyfield.training.task import StepResult, Task


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Args:
        step, elapsed: steps and seconds of training, those before a resume included.
        interrupted: whether a signal ended it.
        checkpoint: where its last state is.
        evaluation: of the last state, when `Cadence.eval_every` asked for it.
    """

    step: int
    elapsed: float
    interrupted: bool
    checkpoint: Path
    evaluation: dict[str, Any] | None


class Saved(NamedTuple):
    """The last checkpoint that was written."""

    step: int
    path: Path
    score: float | None


class Trainer:
    """Trains a task within a budget and keeps its run folder.

    Args:
        task: see `training.task`.
        run: the run's folder; checkpoints and `metrics.jsonl` go there.
        optimizer: makes the optimiser of the task's parameter groups.
        max_steps, max_seconds: the budget; at least one.
        schedule: of the learning rate.
        ema: decay of the average of the parameters that is evaluated and saved; 0 for none.
        restart: whether optimiser and schedule begin again where a field changed resolution.
        seed: of the generator of all randomness.
        cadence: when to evaluate, save and log.
        score: the key of an evaluation by which the best checkpoint is told; higher is better.
        logging: `tensorboard` and `wandb` of `Records`.
        display: what is shown; nothing by default.
        on_step: called with the trainer after every step; their time is not training time.
    """

    def __init__(
        self,
        task: Task,
        run: Path | str,
        *,
        optimizer: OptimizerFactory,
        max_steps: int | None = None,
        max_seconds: float | None = None,
        schedule: Schedule | None = None,
        ema: float = 0.0,
        restart: bool = False,
        seed: int = 0,
        cadence: Cadence | None = None,
        score: str = "psnr",
        logging: Mapping[str, Any] | None = None,
        display: Display | None = None,
        on_step: Sequence[Callable[[Trainer], None]] = (),
    ) -> None:
        for name, bound in (("max_steps", max_steps), ("max_seconds", max_seconds)):
            if bound is not None and not bound > 0:
                raise InputError(field=f"trainer.{name}", found=bound, expected="above 0")
        if max_steps is None and max_seconds is None:
            raise InputError(
                field="trainer", found="no bound", expected="max_steps, max_seconds or both"
            )
        self.task, self.run = task, Path(run)
        self.max_steps, self.max_seconds = max_steps, max_seconds
        self.cadence = cadence or Cadence()
        self.score, self.logging = score, dict(logging or {})
        self.display = display or Display(enabled=False)
        self.on_step = list(on_step)
        self.gate, self.interrupts = Gate(), Interrupts()
        self.stepper = Stepper(task, optimizer, schedule or Schedule(), ema, seed, restart)
        self.step = 0
        self.clock = Clock()
        self._saved: Saved | None = None
        self._saved_at = 0.0
        self._best = -math.inf

    @property
    def elapsed(self) -> float:
        """Seconds of training."""
        return self.clock.elapsed

    @property
    def average(self) -> Average | None:
        """The averaged parameters, where the run averages."""
        return self.stepper.average

    @property
    def progress(self) -> float:
        """The share of the budget that is used up; 1 or more at the end."""
        steps = self.step / self.max_steps if self.max_steps else 0.0
        return max(steps, self.elapsed / self.max_seconds) if self.max_seconds else steps

    def restore(self, which: str | int = "latest", run: Path | None = None) -> None:
        """Go on from a checkpoint.

        Args:
            which: "latest", "best" or a step.
            run: whose; this run by default.

        Raises:
            InputError: when it is missing, damaged or of another architecture.
        """
        run = run or self.run
        path = checkpoint.resolve(run, which)
        snapshot = checkpoint.load(path)
        self.stepper.restore(snapshot, path / checkpoint.MODEL)
        self.step = snapshot.state["step"]
        self.clock = Clock(snapshot.state["elapsed"])
        self._saved_at = self.elapsed
        best = snapshot.state.get("best")
        self._best = -math.inf if best is None else best
        if run == self.run:
            self._saved = Saved(self.step, path, snapshot.state.get("score"))

    def train(self) -> Outcome:
        """Train until the budget is used up or a signal comes; the last state is saved.

        Raises:
            InputError: when the loss is not finite or nothing can be written. The last checkpoint
                stands.
        """
        evaluation = None
        cadence = self.cadence
        with (
            closing(Records(self.run, self.step, **self.logging)) as records,
            self.interrupts.caught(),
            self.display,
        ):
            if self.progress >= 1:
                self.display.note(f"nothing left to do after step {self.step}")
            else:
                self.stepper.warm_up(self.step, self.progress)
            self._logged, self._shown = Window(self.elapsed), Window(self.elapsed)
            began = (self.progress, self.elapsed)
            with self.clock.running():
                while self.progress < 1 and not self.interrupts:
                    loss, result = self._step()
                    self._logged.add(loss, result)
                    self._shown.add(loss, result)
                    if self.on_step or self.gate.closed:
                        with self.clock.stopped():
                            self._look_up()
                    if cadence.log_every and self.step % cadence.log_every == 0:
                        self._log(records, result)
                    if self.display.due(time.perf_counter()):
                        self._show(result, began)
                    if cadence.eval_every and self.step % cadence.eval_every == 0:
                        evaluation = self._evaluate(records)
                    if self._save_due():
                        self.save(evaluation)
            if cadence.eval_every and not self.interrupts and not self._evaluated(evaluation):
                evaluation = self._evaluate(records)
            path = self.save(evaluation)
        return Outcome(self.step, self.elapsed, bool(self.interrupts), path, evaluation)

    def save(self, evaluation: dict[str, Any] | None = None) -> Path:
        """Write a checkpoint of this step unless there is one that says as much.

        Args:
            evaluation: the last one; its score is recorded if it is of this step.
        """
        score = self._score(evaluation) if self._evaluated(evaluation) else None
        if self._saved and self._saved.step == self.step and score in (None, self._saved.score):
            return self._saved.path
        with self.clock.stopped():
            snapshot = self.stepper.capture()
            snapshot.state.update(
                step=self.step,
                elapsed=self.elapsed,
                score=score,
                best=None if self._best == -math.inf else self._best,
            )
            path = checkpoint.save(self.run, snapshot)
            checkpoint.prune(self.run, self.cadence.keep)
            self._saved, self._saved_at = Saved(self.step, path, score), self.elapsed
        return path

    def _step(self) -> tuple[float, StepResult]:
        with self.gate.step():
            try:
                taken = self.stepper.step(self.step, min(self.progress, 1.0))
            except NotFinite as error:
                raise self._diverged(error) from error
            self.step += 1
        return taken

    def _diverged(self, error: NotFinite) -> InputError:
        stands = f"the checkpoint of step {self._saved.step} stands" if self._saved else ""
        terms = f" ({', '.join(error.terms)})" if error.terms else ""
        return InputError(
            "training stopped",
            file=self.run,
            field=f"step {self.step}: loss{terms}",
            found=error.loss,
            expected="a finite number",
            hint=f"{stands or 'no checkpoint was written yet'}; a lower optimizer.lr may help",
        )

    def _look_up(self) -> None:
        for callback in self.on_step:
            callback(self)
        self.gate.wait(lambda: bool(self.interrupts))

    def _log(self, records: Records, result: StepResult) -> None:
        elapsed = self.elapsed
        values = {**self._logged.values(elapsed), **read_metrics(result), "elapsed": elapsed}
        values["lr"] = self.stepper.optimizer.param_groups[0]["lr"]
        memory = resident_memory()
        if memory is not None:
            values["memory"] = memory
        with self._saved_on_failure():
            records.write(self.step, values)
        self._logged = Window(elapsed)

    def _show(self, result: StepResult, began: tuple[float, float]) -> None:
        elapsed, progress = self.elapsed, self.progress
        values = {**self._shown.values(elapsed), **read_metrics(result), "step": self.step}
        done = progress - began[0]
        if done > 0:
            values["eta"] = max(1 - progress, 0.0) * (elapsed - began[1]) / done
        memory = resident_memory()
        if memory is not None:
            values["memory"] = memory
        self.display.show(values, min(progress, 1.0))
        self._shown = Window(elapsed)

    def _evaluate(self, records: Records) -> dict[str, Any]:
        with self.clock.stopped():
            arguments = (self.cadence.eval_split, None, self.cadence.eval_images)
            with self._saved_on_failure():
                with self.average.applied() if self.average else nullcontext():
                    evaluation = self.task.evaluate(*arguments)
                evaluation["step"] = self.step
                numbers = {k: v for k, v in evaluation.items() if isinstance(v, float)}
                records.write(self.step, {f"eval/{key}": value for key, value in numbers.items()})
            score = self._score(evaluation)
            if score is not None:
                self.display.note(f"step {self.step:,}: {self.score} {score:.4g}")
            if score is not None and score > self._best:
                self._best = score
                self.save(evaluation)
        return evaluation

    @contextmanager
    def _saved_on_failure(self) -> Iterator[None]:
        """A held-out photo may be broken, a row may not fit: no reason to lose the training."""
        try:
            yield
        except Exception:
            self.save()
            raise

    def _evaluated(self, evaluation: dict[str, Any] | None) -> bool:
        return evaluation is not None and evaluation["step"] == self.step

    def _score(self, evaluation: dict[str, Any] | None) -> float | None:
        value = None if evaluation is None else evaluation.get(self.score)
        return float(value) if value is not None and math.isfinite(value) else None

    def _save_due(self) -> bool:
        every, seconds = self.cadence.save_every, self.cadence.save_seconds
        by_time = seconds > 0 and self.elapsed - self._saved_at >= seconds
        return by_time or (every > 0 and self.step % every == 0)
