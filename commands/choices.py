"""The choices of a configuration group, read from the folder, for help texts."""

from __future__ import annotations

from importlib.resources import files


def choices(group: str) -> str:
    """The names in `conf/<group>`, as help shows them: `dense | hash | mlp`."""
    folder = files("polyfield.conf").joinpath(group)
    names = [entry.name.removesuffix(".yaml") for entry in folder.iterdir()]
    return " | ".join(sorted(name for name in names if not name.startswith("_")))
