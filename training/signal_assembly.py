"""A task over points of the unit cube, of a configuration.

    field    -> backbone  \
    decoder  -> decoder    > signal field -> task

How many coordinates and numbers follows from the signal, and so does how fine a backbone may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from polyfield.datasets.signals import Signal
from polyfield.errors import InputError
from polyfield.fields.signal_decoder import SignalDecoder
from polyfield.fields.signal_field import SignalField
from polyfield.training.instantiate import configuration_node, make
from polyfield.training.scene_defaults import tables
from polyfield.training.task import Task

CELLS = (64, 1 << 19)  # along an edge of the unit cube, at least and at most
SHALLOW, DEEP = (64, 64), (128, 128, 128, 128)


def build_signal_task(kind: type, config: Mapping[str, Any], signal: Signal) -> Task:
    """A task that learns a signal.

    Args:
        kind: the task's class.
        config: nodes `field`, `decoder`, `task` and optionally `trust`.
        signal: what is learned.

    Raises:
        InputError: for a renderer or a domain, which points have no use for.
    """
    settings = dict(config.get("task") or {})
    name = settings.pop("name", None)
    _refuse_rays(config, str(name))
    field = build_signal_field(config, signal)
    node = {"_target_": f"{kind.__module__}.{kind.__qualname__}", **settings}
    task: Task = make(node, field, signal, kind=kind, field="task")
    return task


def build_signal_field(config: Mapping[str, Any], signal: Signal) -> SignalField:
    """The field of a signal, initialised from torch's generator."""
    trust = tuple(config.get("trust") or ())
    least, most = CELLS
    finest = min(max(signal.finest, least), most)
    backbone = make(
        configuration_node(config, "field"),
        kind=nn.Module,
        trust=trust,
        field="field",
        offers={"max_resolution": finest, **tables(config.get("trainer") or {})},
        required={"in_dim": signal.d},
    )
    hidden = backbone.head
    if hidden is None:  # an encoding that learns nothing leaves everything to the network
        hidden = SHALLOW if any(True for _ in backbone.parameters()) else DEEP
    decoder = make(
        configuration_node(config, "decoder"),
        kind=SignalDecoder,
        trust=trust,
        field="decoder",
        offers={"hidden": hidden},
        required={"in_dim": backbone.out_dim, "out_dim": signal.channels},
    )
    return SignalField(backbone, decoder)


def _refuse_rays(config: Mapping[str, Any], task: str) -> None:
    """A signal is learned at points: nothing renders it, nothing contracts it."""
    renderer, domain = config.get("renderer"), config.get("domain") or {}
    if renderer:
        found = str(renderer.get("_target_", renderer)).rpartition(".")[2]
        raise InputError(
            f"task={task} learns points, not rays", field="renderer", found=found, expected="none"
        )
    if domain.get("kind", "auto") != "auto" or domain.get("bounds"):
        key = "kind" if domain.get("kind", "auto") != "auto" else "bounds"
        raise InputError(
            f"task={task} fills the unit cube", field=f"domain.{key}", found=domain[key]
        )
