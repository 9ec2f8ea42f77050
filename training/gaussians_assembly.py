"""A task of Gaussians of a configuration.

    field -> Gaussians -> renderer \
    densify -> strategy             > task

Keys of the task that are about rays are left out, and refused where they were set.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import yaml

from polyfield.datasets.scene import Scene
from polyfield.errors import InputError
from polyfield.fields.gaussians import Gaussians
from polyfield.renderers.splat import SplatRenderer
from polyfield.training import scene_defaults
from polyfield.training.densification import Strategy
from polyfield.training.densification_choice import chosen_densify
from polyfield.training.instantiate import TARGET, configuration_node, find_class, make
from polyfield.training.photo_task import PhotoTask
from polyfield.training.seeds import scene_extent
from polyfield.training.splatting import SplattingTask
from polyfield.training.task import Task

PRUNE_OPACITY = {"gaussians": 0.005, "surfels": 0.05}  # 3DGS's and 2DGS's
Config = Mapping[str, Any]

FIRST = 100_000  # Gaussians to begin with, at most, where the configuration leaves it open


def is_splatting(config: Config) -> bool:
    """Whether the field chose the task of Gaussians."""
    node = config.get("task") or {}
    if TARGET not in node:
        return False
    trust = tuple(config.get("trust") or ())
    return issubclass(find_class(node, PhotoTask, trust, "task"), SplattingTask)


def build_splatting(config: Config, scene: Scene) -> Task:
    """A task that learns Gaussians: nodes `field`, `renderer`, `densify` and `task`.

    Raises:
        InputError: for what does not fit them.
    """
    trust = tuple(config.get("trust") or ())
    _refuse_decoder_and_domain(config)
    field = make(
        configuration_node(config, "field"),
        kind=Gaussians,
        trust=trust,
        field="field",
        offers={"extent": scene_extent(scene)},
    )
    renderer = make(
        configuration_node(config, "renderer"),
        kind=SplatRenderer,
        trust=trust,
        field="renderer",
        required={"field": field},
    )
    counts, chosen = _counts(config), picture_settings(config)
    strategy = make(
        chosen_densify(configuration_node(config, "densify"), chosen, scene),
        kind=Strategy,
        trust=trust,
        field="densify",
        offers={"prune_opacity": PRUNE_OPACITY[field.primitive], "most": counts["most"]},
    )
    task: Task = make(
        {key: value for key, value in chosen.items() if key != "name"},
        renderer,
        scene,
        kind=SplattingTask,
        trust=trust,
        field="task",
        offers={"init_count": counts["init_count"]},
        required={"strategy": strategy},
    )
    return task


def settled_splatting(config: Config, scene: Scene) -> dict[str, Any]:
    """The configuration without what Gaussians have no use for, how they multiply, and how many.

    Raises:
        InputError: for such a key that was set.
    """
    share = (config.get("trainer") or {}).get("geometry")
    if share:
        hint = "task.init=points|depths|random, or task.init_from=FILE"
        message = "Gaussians need no geometry to lie around"
        raise InputError(message, field="trainer.geometry", found=share, expected=0, hint=hint)
    counts = _counts(config)
    task = picture_settings(config)
    densify = chosen_densify(config.get("densify") or {}, task, scene)
    for node in (densify, task):
        node.update({key: n for key, n in counts.items() if key in node and node[key] is None})
    return {**config, "task": task, "densify": densify}


def _counts(config: Config) -> dict[str, int]:
    """How many Gaussians there may be, by default as the budget can shape, and are at first."""
    most = (config.get("densify") or {}).get("most")
    if most is None:
        most = scene_defaults.gaussians(config.get("trainer") or {})
    return {"most": most, "init_count": min(most, FIRST)}


def picture_settings(config: Config) -> dict[str, Any]:
    """The node `task` without the keys that are about rays, which must be as they are shipped.

    Raises:
        InputError: for one that was set.
    """
    node = configuration_node(config, "task")
    trust = tuple(config.get("trust") or ())
    taken = inspect.signature(find_class(node, SplattingTask, trust, "task")).parameters
    text = (files("polyfield.conf") / "task" / "radiance.yaml").read_text(encoding="utf-8")
    shipped = yaml.safe_load(text)
    kept = {}
    for key, value in node.items():
        if key in taken or key in ("name", TARGET) or key not in shipped:
            kept[key] = value
        elif value != shipped[key]:
            raise InputError(
                "Gaussians are learned from whole pictures",
                field=f"task.{key}",
                found=value,
                expected=f"{shipped[key]}: it is about rays",
            )
    return kept


def _refuse_decoder_and_domain(config: Config) -> None:
    """Gaussians have colours themselves, and lie anywhere."""
    decoder = config.get("decoder")
    if decoder is not None:
        found = str(decoder.get(TARGET)).rpartition(".")[2]
        message = "Gaussians have colours themselves"
        raise InputError(message, field="decoder", found=found, expected="none")
    domain = config.get("domain") or {}
    for key, default in (("kind", "auto"), ("bounds", None)):
        if domain.get(key, default) != default:
            raise InputError(
                "Gaussians lie anywhere", field=f"domain.{key}", found=domain[key], expected=default
            )
