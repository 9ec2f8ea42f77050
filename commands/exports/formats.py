"""The formats of `polyfield export`: by name, where each is written and what keys are its own."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from polyfield.errors import InputError


class Writer(Protocol):
    """A module that writes a format."""

    def write(self, config: dict[str, Any], out: Path) -> None:
        """Write what a configuration names and print what that was."""


@dataclass(frozen=True)
class Format:
    """A format of `polyfield export`.

    Attributes:
        module: that writes it, in this package.
        keys: of conf/export.yaml that say nothing of formats which do not name them too.
        suffixes: of its files, which the viewer offers; none where nobody looks into a browser for
            them.
    """

    module: str
    keys: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()

    def writer(self) -> Writer:
        """The module, imported only now."""
        writer: Any = importlib.import_module(f"polyfield.commands.exports.{self.module}")
        return writer  # type: ignore[no-any-return]


FORMATS = {
    "splat": Format(
        "splat",
        ("degree", "keep_transparent"),
        (".ply", ".compressed.ply", ".splat", ".spz", ".glb", ".sog"),
    ),
    "web": Format(
        "web",
        (
            *("degree", "keep_transparent", "title", "background", "up"),
            *("resolution", "faces", "texture", "time"),
        ),
        (".html",),
    ),
    "mesh": Format(
        "mesh",
        (
            *("method", "resolution", "level", "time", "crop", "texture"),
            *("components", "watertight", "faces"),
        ),
        (".ply", ".obj", ".glb", ".stl", ".off"),
    ),
    "pointcloud": Format("pointcloud", ("points", "voxel", "views", "time", "outliers")),
    "cameras": Format("cameras", ("data",)),
    "depth": Format("maps", ("split", "scale", "encoding")),
    "normal": Format("maps", ("split", "scale", "encoding")),
    "video": Format(
        "video",
        (
            *("path", "modes", "frames", "fps", "time", "scale", "background"),
            *("data", "size", "fov", "up"),
        ),
    ),
}


def chosen_format(name: str | None) -> Format:
    """A format by its name.

    Raises:
        InputError: for one that there is not.
    """
    if name not in FORMATS:
        found, expected = name or "none", f"format={' or format='.join(FORMATS)}"
        raise InputError(field="format", found=found, expected=expected)
    return FORMATS[name]


def refuse_foreign(name: str, given: list[str]) -> None:
    """InputError for a key that was given and is of other formats alone."""
    foreign = {key for each in FORMATS.values() for key in each.keys} - set(FORMATS[name].keys)
    for key in given:
        if key in foreign:
            raise InputError("does not fit", field=key, found=f"format={name}")
