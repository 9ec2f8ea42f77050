"""polyfield: neural fields and 3D reconstruction, interchangeable and fast on a plain CPU.

What most programs need is here, and is loaded when it is first used:

    load_scene                  photos and cameras of any format
    load_data                   what a configuration learns from: a scene, or another signal
    configuration               what `polyfield train` would use, as plain data
    build_task, build_trainer   objects of a configuration
    prepared_task               a task after the phases that its configuration asks for
    create_run, open_run        the folder of a training
    Cameras, Rays, Scene        what goes in
    Render                      what comes out
    InputError                  what is raised for bad input
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from polyfield.version import __version__

if TYPE_CHECKING:
    from polyfield.cameras import Cameras, Rays
    from polyfield.commands.schema import configuration
    from polyfield.datasets import Scene, load_scene
    from polyfield.errors import InputError
    from polyfield.renderers import Render
    from polyfield.training.assembly import build_task, build_trainer
    from polyfield.training.catalogue import load_data
    from polyfield.training.preparation import prepared_task
    from polyfield.training.runs import create_run, open_run

# Loaded on demand: `polyfield --help` must not wait for torch.
_HOMES = {
    "Cameras": "polyfield.cameras",
    "InputError": "polyfield.errors",
    "Rays": "polyfield.cameras",
    "Render": "polyfield.renderers",
    "Scene": "polyfield.datasets",
    "build_task": "polyfield.training.assembly",
    "build_trainer": "polyfield.training.assembly",
    "configuration": "polyfield.commands.schema",
    "create_run": "polyfield.training.runs",
    "load_data": "polyfield.training.catalogue",
    "load_scene": "polyfield.datasets",
    "open_run": "polyfield.training.runs",
    "prepared_task": "polyfield.training.preparation",
}

__all__ = [
    "Cameras",
    "InputError",
    "Rays",
    "Render",
    "Scene",
    "__version__",
    "build_task",
    "build_trainer",
    "configuration",
    "create_run",
    "load_data",
    "load_scene",
    "open_run",
    "prepared_task",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'polyfield' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
