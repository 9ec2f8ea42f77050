"""Tasks of configuration: what is made, what is refused, and whom a configuration may name."""

from __future__ import annotations

import copy
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from polyfield.errors import InputError
from polyfield.training import scene_defaults
from polyfield.training.assembly import build_task, build_trainer
from polyfield.training.instantiate import find_class, make
from polyfield.training.schedules import Schedule

HASH = "polyfield.fields.HashGrid"
CONFIG: dict[str, Any] = {
    "seed": 3,
    "field": {
        "_target_": HASH,
        "levels": 4,
        "features": 4,
        "log2_entries": 10,
        "max_resolution": 64,
    },
    "decoder": {"_target_": "polyfield.fields.RadianceDecoder", "trunk": [16]},
    "renderer": {"_target_": "polyfield.renderers.VolumeRenderer", "step": None},
    "task": {"name": "radiance", "samples_per_step": 2048, "rays": 128},
    "optimizer": {"_target_": "polyfield.training.optimizers.Adam", "lr": 1e-2},
    "trainer": {"max_steps": 12, "decay": "exponential", "final": 0.1, "save_every": 4},
}


def config(**changes: Any) -> dict[str, Any]:
    """The configuration with keys such as `field__levels` changed; None removes a node."""
    out = copy.deepcopy(CONFIG)
    for key, value in changes.items():
        *parents, leaf = key.split("__")
        node = out
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return out


def test_a_configuration_becomes_a_task_with_what_follows_from_the_scene(ball: Any) -> None:
    scene = ball.ball_scene()
    task = build_task(config(), scene)
    renderer = task.module["renderer"]
    assert renderer.step == scene_defaults.sampling(scene)["step"]
    assert renderer.field.domain.kind == "box"
    assert torch.equal(renderer.field.domain.bounds, scene.bounds)
    assert renderer.field.decoder.in_dim == renderer.field.backbone.out_dim == 16
    assert task.budget.rays == 128


def test_a_configured_value_wins(ball: Any) -> None:
    changes = config(renderer__step=0.5, domain__kind="contract_l2", renderer__occupancy={})
    changes["renderer"]["occupancy"] = {"resolution": 32}
    renderer = build_task(changes, ball.ball_scene()).module["renderer"]
    assert renderer.step == 0.5
    assert renderer.field.domain.kind == "contract_l2"
    assert renderer.occupancy.resolution == 32


def test_places_without_bounds_are_contracted(ball: Any) -> None:
    renderer = build_task(config(), ball.ball_scene(unbounded=True)).module["renderer"]
    assert renderer.field.domain.kind == "contract_linf"
    assert renderer.cone > 0
    assert renderer.near > 0


@pytest.mark.parametrize(
    ("unbounded", "given", "expected"),
    [(True, None, 0.002), (False, None, 0.0), (True, 0.0, 0.0), (False, 0.1, 0.1)],
)
def test_samples_are_gathered_in_places_without_bounds(
    unbounded: bool, given: float | None, expected: float, ball: Any
) -> None:
    task = build_task(config(task__distortion=given), ball.ball_scene(unbounded=unbounded))
    assert task.weights["distortion"] == expected


def test_appearance_reaches_the_decoder(ball: Any) -> None:
    task = build_task(config(task__appearance=4, decoder__color="mlp"), ball.ball_scene())
    assert task.module["renderer"].field.decoder.code_dim == 4
    with pytest.raises(InputError, match=r"decoder\.color: found sh with an appearance code"):
        build_task(config(task__appearance=4), ball.ball_scene())


