"""Training that cuts the box to what is there and leaves out rays that meet nothing."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from polyfield.commands.schema import configuration
from polyfield.errors import InputError
from polyfield.training.assembly import build_task, build_trainer
from polyfield.training.catalogue import load_data
from polyfield.training.runs import create_run, open_run
from polyfield.training.stepper import Stepper
from polyfield.training.trainer import Trainer

WORDS = [
    *("data=procedural", "dataset.downscale=8", "field=vm", "field.resolution=[8]"),
    *("field.density=3", "field.color=6", "field.coarse=0.5", "field.upsample=[0.3,0.8]"),
    *("decoder.hidden=[8]", "decoder.shift=-6", "renderer.cells_a_step=0.5"),
    *("renderer.occupancy.resolution=8", "renderer.occupancy.every=1000000"),
    *("domain.kind=box", "domain.bounds=[[-2,-2,-2],[2,2,2]]"),
    *("task.samples_per_step=0", "task.rays=64", "trainer.max_steps=20", "trainer.log_every=0"),
    *("trainer.restart=true", "optimizer.lr=0.05"),
]
CUT = ["task.crop=0.5", "task.filter=0.6"]


@pytest.fixture(autouse=True)
def _nothing_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernels have tests of their own."""
    monkeypatch.setenv("POLYFIELD_KERNELS", "reference")


@pytest.fixture(scope="module")
def data() -> Any:
    return load_data(configuration(*WORDS))


def task_of(data: Any, config: dict[str, Any]) -> Any:
    """A task that knows already what is occupied: the middle of the box."""
    task: Any = build_task(config, data)
    grid = task.renderer.occupancy
    grid.values.view(8, 8, 8)[3:6, 3:5, 2:5] = 1.0
    grid.refresh()
    return task


def trainer_of(data: Any, run: Path, *words: str) -> Trainer:
    config = configuration(*WORDS, *words)
    return build_trainer(config, task_of(data, config), run)


def stop_at(step: int) -> Any:
    def stop(trainer: Trainer) -> None:
        if trainer.step == step:
            trainer.interrupts.received = signal.SIGINT

    return stop


@pytest.mark.parametrize("step", [8, 11, 15, 18])
def test_a_cut_training_goes_on_bit_by_bit(data: Any, tmp_path: Path, step: int) -> None:
    """Stopped before the cut, between it and the choice of rays, after both and after growth."""
    straight = trainer_of(data, tmp_path / "straight", *CUT)
    straight.train()
    first = trainer_of(data, tmp_path / "parts", *CUT)
    first.on_step.append(stop_at(step))
    assert first.train().interrupted
    second = trainer_of(data, tmp_path / "parts", *CUT)
    second.restore()
    assert second.train().step == 20
    states = [trainer.task.module.state_dict() for trainer in (straight, second)]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
    for trainer, cut in ((first, step > 10), (straight, True)):
        box = trainer.task.renderer.field.domain.bounds
        right = [[-1, -1, -1.5], [1.5, 1, 1]] if cut else [[-2.0] * 3, [2.0] * 3]
        torch.testing.assert_close(box, torch.tensor(right))  # a cell wider than what is occupied


def test_a_cut_run_is_opened_as_it_was_left(data: Any, tmp_path: Path) -> None:
    config = configuration(*WORDS, *CUT)
    run = create_run(tmp_path / "run", config, data)
    task = task_of(data, config)
    build_trainer(config, task, run).train()
    _, _, opened = open_run(run)
    assert torch.equal(opened.renderer.field.domain.bounds, task.renderer.field.domain.bounds)
    scores = [t.evaluate("test", None, 1)["psnr"] for t in (task, opened)]
    assert scores[0] == scores[1]


def test_averages_of_two_boxes_are_not_mixed(data: Any, tmp_path: Path) -> None:
    """A cut may keep all shapes: what was averaged before it was of another box."""
    words = ["field.upsample=[]", "field.coarse=1", "task.crop=0.5", "trainer.ema=0.99"]
    trainer = trainer_of(data, tmp_path, *words)
    occupancy = trainer.task.renderer.occupancy
    occupancy.values.view(8, 8, 8)[3:6, 3:6, 2:5] = 1.0  # a cube of a cube
    occupancy.refresh()
    shapes: set[torch.Size] = set()

    def look(trainer: Trainer) -> None:
        grid = trainer.task.renderer.field.backbone.table
        shapes.add(grid.shape)
        assert trainer.average is not None
        if trainer.step == 10:
            grid.data.fill_(3.0)  # what is cut is worlds apart from what was averaged
        if trainer.step == 11:
            average = trainer.average.values["renderer.field.backbone.table"]
            assert float((average - grid).detach().abs().max()) < 0.2

    trainer.on_step.append(look)
    trainer.train()
    assert trainer.task.renderer.field.domain.bounds.tolist()[0] == [-1.0, -1.0, -1.5]
    assert len(shapes) == 1


