"""Training fields with learned rotations: going on bit by bit, and the phase that finds them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from polyfield.commands.schema import configuration
from polyfield.errors import InputError
from polyfield.training.assembly import build_task, build_trainer
from polyfield.training.bottleneck import kept, rotations_of, take_rotations, weakened
from polyfield.training.catalogue import load_data, task_kind
from polyfield.training.phase import trained
from polyfield.training.preparation import preparation
from polyfield.training.stepper import of_group
from polyfield.training.trainer import Trainer

FIELD = [
    *("field=vm", "field.density=0", "field.color=4", "field.resolution=[12]"),
    *("field.transforms=2", "task=image", "task.batch=256", "trainer.log_every=0"),
]


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stripes that lie askew."""
    file = tmp_path_factory.mktemp("pictures") / "stripes.png"
    y, x = np.mgrid[:32, :32] / 32
    value = 0.5 + 0.5 * np.sin(20 * (0.8 * x + 0.6 * y))
    iio.imwrite(file, (255 * value[..., None].repeat(3, axis=2)).astype(np.uint8))
    return file


def config_of(picture: Path, *words: str) -> dict[str, Any]:
    return configuration(f"data={picture}", *FIELD, *words)


def trainer_of(config: dict[str, Any], run: Path) -> Trainer:
    return build_trainer(config, build_task(config, load_data(config)), run)


def test_a_growing_tilted_field_goes_on_bit_by_bit(picture: Path, tmp_path: Path) -> None:
    """Stopped between its two growths, after the rotations were fixed."""
    words = ["field.coarse=0.5", "field.upsample=[0.3,0.8]", "trainer.max_steps=30"]
    config = config_of(picture, *words, "field.rotation_hold=0.2", "field.rotation_end=0.5")
    straight = trainer_of(config, tmp_path / "straight")
    straight.train()
    first = trainer_of(config, tmp_path / "parts")
    first.on_step.append(stop_at(19))
    assert first.train().interrupted
    second = trainer_of(config, tmp_path / "parts")
    second.restore()
    assert second.train().step == 30
    states = [trainer.task.module.state_dict() for trainer in (straight, second)]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
    moments = [trainer.stepper.optimizer.state_dict()["state"] for trainer in (straight, second)]
    for key, state in moments[0].items():
        assert all(torch.equal(value, moments[1][key][name]) for name, value in state.items())


def test_a_run_that_averages_has_the_mean_of_its_rotations(picture: Path, tmp_path: Path) -> None:
    """Neither the last ones nor where they began; and it goes on bit by bit."""
    words = ["trainer.decay=constant", "field.rotation_hold=1.0", "field.rotation_end=1.0"]
    config = config_of(picture, "trainer.max_steps=20", "trainer.ema=0.9", *words)
    straight = trainer_of(config, tmp_path / "straight")
    began = matrices_of(straight)
    straight.train()
    assert straight.average is not None
    last = matrices_of(straight)
    with straight.average.applied():
        mean = matrices_of(straight)
    assert torch.equal(matrices_of(straight), last)
    far = torch.dist(last, began)
    assert 0.02 * far < torch.dist(mean, last) < 0.98 * far
    assert torch.dist(mean, began) < far
    first = trainer_of(config, tmp_path / "parts")
    first.on_step.append(stop_at(9))
    assert first.train().interrupted
    second = trainer_of(config, tmp_path / "parts")
    second.restore()
    second.train()
    assert torch.equal(matrices_of(second), last)
    assert second.average is not None
    with second.average.applied():
        assert torch.equal(matrices_of(second), mean)


def stop_at(step: int) -> Callable[[Trainer], None]:
    def stop(trainer: Trainer) -> None:
        if trainer.step == step:
            trainer.interrupts.received = signal.SIGINT

    return stop


def matrices_of(trainer: Trainer) -> torch.Tensor:
    return trainer.task.module.backbone.rotations.matrices().detach().clone()


def test_rotations_learn_for_a_while_and_then_stay(picture: Path, tmp_path: Path) -> None:
    words = ["trainer.max_steps=40", "field.rotation_hold=0.25", "field.rotation_end=0.5"]
    trainer = trainer_of(config_of(picture, *words), tmp_path)
    seen: dict[int, torch.Tensor] = {}

    def look(trainer: Trainer) -> None:
        seen[trainer.step] = matrices_of(trainer)

    trainer.on_step.append(look)
    trainer.train()
    assert not torch.equal(seen[1], seen[19])
    assert torch.equal(seen[21], seen[40])


