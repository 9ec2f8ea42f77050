"""The trainer: going on bit by bit, stopping well, and losing nothing."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from polyfield.errors import InputError
from polyfield.training import checkpoint, clock, records
from polyfield.training.cadence import Cadence
from polyfield.training.optimizers import Adam
from polyfield.training.records import read_records
from polyfield.training.schedules import Schedule
from polyfield.training.snapshot import Snapshot
from polyfield.training.trainer import Trainer

N = 20


def stop_after(step: int) -> Callable[[Trainer], None]:
    """A callback that does what a signal does."""

    def callback(trainer: Trainer) -> None:
        if trainer.step == step:
            trainer.interrupts.received = signal.SIGINT

    return callback


def snapshot(trainer: Trainer) -> Snapshot:
    return trainer.stepper.capture()


def assert_same(a: Snapshot, b: Snapshot) -> None:
    assert a.state == b.state
    for one, other in ((a.model, b.model), (a.training, b.training)):
        assert one.keys() == other.keys()
        for name in one:
            assert torch.equal(one[name], other[name]), name


@pytest.mark.parametrize(
    ("ema", "optimizer", "kind"),
    [
        (0.0, torch.optim.Adam, {}),
        (0.9, torch.optim.Adam, {}),
        (0.0, torch.optim.Adam, {"grow_at": 4}),
        (0.9, torch.optim.Adam, {"grow_at": 12}),
        (0.9, Adam, {"grow_at": 4}),
        (0.0, Adam, {"rare": True, "group": {"sparse": True}}),
        (0.0, Adam, {"rare": True, "group": {"kept": True}}),
        (0.9, Adam, {"grow_at": 12, "group": {"kept": True}}),
    ],
)
def test_resume_is_bit_equal(
    tmp_path: Path, regression: Any, ema: float, optimizer: type, kind: dict[str, Any]
) -> None:
    settings = {"ema": ema, "optimizer": lambda groups: optimizer(groups, lr=0.02)}
    straight = regression.trainer(regression.Regression(**kind), tmp_path / "a", **settings)
    straight.train()
    first = regression.trainer(
        regression.Regression(**kind),
        tmp_path / "b",
        on_step=[stop_after(N // 2)],
        **settings,
    )
    assert first.train().interrupted
    second = regression.trainer(regression.Regression(**kind), tmp_path / "b", seed=99, **settings)
    second.restore()
    assert second.step == N // 2
    assert not second.train().interrupted
    assert_same(snapshot(straight), snapshot(second))
    # The task really depends on all that: another seed ends elsewhere.
    other = regression.trainer(regression.Regression(**kind), tmp_path / "c", seed=1, **settings)
    other.train()
    assert not torch.equal(snapshot(other).model["table"], snapshot(straight).model["table"])


def test_a_gradient_that_is_kept_is_the_same(tmp_path: Path, regression: Any) -> None:
    ends = []
    for kept in (False, True):
        task = regression.Regression(group={"kept": kept})
        trainer = regression.trainer(task, tmp_path / str(kept), optimizer=Adam)
        trainer.train()
        assert (task.module.table.grad is not None) == kept
        ends.append(snapshot(trainer))
    assert_same(*ends)


def test_what_is_frozen_stays_though_its_gradient_is_kept() -> None:
    table = torch.nn.Parameter(torch.ones(3))
    optimizer = Adam([{"params": [table], "kept": True}], lr=0.1)
    table.sum().backward()
    optimizer.step()
    learned = table.detach().clone()
    table.requires_grad_(False)
    optimizer.step()
    assert torch.equal(table, learned)


@pytest.mark.parametrize("group", [{}, {"kept": True}, {"sparse": True}])
@pytest.mark.parametrize("rare", [False, True])  # then what has grown at 7 has no gradient before 9
def test_a_checkpoint_of_any_step_leads_to_the_same_end(
    tmp_path: Path, regression: Any, rare: bool, group: dict[str, bool]
) -> None:
    def trainer(run: Path, **more: Any) -> Any:
        task = regression.Regression(grow_at=7, rare=rare, group=group)
        return regression.trainer(task, run, optimizer=Adam, **more)

    straight = trainer(tmp_path, cadence=Cadence(save_every=4, keep=100))
    straight.train()
    steps = list(checkpoint.listing(tmp_path))
    assert steps == [4, 8, 12, 16, 20]
    for step in steps:
        again = trainer(tmp_path / str(step))
        again.restore(step, tmp_path)
        again.train()
        assert_same(snapshot(straight), snapshot(again))


def test_warming_up_leaves_no_trace(tmp_path: Path, regression: Any) -> None:
    trainer = regression.trainer(regression.Regression(grow_at=3), tmp_path, ema=0.5, max_steps=10)
    trainer.train()
    before = snapshot(trainer)
    trainer.stepper.warm_up(10, 1.0)
    assert_same(before, snapshot(trainer))


def test_growth_keeps_the_moments_of_what_stays(tmp_path: Path, regression: Any) -> None:
    task = regression.Regression(grow_at=5)
    trainer = regression.trainer(task, tmp_path, max_steps=5)
    trainer.train()
    states = trainer.stepper.optimizer.state
    moment = states[task.module.inner.weight]["exp_avg"].clone()
    resized = states[task.module.table]["exp_avg"].clone()
    trainer.max_steps = 100
    grown = task.grow(5, 0.5, trainer.stepper.generator)
    assert grown
    trainer.stepper.follow_growth(grown)
    assert torch.equal(trainer.stepper.optimizer.state[task.module.inner.weight]["exp_avg"], moment)
    carried = trainer.stepper.optimizer.state[task.module.table]
    assert torch.equal(carried["exp_avg"], torch.cat([resized, torch.zeros_like(resized)]))
    assert carried["exp_avg_sq"].shape == task.module.table.shape
    assert int(carried["step"]) == 5
    assert any(
        task.module.table is p for g in trainer.stepper.optimizer.param_groups for p in g["params"]
    )


def test_nan_stops_before_it_is_applied(tmp_path: Path, regression: Any) -> None:
    task = regression.Regression(nan_at=7)
    trainer = regression.trainer(task, tmp_path, cadence=Cadence(save_every=5))
    seen: dict[int, torch.Tensor] = {}
    trainer.on_step.append(lambda t: seen.update({t.step: task.module.table.detach().clone()}))
    with pytest.raises(InputError, match=r"step 7: loss \(penalty\).*found nan.*step 5 stands"):
        trainer.train()
    assert torch.equal(task.module.table, seen[7])
    assert list(checkpoint.listing(tmp_path)) == [5]
    again = regression.trainer(regression.Regression(), tmp_path)
    again.restore()
    assert again.train().step == N


def test_parameters_that_are_not_finite_are_not_saved(tmp_path: Path, regression: Any) -> None:
    task = regression.Regression()
    trainer = regression.trainer(task, tmp_path)
    trainer.train()

    def poison(t: Trainer) -> None:
        with torch.no_grad():
            task.module.inner.bias[0] = math.inf

    trainer.max_steps = N + 1
    trainer.on_step.append(poison)
    with pytest.raises(InputError, match=r"step 21: inner\.bias.*found NaN or infinity"):
        trainer.train()
    assert list(checkpoint.listing(tmp_path)) == [N]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_and_saves(
    tmp_path: Path, regression: Any, number: signal.Signals
) -> None:
    def interrupt(t: Trainer) -> None:
        if t.step == 12:
            os.kill(os.getpid(), number)

    trainer = regression.trainer(regression.Regression(), tmp_path, on_step=[interrupt])
    handler = signal.getsignal(number)
    outcome = trainer.train()
    assert (outcome.step, outcome.interrupted, outcome.checkpoint.name) == (12, True, "step_000012")
    assert signal.getsignal(number) is handler
    trainer = regression.trainer(regression.Regression(), tmp_path)
    trainer.restore()
    assert trainer.step == 12


def test_a_second_signal_acts_at_once(tmp_path: Path, regression: Any) -> None:
    trainer = regression.trainer(regression.Regression(), tmp_path)

    def twice(t: Trainer) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    trainer.on_step.append(twice)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_best_and_the_newest_are_kept(tmp_path: Path, regression: Any) -> None:
    task = regression.Regression()
    scores = iter([1.0, 5.0, 2.0, math.nan, 3.0, 4.0])
    task.evaluate = lambda *_: {"psnr": next(scores)}
    cadence = Cadence(eval_every=4, save_every=4, keep=2)
    outcome = regression.trainer(task, tmp_path, max_steps=24, cadence=cadence).train()
    assert list(checkpoint.listing(tmp_path)) == [8, 20, 24]
    assert checkpoint.resolve(tmp_path, "best").name == "step_000008"
    assert checkpoint.resolve(tmp_path, "latest") == outcome.checkpoint
    assert outcome.evaluation == {"psnr": 4.0, "step": 24}


def test_the_last_score_is_kept_though_its_step_was_saved_before(
    tmp_path: Path, regression: Any
) -> None:
    task = regression.Regression()
    scores = iter([1.0, 2.0, 3.0, 4.0])
    task.evaluate = lambda *_: {"psnr": next(scores)}
    cadence = Cadence(eval_every=6, save_every=5, keep=1)
    outcome = regression.trainer(task, tmp_path, cadence=cadence).train()
    assert outcome.evaluation == {"psnr": 4.0, "step": N}
    assert checkpoint.read_state(outcome.checkpoint)["score"] == 4.0
    assert checkpoint.resolve(tmp_path, "best") == outcome.checkpoint


def test_an_evaluation_that_fails_costs_no_training(tmp_path: Path, regression: Any) -> None:
    task = regression.Regression()

    def broken(*_: Any) -> dict[str, Any]:
        raise InputError("cut short", file="test_3.png")

    task.evaluate = broken
    with pytest.raises(InputError, match=r"test_3\.png"):
        regression.trainer(task, tmp_path, cadence=Cadence(eval_every=7), ema=0.5).train()
    assert list(checkpoint.listing(tmp_path)) == [7]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_loses_no_training(
    tmp_path: Path, regression: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *rest: Any, **more: Any) -> Any:
        return open("/dev/full", *rest, **more)

    monkeypatch.setattr(records, "open", full, raising=False)
    trainer = regression.trainer(regression.Regression(), tmp_path, cadence=Cadence(log_every=7))
    with pytest.raises(InputError, match=r"metrics\.jsonl: cannot write, found No space left"):
        trainer.train()
    assert list(checkpoint.listing(tmp_path)) == [7]


def test_averaged_parameters_are_what_is_evaluated_and_saved(
    tmp_path: Path, regression: Any
) -> None:
    task = regression.Regression()
    trainer = regression.trainer(task, tmp_path, ema=0.9, cadence=Cadence(eval_every=N))
    outcome = trainer.train()
    saved = checkpoint.load(outcome.checkpoint)
    average = trainer.average.values["inner.weight"]
    assert torch.equal(saved.model["inner.weight"], average)
    assert outcome.evaluation["psnr"] == float(average.sum())
    assert torch.equal(saved.training["parameter/inner.weight"], task.module.inner.weight)
    assert not torch.equal(average, task.module.inner.weight)


def test_only_training_is_timed(
    tmp_path: Path, regression: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(clock.time, "perf_counter", lambda: now[0])
    task = regression.Regression()
    spent = {"loss": 1.0, "evaluate": 50.0, "state": 20.0}

    def slow(name: str) -> None:
        method = getattr(task, name)

        def slower(*arguments: Any) -> Any:
            now[0] += spent[name]
            return method(*arguments)

        setattr(task, name, slower)

    for name in spent:
        slow(name)

    def watch(t: Trainer) -> None:
        now[0] += 1000.0

    cadence = Cadence(eval_every=2, save_every=3)
    outcome = regression.trainer(
        task, tmp_path, max_steps=None, max_seconds=10.0, cadence=cadence, on_step=[watch]
    ).train()
    assert (outcome.step, outcome.elapsed) == (10, 10.0)


def test_progress_follows_whichever_budget_is_used_up_first(
    tmp_path: Path, regression: Any
) -> None:
    trainer = regression.trainer(regression.Regression(), tmp_path, max_steps=10, max_seconds=100.0)
    trainer.step, trainer.clock = 3, clock.Clock(20.0)
    assert trainer.progress == 0.3
    trainer.clock = clock.Clock(45.0)
    assert trainer.progress == 0.45


def test_learning_rates_follow_the_schedule(tmp_path: Path, regression: Any) -> None:
    rates = []
    schedule = Schedule("exponential", final=0.1, warmup_steps=4)
    trainer = regression.trainer(
        regression.Regression(),
        tmp_path,
        schedule=schedule,
        on_step=[lambda t: rates.append(t.stepper.optimizer.param_groups[0]["lr"])],
    )
    trainer.train()
    assert rates == [0.02 * schedule(step, step / N) for step in range(N)]


def test_a_resumed_run_has_one_row_a_step(tmp_path: Path, regression: Any) -> None:
    cadence = Cadence(log_every=2, save_every=8)
    first = regression.trainer(
        regression.Regression(nan_at=13), tmp_path, cadence=cadence, max_steps=N
    )
    with pytest.raises(InputError):
        first.train()
    assert [row["step"] for row in read_records(tmp_path)] == [2, 4, 6, 8, 10, 12]
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 14, "lo')  # what a kill may leave
    second = regression.trainer(regression.Regression(), tmp_path, cadence=cadence)
    second.restore()
    second.train()
    rows = read_records(tmp_path)
    assert [row["step"] for row in rows] == list(range(2, N + 1, 2))
    assert {"loss", "loss/fit", "psnr", "rays_per_second", "lr", "elapsed"} <= rows[-1].keys()


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path, regression: Any) -> None:
    regression.trainer(regression.Regression(), tmp_path).train()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "checkpoints").rglob("*")}
    again = regression.trainer(regression.Regression(), tmp_path)
    again.restore()
    assert again.train().step == N
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "checkpoints").rglob("*")} == before


def test_a_viewer_looks_between_steps(tmp_path: Path, regression: Any) -> None:
    task = regression.Regression()
    trainer = regression.trainer(task, tmp_path)
    in_step, inside = threading.Event(), threading.Event()
    seen: list[int] = []
    loss = task.loss

    def look() -> None:
        in_step.wait()
        with trainer.gate.visit():
            seen.append(trainer.step)
            inside.set()

    def slow_loss(step: int, *rest: Any) -> Any:
        if step == 6:
            in_step.set()
            inside.wait(0.2)  # a door that does not hold lets the viewer in now
        return loss(step, *rest)

    task.loss = slow_loss
    viewer = threading.Thread(target=look)
    viewer.start()
    trainer.train()
    viewer.join()
    assert len(seen) == 1
    assert seen[0] > 6


def test_pausing_holds_the_training_until_it_goes_on(tmp_path: Path, regression: Any) -> None:
    trainer = regression.trainer(regression.Regression(), tmp_path)
    paused, steps = threading.Event(), []

    def pause(t: Trainer) -> None:
        if t.step == 6:
            t.gate.pause()
            paused.set()

    trainer.on_step.append(pause)

    def go_on() -> None:
        paused.wait()
        with trainer.gate.visit():
            steps.append(trainer.step)
        trainer.gate.resume()

    viewer = threading.Thread(target=go_on)
    viewer.start()
    assert trainer.train().step == N
    viewer.join()
    assert steps == [6]


def test_what_is_asked_for_is_done_between_steps_by_the_thread_of_the_training(
    tmp_path: Path, regression: Any
) -> None:
    trainer = regression.trainer(regression.Regression(), tmp_path)
    paused, done = threading.Event(), threading.Event()
    found: list[Any] = []

    def pause(t: Trainer) -> None:
        if t.step == 6:
            t.gate.pause()
            paused.set()

    trainer.on_step.append(pause)

    def look() -> None:
        paused.wait()
        trainer.gate.ask(lambda: found.append((trainer.step, threading.get_ident())))
        trainer.gate.ask(done.set)
        done.wait()
        trainer.gate.resume()

    viewer = threading.Thread(target=look)
    viewer.start()
    assert trainer.train().step == N
    viewer.join()
    assert found == [(6, threading.get_ident())]


def test_a_signal_ends_a_pause(tmp_path: Path, regression: Any) -> None:
    trainer = regression.trainer(regression.Regression(), tmp_path)

    def pause(t: Trainer) -> None:
        t.gate.pause()
        os.kill(os.getpid(), signal.SIGINT)

    trainer.on_step.append(pause)
    assert trainer.train().step == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_steps": None}, "trainer: found no bound, expected max_steps, max_seconds or both"),
        ({"max_steps": 0}, "trainer.max_steps: found 0, expected above 0"),
        ({"max_seconds": math.nan}, "trainer.max_seconds: found nan, expected above 0"),
        ({"ema": 1.5}, "trainer.ema: found 1.5, expected between 0 and 1"),
    ],
)
def test_bad_settings_are_named(
    tmp_path: Path, regression: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        regression.trainer(regression.Regression(), tmp_path, **settings)
    assert str(caught.value) == message


def test_rows_are_plain_json(tmp_path: Path, regression: Any) -> None:
    regression.trainer(regression.Regression(), tmp_path, cadence=Cadence(log_every=5)).train()
    for line in (tmp_path / "metrics.jsonl").read_text().splitlines():
        assert isinstance(json.loads(line)["loss"], float)
