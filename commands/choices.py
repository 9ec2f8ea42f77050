"""The choices of a configuration group, read from the folder: help must not wait for Hydra."""

from __future__ import annotations

from importlib.resources import files


def choices(group: str) -> list[str]:
    """The names of the files in `conf/<group>`, sorted."""
    folder = files("polyfield.conf").joinpath(group)
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir())


def shown(group: str) -> str:
    """The choices as help shows them: `dense | hash | mlp`."""
    return " | ".join(choices(group))
