"""A training that is watched: held, let go, saved and drawn without being disturbed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from polyfield.commands.schema import configuration
from polyfield.datasets.procedural import procedural_scene
from polyfield.training import checkpoint
from polyfield.training.assembly import build_task, build_trainer
from polyfield.viewer.live import Live
from polyfield.viewer.look import Look
from polyfield.viewer.panels.training import Rows
from polyfield.viewer.screen import Screen
from polyfield.viewer.share import Turns
from polyfield.viewer.viewed import Stage, of_task

SMALL = ("field.levels=2", "field.log2_entries=8", "field.max_resolution=16", "task.rays=64")


@pytest.fixture
def trainer(tmp_path: Path) -> Any:
    from polyfield.training.catalogue import task_kind

    scene = procedural_scene(n_train=4, n_test=1, size=16)
    words = [*SMALL, "task.samples_per_step=512", "trainer.max_steps=60", "trainer.log_every=10"]
    config = configuration("data=procedural", *words)
    config = task_kind(config).settle(config, scene)
    return build_trainer(config, build_task(config, scene), tmp_path)


def test_a_training_is_held_saved_drawn_and_let_go(trainer: Any, tmp_path: Path) -> None:
    live = Live(trainer)
    held, seen = threading.Event(), {}

    def at_step(t: Any) -> None:
        if t.step == 20:
            live.pause()
            held.set()

    trainer.on_step.append(at_step)
    viewed = of_task(trainer.task, inside=trainer.gate.visit, step=lambda: trainer.step)
    screen = Screen(Stage(viewed), Turns(0.5, lambda: live.trains), Look())
    live.start(screen)

    def visit() -> None:
        held.wait(60)
        seen["trains"], number = live.trains, screen.number
        saved = threading.Event()
        live.save(saved)
        seen["saved"] = saved.wait(60)
        seen["elapsed"] = trainer.elapsed
        seen["picture"] = screen.render(viewed.start, screen.look).rgb
        seen["later"], seen["step"] = trainer.elapsed, trainer.step
        live.resume()
        seen["told"] = screen.number > number

    visitor = threading.Thread(target=visit)
    visitor.start()
    assert trainer.train().step == 60
    live.finish()
    visitor.join(60)
    assert seen["trains"] is False
    assert seen["saved"]
    assert seen["step"] == 20
    assert seen["elapsed"] == seen["later"]  # a pause is no training
    assert seen["told"]
    assert seen["picture"].shape == (16, 16, 3)
    assert not live.trains
    assert 20 in checkpoint.listing(tmp_path)
    rows = Rows(tmp_path)
    assert rows.read()
    assert [row["step"] for row in rows.rows] == [10, 20, 30, 40, 50, 60]
    assert not rows.read()


def test_who_looks_changes_nothing_that_is_learned(tmp_path: Path, trainer: Any) -> None:
    from polyfield.training.catalogue import task_kind

    scene = procedural_scene(n_train=4, n_test=1, size=16)
    words = [*SMALL, "task.samples_per_step=512", "trainer.max_steps=60", "trainer.log_every=10"]
    config = configuration("data=procedural", *words)
    config = task_kind(config).settle(config, scene)
    alone = build_trainer(config, build_task(config, scene), tmp_path / "alone")
    alone.train()
    viewed = of_task(trainer.task, inside=trainer.gate.visit)
    screen, over = Screen(Stage(viewed), Turns(), Look()), threading.Event()

    def look() -> None:
        while not over.is_set():
            screen.render(viewed.start, screen.look)

    looker = threading.Thread(target=look)
    looker.start()
    trainer.train()
    over.set()
    looker.join(60)
    for one, other in zip(alone.task.module.parameters(), trainer.task.module.parameters()):
        assert bool((one == other).all())


def test_closing_the_page_lets_a_held_training_go(trainer: Any) -> None:
    live = Live(trainer)
    live.pause()
    live.stop()
    assert not trainer.gate.paused


def test_damaged_rows_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\nbroken\n[1]\n{"step": 2}\n{"step": 3')
    rows = Rows(tmp_path)
    assert rows.read()
    assert [row["step"] for row in rows.rows] == [1, 2]
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(', "loss": 1}\n')
    assert rows.read()
    assert rows.last == {"step": 3, "loss": 1}
