"""Objects of plain configuration, of trusted packages alone.

A node is a dictionary whose `_target_` names a class and whose other keys are its arguments. A
configuration may come with a run that somebody sent, so a name is not enough: what it leads to must
itself be defined in a trusted package (`polyfield.training.trainer.time.sleep` is not).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hydra.utils import get_object, instantiate

from polyfield.errors import InputError

TARGET = "_target_"
HYDRA = (TARGET, "_partial_", "_recursive_", "_convert_", "_args_")


def make(
    node: Mapping[str, Any],
    *arguments: Any,
    trust: Iterable[str] = (),
    field: str = "",
    offers: Mapping[str, Any] | None = None,
    required: Mapping[str, Any] | None = None,
) -> Any:
    """Make the object of a node.

    Args:
        node: plain data; a key whose value is None counts as not given where it is offered.
        arguments, required: passed to the constructor beside the node's keys.
        trust: packages besides polyfield, or full names of classes.
        field: the node's name in the configuration, for messages.
        offers: passed where the constructor has such a parameter and the node does not set it.

    Raises:
        InputError: for a target that is missing or not trusted, or a key that it does not take.
    """
    check_trust(node, trust, field)
    if not node.get(TARGET):
        raise InputError(field=f"{field}.{TARGET}", found="nothing", expected="the name of a class")
    constructor = get_object(node[TARGET])
    parameters = inspect.signature(constructor).parameters
    given = dict(required or {})
    for name, value in (offers or {}).items():
        if name in parameters and node.get(name) is None:
            given[name] = value
    keys = [key for key in {**node, **given} if key not in HYDRA]
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    unknown = [key for key in keys if key not in parameters and not takes_any]
    if unknown:
        raise InputError(
            field=f"{field}.{unknown[0]}",
            found=f"an argument that {node[TARGET]} does not take",
            expected=f"one of {', '.join(parameters)}",
        )
    try:
        inspect.signature(constructor).bind(*arguments, **dict.fromkeys(keys))
    except TypeError as error:
        raise InputError(str(error), field=field, found=node[TARGET]) from error
    # Objects are handed to the finished factory: Hydra would copy what is in a configuration.
    rest = {key: value for key, value in node.items() if key not in given}
    factory = instantiate({**rest, "_partial_": True}, _convert_="all")
    return factory(*arguments, **given)


def check_trust(node: Any, trust: Iterable[str] = (), field: str = "") -> None:
    """Refuse a node in which any target, at any depth, leads out of the trusted packages."""
    trusted = ("polyfield", *trust)
    roots = {name.split(".")[0] for name in trusted}
    for path, target in _targets(node, field):
        named = isinstance(target, str) and any(
            target == name or target.startswith(f"{name}.") for name in trusted
        )
        if not named:
            raise _refusal(path, target, trust)
        try:
            found = get_object(target)
        except Exception as error:  # whatever importing a user's package raises
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(reason, field=path, found=target, expected="a class") from error
        module = getattr(found, "__module__", None)
        if not callable(found) or not isinstance(module, str) or module.split(".")[0] not in roots:
            raise _refusal(path, target, trust)


def _refusal(path: str, target: Any, trust: Iterable[str]) -> InputError:
    expected = " or ".join(f"a class of {name}" for name in ("polyfield", *trust))
    return InputError(
        field=path, found=target, expected=expected, hint="trust=[PACKAGE] allows another package"
    )


def _targets(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            inner = f"{path}.{key}" if path else str(key)
            if key == TARGET:
                yield inner, value
            else:
                yield from _targets(value, inner)
    elif isinstance(node, (list, tuple)):
        for i, value in enumerate(node):
            yield from _targets(value, f"{path}[{i}]")