def test_the_seed_decides_initial_values_and_leaves_the_global_generator(ball: Any) -> None:
    scene = ball.ball_scene()
    torch.manual_seed(0)
    before = torch.get_rng_state()
    tables = [
        build_task(config(seed=seed), scene).module["renderer"].field.backbone.table
        for seed in (1, 1, 2)
    ]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(tables[0], tables[1])
    assert not torch.equal(tables[0], tables[2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"field__levles": 3}, r"field\.levles: found an argument that .*expected one of levels"),
        ({"task__name": "radience"}, "task.name: found radience, expected radiance"),
        ({"task__samples": 3}, r"task\.samples: found an argument"),
        ({"renderer__occupancy": {"resolution": 0}}, "resolution"),
        ({"renderer__occupancy": {"cells": 8}}, r"renderer\.occupancy\.cells: found an argument"),
        ({"domain__box": 3}, r"domain\.box: found an argument"),
        ({"domain__kind": "sphere"}, r"domain\.kind: found sphere"),
        ({"decoder": None}, "decoder: found nothing, expected a node"),
        ({"field": {"levels": 3}}, r"field\._target_: found nothing"),
        ({"field__levels": 0}, r"field\.levels: found 0"),
        ({"decoder__trunk": [0]}, r"decoder\.trunk: found \[0\], expected positive widths"),
        ({"decoder__hidden": [8, 0]}, r"decoder\.hidden: found \[8, 0\]"),
    ],
)
def test_what_does_not_fit_is_named(ball: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_task(config(**changes), ball.ball_scene())


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "subprocess.run",
        "polyfieldevil.Thing",
        "polyfield.durable.os.system",  # reaches out through a module of ours
        "polyfield.durable.json.loads",
        "polyfield.training.trainer",  # not callable
        "polyfield.durable.write_file",  # ours, and does what it is told
        "polyfield.cli.main",
        "polyfield.commands.backbones._import",
        "polyfield.training.records.Records",  # a class, but no backbone
        "polyfield.training.optimizers.Adam.step",
        "polyfield.training.runs.CONFIG",
        "polyfield.no.such.thing",
        ["polyfield"],
        7,
    ],
)
def test_targets_lead_to_our_own_classes_alone(target: Any) -> None:
    for node in (
        {"_target_": target, "command": "touch /tmp/owned"},
        {"_target_": HASH, "levels": {"_target_": target}},
        {"_target_": HASH, "levels": [1, {"deep": {"_target_": target}}]},
    ):
        with pytest.raises(InputError, match="_target_: "):
            make(node, kind=nn.Module, field="field")


def test_no_argument_is_a_node() -> None:
    node = {"_target_": HASH, "levels": {"_target_": HASH}}
    with pytest.raises(InputError, match=r"field\.levels\._target_: found a class, expected plain"):
        make(node, kind=nn.Module, field="field")


def test_a_text_is_never_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "1")
    node = {"_target_": HASH, "levels": "${oc.decode:${oc.env:SECRET}}"}
    with pytest.raises((InputError, TypeError)):
        make(node, kind=nn.Module, field="field")


