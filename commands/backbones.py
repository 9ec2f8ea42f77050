"""Backbones of other packages on the command line.

Two ways, neither of which needs a change here:

- `field._target_=mypackage.MyBackbone trust=[mypackage]` names a class,
- an installed package names its classes itself, in the entry point group `polyfield.backbones`, and
  then `field=its_name` is enough.

Either way the keys of `field` are the arguments of the class with their defaults, so that they are
checked like those of our own fields; the decoder and the rest come from `conf/field/custom.yaml`.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from typing import Any

from polyfield.commands.arguments import Arguments
from polyfield.errors import InputError

GROUP = "polyfield.backbones"
PLAIN = (bool, int, float, str, type(None))


def installed() -> dict[str, EntryPoint]:
    """The backbones that installed packages announce, by the name that `field=` takes."""
    return {point.name: point for point in entry_points(group=GROUP)}


def trusted() -> list[str]:
    """The classes of installed backbones: whoever installed them trusts them."""
    return [_path(point) for point in installed().values()]


def make_known(arguments: Arguments) -> None:
    """Register the backbones of other packages that a line asks for, as choices of `field`.

    Args:
        arguments: the line; where only `field._target_` was given, the choice is added to it.

    Raises:
        InputError: for a class that is not trusted or cannot be imported.
    """
    choice, target = arguments.given("field"), arguments.given("field._target_")
    if choice is None and target is not None:
        path = _value(target)
        _require_trust(path, _value(arguments.given("trust") or ""))
        name = path.rpartition(".")[2]
        _register(name, path)
        arguments.overrides.append(f"field={name}")
    elif choice is not None:
        unknown = [name for name in _value(choice).split(",") if not _is_ours(name)]
        points = installed() if unknown else {}
        for name in unknown:
            if name in points:
                _register(name, _path(points[name]))


def search_working_directory() -> None:
    """Let trusted packages lie in the working directory: searched last, so nothing is shadowed."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def _path(point: EntryPoint) -> str:
    return point.value.replace(":", ".")


def _value(word: str) -> str:
    return word.partition("=")[2].strip("'\"")


def _is_ours(name: str) -> bool:
    return files("polyfield.conf").joinpath("field", f"{name}.yaml").is_file()


def _require_trust(path: str, trust: str) -> None:
    """Import nothing that the line does not name as trusted."""
    package = path.partition(".")[0]
    names = [name.strip("'\" ") for name in trust.strip("[]").split(",")]
    if package != "polyfield" and not any(
        path == name or path.startswith(f"{name}.") for name in names if name
    ):
        raise InputError(
            field="field._target_",
            found=path,
            expected="a class of polyfield",
            hint=f"trust=[{package}] allows those of {package}",
        )


def _register(name: str, path: str) -> None:
    """Make `field=name` stand for a class, its arguments for the keys."""
    from hydra.core.config_store import ConfigStore

    node = {"_target_": path, **_arguments(_import(path))}
    store = ConfigStore.instance()
    config = {"defaults": ["custom", "_self_"], "field": node}
    store.store(group="field", name=name, node=config, package="_global_", provider="plug-in")


def _import(path: str) -> Any:
    search_working_directory()
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        hint = "its package must be installed, in the working directory or on PYTHONPATH"
        raise InputError(f"{error}", field="field._target_", found=path, hint=hint) from error


def _arguments(backbone: Any) -> dict[str, Any]:
    """The constructor's arguments that a configuration file can hold, with their defaults.

    The number of coordinates is the task's to choose and the generator the trainer's.
    """
    given: dict[str, Any] = {}
    for parameter in inspect.signature(backbone).parameters.values():
        default = parameter.default
        named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if not named or parameter.name in ("in_dim", "generator"):
            continue
        if default is parameter.empty:
            given[parameter.name] = "???"
        elif isinstance(default, PLAIN):
            given[parameter.name] = default
        elif isinstance(default, (list, tuple)) and all(isinstance(v, PLAIN) for v in default):
            given[parameter.name] = list(default)
    return given