def test_groups_learn_until_they_are_told_to_stop() -> None:
    group = {"hold": 0.2, "end": 0.6}
    assert [of_group(group, p) for p in (0.0, 0.19, 0.6, 1.0)] == [1.0, 1.0, 0.0, 0.0]
    assert of_group(group, 0.4) == pytest.approx(0.5)
    assert of_group({"hold": 0.3, "end": 0.3}, 0.3) == 0.0
    assert [of_group({}, p) for p in (0.0, 1.0)] == [1.0, 1.0]


def test_the_first_phase_finds_rotations_that_the_second_keeps(
    picture: Path, tmp_path: Path
) -> None:
    config = config_of(picture, "trainer.max_steps=100", "trainer.bottleneck=0.4")
    weak = weakened(config)
    assert weak["trainer"]["max_steps"] == 40
    assert weak["field"]["transforms"] == 2
    data = load_data(config)
    began = rotations_of(build_task(weak, data)).matrices().detach()
    phase = trained(weak, data)
    found = rotations_of(phase.task).matrices().detach()
    assert found.shape == (2, 2, 2)
    assert torch.dist(found, began) > 0.03  # they have turned, in 40 steps
    second = kept(config)
    assert second["trainer"]["max_steps"] == 60
    assert second["trainer"]["bottleneck"] == 0
    task = build_task(second, data)
    take_rotations(task, phase.task)
    build_trainer(second, task, tmp_path).train()
    torch.testing.assert_close(task.module.backbone.rotations.matrices(), found)


@pytest.mark.parametrize(
    ("steps", "share", "first"), [(10, 0.2, 2), (999, 0.2, 200), (35000, 0.142857, 5000)]
)
def test_both_phases_together_use_the_budget(steps: int, share: float, first: int) -> None:
    config = {
        "trainer": {"max_steps": steps, "max_seconds": 10, "bottleneck": share},
        "field": {"transforms": 2},
        "decoder": {"_target_": "x", "hidden": None},
        "optimizer": {"lr": 0.01},
    }
    phases = [made(config)["trainer"] for made in (weakened, kept)]
    assert [phase["max_steps"] for phase in phases] == [first, steps - first]
    seconds = [phase["max_seconds"] for phase in phases]
    assert seconds == pytest.approx([10 * share, 10 - 10 * share])


def test_the_weak_field_keeps_what_the_decoder_is(picture: Path) -> None:
    words = ["field=vm", "field.transforms=4", "field.density=12", "field.color=24"]
    config = configuration(f"data={picture}", *words, "trainer.bottleneck=0.2", "seed=3")
    decoder = weakened(config)["decoder"]
    assert decoder["color"] == "mlp"
    assert (decoder["trunk"], decoder["hidden"], decoder["summed"]) == ([32], [32], 1)


def test_the_weak_field_is_built_where_faint_samples_are_left_out() -> None:
    """A threshold that is for decoders without a trunk, and the weak one has one."""
    words = ["field.transforms=4", "field.density=12", "field.color=48", "field.resolution=[16]"]
    config = configuration(
        "data=procedural", "experiment=tensorf_vm_cpu", "task.crop=null", "task.filter=null",
        "dataset.downscale=8", "trainer.bottleneck=0.2", *words,
    )  # fmt: skip
    assert config["renderer"]["faint"] > 0
    data = load_data(config)
    task = build_task(preparation(task_kind(config).settle(config, data)).config, data)
    weak: Any = build_task(weakened(task_kind(config).settle(config, data)), data)
    assert weak.renderer.faint == 0
    take_rotations(task, weak)


def test_the_weak_field_is_as_smooth_as_the_one_that_is_wanted() -> None:
    field = weakened(configuration("data=procedural", "experiment=tilted_kplanes"))["field"]
    assert field["tv"] == 1e-2


@pytest.mark.parametrize(
    "words", [["trainer.bottleneck=1.0"], ["trainer.bottleneck=0.2", "field.transforms=0"]]
)
def test_a_phase_without_a_purpose_is_refused(picture: Path, words: list[str]) -> None:
    with pytest.raises(InputError, match=r"trainer\.bottleneck"):
        weakened(config_of(picture, *words))