def test_rays_that_meet_nothing_are_left_out(data: Any, tmp_path: Path) -> None:
    trainer = trainer_of(data, tmp_path, *CUT)
    counts: dict[int, int] = {}
    trainer.on_step.append(lambda t: counts.update({t.step: len(t.task.sampler)}))
    trainer.train()
    pixels = sum(data.cameras.size[i].prod().item() for i in data.splits["train"])
    assert counts[1] <= pixels
    assert 0 < counts[20] < 0.9 * counts[1]


def test_nothing_dense_is_warned_of_and_the_densest_stays(data: Any) -> None:
    task = build_task(configuration(*WORDS, *CUT, "decoder.shift=-20"), data)
    task.before_step(0, 0.0, torch.Generator().manual_seed(0))
    with pytest.warns(UserWarning, match="dense"):
        assert task.grow(10, 0.5, torch.Generator())
    assert task.renderer.occupancy.occupied.any()


def test_a_resume_with_other_ranks_is_refused(data: Any, tmp_path: Path) -> None:
    first = trainer_of(data, tmp_path, *CUT)
    first.on_step.append(stop_at(15))
    first.train()
    with pytest.raises(InputError, match="of another architecture"):
        trainer_of(data, tmp_path, *CUT, "field.color=12").restore()


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (["task.crop=1.0"], r"task\.crop"),
        (["task.filter=-0.5"], r"task\.filter"),
        (["field.transforms=1", "task.crop=0.5"], r"task\.crop.*VM"),
        (["domain.kind=contract_linf", "task.crop=0.5"], r"task\.crop"),
        (["task.filter=0.5", "task.refine_poses=true"], r"task\.filter.*poses"),
        (["renderer.cells_a_step=0.0"], r"renderer\.cells_a_step"),
    ],
)
def test_what_cannot_be_cut_is_refused_by_name(data: Any, words: list[str], field: str) -> None:
    with pytest.raises(InputError, match=field):
        build_task(configuration(*WORDS, *words), data)


def test_networks_and_proposals_cannot_be_cut(data: Any) -> None:
    for words in (["field=hash"], ["field=mlp"], ["field=vm", "renderer=proposal"]):
        with pytest.raises(InputError, match=r"task\.crop"):
            build_task(configuration("data=procedural", *words, "task.crop=0.5"), data)
    with pytest.raises(InputError, match=r"task\.filter"):
        build_task(configuration("data=procedural", "renderer=proposal", "task.filter=0.5"), data)
    with pytest.raises(InputError, match=r"renderer\.cells_a_step.*HashGrid"):
        build_task(configuration("data=procedural", "renderer.cells_a_step=0.5"), data)


def test_a_larger_budget_after_a_restart_goes_on_decaying(data: Any, tmp_path: Path) -> None:
    """What was after the last growth, at 0.8 of the old budget, is at 0.18 of the new one."""
    words = ["trainer.decay=exponential", "trainer.final=0.1"]
    first = trainer_of(data, tmp_path, *words)
    first.on_step.append(stop_at(18))
    first.train()
    second = trainer_of(data, tmp_path, *words, "trainer.max_steps=100")
    second.restore()
    rates: list[float] = []
    second.on_step += [
        lambda t: rates.append(t.stepper.optimizer.param_groups[0]["lr"] / 0.05),
        stop_at(24),
    ]
    second.train()
    assert rates == pytest.approx([0.1 ** (i / 100) for i in range(6)])


def test_a_restart_forgets_and_begins_at_the_first_rate(data: Any, tmp_path: Path) -> None:
    for restart in (True, False):
        words = [f"trainer.restart={restart}", "trainer.decay=exponential", "trainer.final=0.1"]
        trainer = trainer_of(data, tmp_path / str(restart), *words)
        rates: list[float] = []

        def look(trainer: Trainer, rates: list[float] = rates) -> None:
            stepper: Stepper = trainer.stepper
            rates.append(stepper.optimizer.param_groups[0]["lr"] / 0.05)
            state = next(iter(stepper.optimizer.state.values()))
            if trainer.step == 8:
                assert int(state["step"]) == (2 if trainer.stepper.restart else 8)

        trainer.on_step.append(look)
        trainer.train()
        assert rates[5] == pytest.approx(0.1 ** (5 / 20))
        assert rates[6] == pytest.approx(1.0 if restart else 0.1 ** (6 / 20))
        assert rates[15] == pytest.approx(0.1 ** ((9 if restart else 15) / 20))
