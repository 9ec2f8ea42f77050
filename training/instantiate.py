"""Objects of plain configuration, of trusted packages alone.

A node is a dictionary whose `_target_` names a class and whose other keys are its arguments. A
configuration may come with a run that somebody sent, so a name is not enough: what it leads to must
be a class of the kind that is made there, itself defined in a trusted package. A function never is
(`polyfield.durable.write_file` writes where it is told), and no argument is a node.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hydra.utils import get_object

from polyfield.errors import InputError

TARGET = "_target_"


def make(
    node: Mapping[str, Any],
    *arguments: Any,
    kind: type,
    trust: Iterable[str] = (),
    field: str = "",
    offers: Mapping[str, Any] | None = None,
    required: Mapping[str, Any] | None = None,
) -> Any:
    """Make the object of a node.

    Args:
        node: plain data; a key whose value is None counts as not given where it is offered.
        arguments, required: passed to the constructor beside the node's keys.
        kind: of which the class must be a subclass.
        trust: packages besides polyfield, or full names of classes.
        field: the node's name in the configuration, for messages.
        offers: passed where the constructor has such a parameter and the node does not set it.

    Raises:
        InputError: for a target that is missing, not trusted or of another kind, or a key that it
            does not take.
    """
    constructor = find_class(node, kind, trust, field)
    parameters = inspect.signature(constructor).parameters
    given = dict(required or {})
    for name, value in (offers or {}).items():
        if name in parameters and node.get(name) is None:
            given[name] = value
    settings = {**{key: value for key, value in node.items() if key != TARGET}, **given}
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    unknown = [key for key in settings if key not in parameters and not takes_any]
    if unknown:
        raise InputError(
            field=f"{field}.{unknown[0]}",
            found=f"an argument that {node[TARGET]} does not take",
            expected=f"one of {', '.join(parameters)}",
        )
    try:
        inspect.signature(constructor).bind(*arguments, **settings)
    except TypeError as error:
        raise InputError(str(error), field=field, found=node[TARGET]) from error
    return constructor(*arguments, **settings)


def configuration_node(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The node of that name.

    Raises:
        InputError: where there is none.
    """
    node = config.get(name)
    if not isinstance(node, Mapping):
        found = "nothing" if node is None else node
        raise InputError(field=name, found=found, expected="a node of the configuration")
    return node


def find_class(
    node: Mapping[str, Any], kind: type, trust: Iterable[str] = (), field: str = ""
) -> type:
    """The class that a node names.

    Args:
        node, kind, trust, field: as of `make`.

    Raises:
        InputError: unless it is a subclass of `kind` that a trusted package defines, and the only
            one that the node names.
    """
    for path in _nodes(node, field):
        if path != field:
            expected = "plain data, as an argument is"
            raise InputError(field=f"{path}.{TARGET}", found="a class", expected=expected)
    path, target = f"{field}.{TARGET}", node.get(TARGET)
    if not target:
        raise InputError(field=path, found="nothing", expected="the name of a class")
    trusted = ("polyfield", *trust)
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
    roots = {name.split(".")[0] for name in trusted}
    if not inspect.isclass(found) or found.__module__.split(".")[0] not in roots:
        raise _refusal(path, target, trust)
    if not issubclass(found, kind):
        expected = f"a class of the kind {kind.__module__}.{kind.__qualname__}"
        raise InputError(field=path, found=target, expected=expected)
    return found


def _refusal(path: str, target: Any, trust: Iterable[str]) -> InputError:
    expected = " or ".join(f"a class of {name}" for name in ("polyfield", *trust))
    return InputError(
        field=path, found=target, expected=expected, hint="trust=[PACKAGE] allows another package"
    )


def _nodes(value: Any, path: str) -> Iterator[str]:
    """Where a value, or anything in it, names a target."""
    if isinstance(value, Mapping):
        if TARGET in value:
            yield path
        for key, inner in value.items():
            yield from _nodes(inner, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            yield from _nodes(inner, f"{path}[{i}]")
