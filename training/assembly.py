"""A task, and its trainer, of a configuration: the plain data of `conf/` or of a run.

    dataset  -> scene                        (datasets.load_scene)
    field    -> backbone  \
    decoder  -> decoder    > radiance field -> renderer -> task -> trainer
    domain   -> domain    /

Each part is made by its `_target_`. What follows from the scene (the domain's box, marching steps,
near and far) is offered to constructors that have such a parameter, and a configured value wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from polyfield.datasets.scene import Scene
from polyfield.errors import InputError
from polyfield.fields.domain import Domain
from polyfield.fields.field import RadianceField
from polyfield.renderers.occupancy import OccupancyGrid
from polyfield.training import scene_defaults
from polyfield.training.cadence import Cadence
from polyfield.training.instantiate import make
from polyfield.training.progress import Display
from polyfield.training.radiance import RadianceTask
from polyfield.training.renderer_choice import chosen_renderer
from polyfield.training.schedules import Schedule
from polyfield.training.task import Task
from polyfield.training.trainer import Trainer

Config = Mapping[str, Any]

TASKS = {"radiance": RadianceTask}
DOMAIN, OCCUPANCY = "polyfield.fields.Domain", "polyfield.renderers.OccupancyGrid"
DEFAULT_SECONDS = 300.0


def build_task(config: Config, scene: Scene) -> Task:
    """The task of a configuration.

    Args:
        config: nodes `field`, `decoder`, `renderer`, `task` (with `name`), optionally `domain`,
            `seed`, and `trust`: packages whose classes may be named besides polyfield's.
        scene: what is learned.

    Raises:
        InputError: for what is missing, unknown, not trusted or does not fit together.
    """
    settings = dict(config.get("task") or {})
    name = settings.pop("name", "radiance")
    if name not in TASKS:
        raise InputError(field="task.name", found=name, expected=" or ".join(TASKS))
    node = {"_target_": f"{TASKS[name].__module__}.{TASKS[name].__qualname__}", **settings}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(config.get("seed") or 0))
        renderer = build_renderer(config, scene)
        return make(node, renderer, scene, kind=TASKS[name], field="task")


def build_renderer(config: Config, scene: Scene) -> Any:
    """The renderer of a configuration with its field, initialised from torch's generator."""
    trust = tuple(config.get("trust") or ())
    domain = build_domain(config, scene)
    backbone = make(
        _node(config, "field"),
        kind=nn.Module,
        trust=trust,
        field="field",
        offers={"in_dim": 3, **scene_defaults.finest(scene)},
    )
    code_dim = (config.get("task") or {}).get("appearance", 0)
    decoder = make(
        _node(config, "decoder"),
        kind=nn.Module,
        trust=trust,
        field="decoder",
        offers={"code_dim": code_dim, "summed": getattr(backbone, "summed", None)},
        required={"in_dim": backbone.out_dim},
    )
    field = RadianceField(domain, backbone, decoder)
    node = chosen_renderer(_node(config, "renderer"), scene)
    settings = {**(node.pop("occupancy", None) or {}), "_target_": OCCUPANCY}
    occupancy = make(settings, domain, kind=OccupancyGrid, field="renderer.occupancy")
    return make(
        node,
        kind=nn.Module,
        trust=trust,
        field="renderer",
        offers={"occupancy": occupancy, **scene_defaults.sampling(scene)},
        required={"field": field},
    )


def build_domain(config: Config, scene: Scene) -> Domain:
    """The region that is learned: the scene's box, contracted around it for photos of places."""
    settings = dict(config.get("domain") or {})
    if settings.get("kind", "auto") == "auto":
        settings["kind"] = "contract_linf" if scene.unbounded else "box"
    bounds = settings.pop("bounds", None) or scene.bounds
    return make({**settings, "_target_": DOMAIN}, bounds, kind=Domain, field="domain")


def build_trainer(
    config: Config,
    task: Task,
    run: Path | str,
    *,
    display: Display | None = None,
    on_step: Sequence[Callable[[Trainer], None]] = (),
) -> Trainer:
    """The trainer of a configuration: its nodes `trainer`, `optimizer`, `logging` and `seed`."""
    settings = dict(config.get("trainer") or {})
    cadence = Cadence(**_taken(settings, [field.name for field in fields(Cadence)]))
    scene = getattr(task, "scene", None)
    if (
        cadence.eval_every
        and scene is not None
        and not len(scene.splits.get(cadence.eval_split, ()))
    ):
        have = " or ".join(name for name, part in scene.splits.items() if len(part))
        raise InputError(field="trainer.eval_split", found=cadence.eval_split, expected=have)
    schedule = _taken(settings, ["decay", "final", "warmup_steps", "hold"])
    if "decay" in schedule:
        schedule["kind"] = schedule.pop("decay")
    if settings.get("max_steps") is None and settings.get("max_seconds") is None:
        settings["max_seconds"] = DEFAULT_SECONDS
    rest = 1 - settings.pop("bottleneck", 0.0)  # what `training.bottleneck` leaves
    for bound in ("max_steps", "max_seconds"):
        if rest < 1 and settings.get(bound) is not None:
            settings[bound] = max(type(settings[bound])(rest * settings[bound]), 1)
    unknown = set(settings) - {"max_steps", "max_seconds", "ema"}
    if unknown:
        raise InputError(field=f"trainer.{min(unknown)}", found="an unknown key")

    def optimizer(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        trust, kind = config.get("trust") or (), torch.optim.Optimizer
        node = _node(config, "optimizer")
        return make(node, groups, kind=kind, trust=trust, field="optimizer")

    return Trainer(
        task,
        run,
        optimizer=optimizer,
        schedule=Schedule(**schedule),
        seed=int(config.get("seed") or 0),
        cadence=cadence,
        logging=config.get("logging"),
        display=display,
        on_step=on_step,
        **settings,
    )


def _node(config: Config, name: str) -> Mapping[str, Any]:
    node = config.get(name)
    if not isinstance(node, Mapping):
        found = "nothing" if node is None else node
        raise InputError(field=name, found=found, expected="a node of the configuration")
    return node


def _taken(settings: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The settings of these names, taken out."""
    return {name: settings.pop(name) for name in names if name in settings}
