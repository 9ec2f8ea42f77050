"""What may be set: each override of a line checked against the configuration that it changes.

Hydra finds a wrong key too, but tells how to append it instead of which key was meant, and it takes
any value for any key. Here a key is compared with those that exist and a value with the default
that it replaces, before any job starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from omegaconf import DictConfig, OmegaConf, open_dict

from polyfield.commands.arguments import parse
from polyfield.commands.errors import did_you_mean, no_choice
from polyfield.errors import InputError

CONF = "polyfield.conf"
HYDRA_VERSION = "1.3"

# Keys that are null by default, with a value of the kind that they take.
OPTIONAL: dict[str, Any] = {
    "trainer.max_steps": 1,
    "trainer.max_seconds": 1.0,
    "trainer.eval_images": 1,
    "renderer.step": 1.0,
    "renderer.cone": 1.0,
    "renderer.cells_a_step": 1.0,
    "task.crop": 1.0,
    "task.filter": 1.0,
    "renderer.time_resolution": 1,
    "renderer.near": 1.0,
    "renderer.far": 1.0,
    "domain.bounds": [],
    "dataset.rotate": 1,
    "decoder.summed": 1,
    "field.log2_entries": 1,
    "field.max_resolution": 1,
    "field.time_resolution": 1,
    "field.time_smooth": 1.0,
    "field.still": 1.0,
    "time": "0:1",
    "field.points": "points.ply",
    "task.init_from": "points.ply",
    "densify.threshold": 1.0,
    "densify.prune_opacity": 1.0,
    "densify.reset_opacity": 1.0,
    "task.normal_consistency": 1.0,
    "limit": 1,
    "degree": 1,
    "voxel": 1.0,
    "size": "1x",
    "task.rotation": 1.0,
    "task.rotation_seed": 1,
    "decoder.hidden": [],
    "dataset.shape": [],
    "dataset.dtype": "uint8",
    "dataset.spacing": [],
    "dataset.frames": 1,
    "dataset.fps": 1.0,
    "max_size": 1,
}


def checked(verb: str, words: list[str], multirun: bool) -> tuple[list[str], DictConfig]:
    """Check the overrides of a line.

    Args:
        verb: the primary configuration, `conf/<verb>.yaml`.
        words: overrides in Hydra's grammar.
        multirun: whether sweeps such as `a,b` are allowed.

    Returns:
        The words, with whole numbers such as `1e4` rewritten as integers, and a single word or
        number as a list of one where the key holds such; and the configuration that they compose
        to, sweeps at their first value, with its `hydra` node.

    Raises:
        InputError: naming the key, what was found and what would have been valid.
    """
    with _hydra(verb):
        loader = GlobalHydra.instance().config_loader()
        overrides = OverridesParser.create(config_loader=loader).parse_overrides(words)
        choices: list[Override] = []
        values: list[Override] = []
        for override in overrides:
            if override.is_sweep_override() and not multirun:
                hint = "a list is written [a,b]; a sweep needs the option -m"
                raise InputError(f"{override.input_line}: several values", hint=hint)
            (choices if _is_choice(override, words) else values).append(override)
        keys: dict[str, Any] = {group: {} for group in loader.list_groups("") if group != "hydra"}
        alternatives = _alternatives(choices)
        for alternative in alternatives:
            keys.update(_flatten(OmegaConf.to_container(compose(verb, overrides=alternative))))
        rewritten = {o.input_line: _checked_value(o, keys) for o in values}
        first = [rewritten[o.input_line] or _first_value(o) for o in values]
        # Hydra would find out in the middle of a sweep, with the folder made.
        configs = [
            compose(verb, overrides=[*alternative, *first], return_hydra_config=True)
            for alternative in alternatives
        ]
        return [rewritten.get(word) or word for word in words], configs[0]


def configuration(*words: str, verb: str = "train") -> dict[str, Any]:
    """The configuration of a verb with some of its settings changed, as plain data.

    Args:
        words: as on the command line: `field=hash`, `trainer.max_steps=1000`. Paths need no quotes.
        verb: whose.

    Raises:
        InputError: for a word that is not valid.
    """
    config = checked(verb, parse(words).overrides, multirun=False)[1]
    with open_dict(config):
        del config["hydra"]
    plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    return dict(plain)


@contextmanager
def _hydra(job_name: str) -> Iterator[None]:
    """Inside, Hydra composes our configuration, also where it is already at work on another."""
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_module(CONF, version_base=HYDRA_VERSION, job_name=job_name):
            yield
    finally:
        GlobalHydra.instance().hydra = before


def _is_choice(override: Override, words: list[str]) -> bool:
    """Whether the override chooses in a group (or is Hydra's own); checks the choice."""
    if override.is_hydra_override():
        return True
    if override.is_delete():
        message = f"'{override.input_line}': a key can be changed, not taken away"
        raise InputError(message, hint="null leaves many of them out")
    group = override.key_or_group
    searchpath = [word for word in words if word.startswith("hydra.searchpath=")]
    loader = GlobalHydra.instance().config_loader()
    options = loader.get_group_options(group, overrides=searchpath)
    if not options:
        return False
    for value in _values(override):
        for choice in value if isinstance(value, list) else [value]:
            if choice is not None and str(choice) not in options:
                raise InputError(no_choice(group, str(choice), options))
    return True


def _values(override: Override) -> list[Any]:
    """Every value that an override stands for; a discrete sweep has several."""
    if override.is_discrete_sweep():
        elements = override.sweep_iterator()
        return [e.text if isinstance(e, QuotedString) else e for e in elements]
    return [] if override.is_sweep_override() else [override.value()]


def _alternatives(choices: list[Override]) -> list[list[str]]:
    """The groups' first choices, and for each further choice of a sweep those with it in place.

    All settings of a line go to every job of its sweep, so each of these must take them.
    """
    first = [_first_value(choice) for choice in choices]
    alternatives = [first]
    for i, choice in enumerate(choices):
        if choice.is_discrete_sweep():
            for name in list(choice.sweep_string_iterator())[1:]:
                word = f"{choice.get_key_element()}={name}"
                alternatives.append([*first[:i], word, *first[i + 1 :]])
    return alternatives


def _first_value(override: Override) -> str:
    """The override as a word, a sweep at its first value."""
    if override.is_discrete_sweep():
        return f"{override.get_key_element()}={next(override.sweep_string_iterator())}"
    if override.is_sweep_override():
        interval: Any = override.value()
        return f"{override.get_key_element()}={interval.start}"
    return str(override.input_line)


def _flatten(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of a nested dictionary with its value, inner nodes included, dotted."""
    for name, value in node.items():
        yield f"{prefix}{name}", value
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")


def _checked_value(override: Override, keys: dict[str, Any]) -> str | None:
    """Check one setting; the word to use in its place when the number had to be rewritten."""
    key = override.key_or_group
    if override.is_add() or override.is_force_add():
        return None
    if key not in keys:
        raise InputError(_no_key(key, keys))
    default = OPTIONAL.get(key) if keys[key] is None else keys[key]
    for value in _values(override):
        expected = _expected(default, value)
        if expected:
            raise InputError(field=key, found=repr(value), expected=expected)
        if override.is_sweep_override():
            continue
        if isinstance(value, float) and _is_integer(default):
            return f"{key}={int(value)}"
        if isinstance(default, list) and not isinstance(value, list) and value is not None:
            return f"{key}=[{str(override.input_line).partition('=')[2]}]"
    return None


def _no_key(key: str, keys: dict[str, Any]) -> str:
    """One line for an unknown key: the nearest valid one, else the neighbours."""
    leaf = key.rpartition(".")[2]
    by_leaf: dict[str, str] = {}
    for name in keys:
        by_leaf.setdefault(name.rpartition(".")[2], name)
    if leaf in by_leaf and "." not in key:
        return f"no key '{key}'; did you mean '{by_leaf[leaf]}'?"
    hint = did_you_mean(key, keys)
    if hint:
        return f"no key '{key}'{hint}"
    parent = key.rpartition(".")[0]
    neighbours = keys.get(parent) if parent else {k: 0 for k in keys if "." not in k}
    if isinstance(neighbours, dict):
        where = f"'{parent}' has" if parent else "there are"
        return f"no key '{key}' ({where}: {', '.join(neighbours)})"
    return f"no key '{key}'"


def _expected(default: Any, value: Any) -> str | None:
    """What a key with this default takes, if `value` is not that."""
    if value is None or default is None or (isinstance(default, str) and "${" in default):
        return None
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    number = isinstance(value, float) or _is_integer(value)
    if _is_integer(default):
        return None if number and float(value).is_integer() else "an integer"
    if isinstance(default, float):
        return None if number else "a number"
    if isinstance(default, list):
        fits = isinstance(value, (list, str)) or (number and _of_numbers(default))
        return None if fits else "a list such as [a,b]"
    if isinstance(default, dict):
        return None if isinstance(value, dict) else f"one of its keys: {', '.join(default)}"
    if isinstance(value, (dict, list)):
        return "a single value"
    return None


def _of_numbers(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(v, (int, float)) for v in values)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