def test_a_run_that_was_sent_writes_nothing(
    tmp_path: Path, ball: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "precious").write_text("mine")
    target = "polyfield.durable.replace_json"
    sent = config(field={"_target_": target, "path": "precious", "value": 1})
    with pytest.raises(InputError, match=r"field\._target_: found polyfield\.durable"):
        build_task(sent, ball.ball_scene())
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_trusted_package_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trusted_pf").mkdir()
    (tmp_path / "trusted_pf" / "__init__.py").write_text(
        "import os\nclass Thing:\n    def __init__(self, size=2, in_dim=1):\n"
        "        self.size, self.in_dim = size, in_dim\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    node = {"_target_": "trusted_pf.Thing", "size": 5}
    with pytest.raises(InputError, match=r"expected a class of polyfield \(trust=\[PACKAGE\]"):
        make(node, kind=object, field="field")
    assert "trusted_pf" not in sys.modules  # not even imported
    for trust in (["trusted_pf"], ["trusted_pf.Thing"]):
        thing = make(node, kind=object, trust=trust, offers={"in_dim": 3, "other": 4})
        assert (thing.size, thing.in_dim) == (5, 3)
    with pytest.raises(InputError, match=r"trusted_pf\.os\.system"):
        find_class({"_target_": "trusted_pf.os.system"}, object, ["trusted_pf"])
    with pytest.raises(InputError):
        make(node, kind=object, trust=["trusted_pf.Other"])


class Needy:
    def __init__(self, needed: int) -> None:
        self.needed = needed


def test_a_missing_argument_is_named() -> None:
    node = {"_target_": "polyfield.training.trainer.Trainer"}
    with pytest.raises(InputError, match="missing a required argument: 'optimizer'"):
        make(node, None, ".", kind=object, field="trainer")


def test_modules_are_handed_over_not_copied() -> None:
    module = nn.Linear(1, 1)
    node = {"_target_": "polyfield.training.averaging.Average", "decay": 0.5}
    assert make(node, kind=object, required={"module": module}).module is module


def test_a_trainer_follows_its_configuration(tmp_path: Path, ball: Any) -> None:
    task = build_task(config(), ball.ball_scene())
    trainer = build_trainer(config(), task, tmp_path)
    assert trainer.stepper.schedule == Schedule("exponential", final=0.1)
    assert (trainer.max_steps, trainer.max_seconds, trainer.cadence.save_every) == (12, None, 4)
    assert {group["name"] for group in trainer.stepper.optimizer.param_groups} >= {
        "grid",
        "decoder",
    }
    unbounded = config(trainer={"max_steps": None, "max_seconds": None})
    assert build_trainer(unbounded, task, tmp_path).max_seconds == 300
    with pytest.raises(InputError, match=r"trainer\.max_step: found an unknown key"):
        build_trainer(config(trainer={"max_step": 3}), task, tmp_path)
    for key, value, message in (
        ("eval_split", "tets", r"trainer\.eval_split: found tets, expected test or val or train"),
        ("eval_images", 0, r"trainer\.eval_images: found 0, expected 1 or more"),
    ):
        wrong = {"max_steps": 3, "eval_every": 2, key: value}
        with pytest.raises(InputError, match=message):
            build_trainer(config(trainer=wrong), task, tmp_path)
    without = {"max_steps": 3, "eval_every": 2, "eval_split": "val"}
    with pytest.raises(InputError, match=r"eval_split: found val, expected test or train"):
        build_trainer(config(trainer=without), task, tmp_path)
    for key, value in (
        ("betas", [0.9]),
        ("betas", [0.9, 1.0]),
        ("lr", -1.0),
        ("lr", math.nan),
        ("eps", -1.0),
        ("weight_decay", math.inf),
    ):
        with pytest.raises(InputError, match=rf"optimizer\.{key}: found .*, expected "):
            build_trainer(config(**{f"optimizer__{key}": value}), task, tmp_path)
    with pytest.raises(InputError, match=r"optimizer\.rate"):
        build_trainer(config(optimizer__rate=3), task, tmp_path)
    with pytest.raises(InputError, match=r"optimizer\._target_"):
        build_trainer(config(optimizer___target_="os.system"), task, tmp_path)


def test_a_real_field_goes_on_bit_by_bit(tmp_path: Path, ball: Any) -> None:
    scene = ball.ball_scene("random")
    settings = config(
        trainer__ema=0.9,
        task__refine_poses=True,
        task__distortion=0.01,
    )

    def trainer(run: str) -> Any:
        return build_trainer(settings, build_task(settings, scene), tmp_path / run)

    straight = trainer("a")
    straight.train()
    first = trainer("b")
    first.max_steps = 12
    first.on_step.append(lambda t: setattr(t.interrupts, "received", t.step >= 6 or None))
    assert first.train().step == 6
    second = trainer("b")
    second.restore()
    second.train()
    one, other = (t.stepper.capture() for t in (straight, second))
    assert one.state == other.state
    for a, b in ((one.model, other.model), (one.training, other.training)):
        assert a.keys() == b.keys()
        for name in a:
            assert torch.equal(a[name], b[name]), name
    assert one.state["task"]["budget"]["rays"] != 128
