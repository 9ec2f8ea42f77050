"""A radiance task of a configuration.

    field    -> backbone  \
    decoder  -> decoder    > radiance field -> renderer -> task
    domain   -> domain    /

Gaussians need neither decoder nor domain: `gaussians_assembly`.

Each part is made by its `_target_`. What follows from the scene (the domain's box, marching steps,
near and far) is offered to constructors that have such a parameter, and a configured value wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from polyfield.datasets.scene import Scene
from polyfield.errors import InputError
from polyfield.fields.domain import Domain
from polyfield.fields.field import RadianceField
from polyfield.renderers.occupancy import OccupancyGrid
from polyfield.training import scene_defaults
from polyfield.training.gaussians_assembly import build_splatting, is_splatting, settled_splatting
from polyfield.training.instantiate import configuration_node, make
from polyfield.training.radiance import RadianceTask
from polyfield.training.renderer_choice import chosen_renderer
from polyfield.training.task import Task

Config = Mapping[str, Any]

TARGET = f"{RadianceTask.__module__}.{RadianceTask.__qualname__}"
DOMAIN, OCCUPANCY = "polyfield.fields.Domain", "polyfield.renderers.OccupancyGrid"


def build_radiance(config: Config, scene: Scene) -> Task:
    """A task that learns a scene: nodes `field`, `decoder`, `renderer`, `task`, maybe `domain`."""
    if is_splatting(config):
        return build_splatting(config, scene)
    settings = {k: v for k, v in (config.get("task") or {}).items() if k != "name"}
    renderer = build_renderer(config, scene)
    node = {"_target_": TARGET, **settings}
    task: Task = make(
        node, renderer, scene, kind=RadianceTask, field="task", offers=scene_defaults.losses(scene)
    )
    return task


def settled(config: dict[str, Any], scene: Scene) -> dict[str, Any]:
    """The configuration with what suits the scene and the budget, which may change later."""
    if is_splatting(config):
        return settled_splatting(config, scene)
    renderer = chosen_renderer(configuration_node(config, "renderer"), scene)
    return {**scene_defaults.with_tables(config), "renderer": renderer}


def build_renderer(config: Config, scene: Scene) -> Any:
    """The renderer of a configuration with its field, initialised from torch's generator."""
    trust = tuple(config.get("trust") or ())
    domain = build_domain(config, scene)
    chosen = configuration_node(config, "field")
    time = scene_defaults.time(scene)
    backbone = make(
        chosen,
        kind=nn.Module,
        trust=trust,
        field="field",
        offers={
            **time,
            **scene_defaults.finest(scene),
            **scene_defaults.tables(config.get("trainer") or {}),
        },
    )
    _check_time(backbone, scene)
    code_dim = (config.get("task") or {}).get("appearance", 0)
    decoder = make(
        configuration_node(config, "decoder"),
        kind=nn.Module,
        trust=trust,
        field="decoder",
        offers={"code_dim": code_dim, "summed": getattr(backbone, "summed", 0)},
        required={"in_dim": backbone.out_dim},
    )
    field = RadianceField(domain, backbone, decoder)
    node = chosen_renderer(configuration_node(config, "renderer"), scene)
    settings = {**(node.pop("occupancy", None) or {}), "_target_": OCCUPANCY}
    occupancy = make(settings, domain, kind=OccupancyGrid, field="renderer.occupancy")
    return make(
        node,
        kind=nn.Module,
        trust=trust,
        field="renderer",
        offers={
            "occupancy": occupancy,
            "time_resolution": chosen.get("time_resolution") or time.get("time_resolution"),
            **scene_defaults.sampling(scene),
        },
        required={"field": field},
    )


def _check_time(backbone: Any, scene: Scene) -> None:
    """Refuse a field that stands still for data that moves, and the reverse."""
    wanted = scene_defaults.time(scene)["in_dim"]
    if backbone.in_dim == wanted:
        return
    reason = "the data has times" if wanted == 4 else "the data has no times"
    hint = "dataset.times=ignore trains a field that stands still" if wanted == 4 else None
    raise InputError(
        file=scene.path, field="field.in_dim", found=backbone.in_dim,
        expected=f"{wanted}, as {reason}", hint=hint,
    )  # fmt: skip


def build_domain(config: Config, scene: Scene) -> Domain:
    """The region that is learned: the scene's box, contracted around it for photos of places."""
    settings = dict(config.get("domain") or {})
    if settings.get("kind", "auto") == "auto":
        settings["kind"] = "contract_linf" if scene.unbounded else "box"
    bounds = settings.pop("bounds", None) or scene.bounds
    return make({**settings, "_target_": DOMAIN}, bounds, kind=Domain, field="domain")
