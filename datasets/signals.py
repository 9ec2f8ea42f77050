"""Signals other than posed photos: which file holds what, and its loader.

`SIGNALS` is where a kind is added: the suffixes that betray it, the tasks that learn it, and a
function of a path and options that gives a `Grid` or a `Mesh`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from polyfield.datasets.detect import check_readable
from polyfield.datasets.grid import Grid
from polyfield.datasets.image_files import EXTENSIONS
from polyfield.datasets.mesh import SUFFIXES as MESHES
from polyfield.datasets.mesh import Mesh
from polyfield.errors import InputError

Signal = Grid | Mesh


class Kind(NamedTuple):
    """A kind of signal.

    Attributes:
        noun: what a person calls it.
        suffixes: of its files, lower case.
        tasks: that learn it, the usual one first.
        loader: module and function, imported when it is needed.
    """

    noun: str
    suffixes: tuple[str, ...]
    tasks: tuple[str, ...]
    loader: tuple[str, str]

    def load(self, path: Path, **options: Any) -> Signal:
        """Read a file, or for videos a folder."""
        module, name = self.loader
        function: Callable[..., Signal] = getattr(import_module(module), name)
        return function(path, **options)


PICTURES = (*EXTENSIONS, ".exr")
SIGNALS = {
    "image": Kind("an image", PICTURES, ("image",), ("polyfield.datasets.picture", "load_picture")),
    "mesh": Kind(
        "a mesh",
        MESHES,
        ("sdf", "occupancy"),
        ("polyfield.datasets.mesh", "load_mesh"),
    ),
    "audio": Kind(
        "a sound", (".wav", ".wave"), ("audio",), ("polyfield.datasets.audio", "load_audio")
    ),
    "volume": Kind(
        "a volume",
        (".npy", ".raw", ".nrrd", ".nhdr"),
        ("volume",),
        ("polyfield.datasets.volume", "load_volume"),
    ),
    "video": Kind(
        "a video",
        (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".gif"),
        ("video",),
        ("polyfield.datasets.video", "load_video"),
    ),
}


def kind_of(path: Path) -> str | None:
    """The kind of signal that a file's name betrays; None for any other, and for folders."""
    if path.is_dir() or path.name == "poses_bounds.npy":
        return None
    suffix = path.suffix.lower()
    return next((name for name, kind in SIGNALS.items() if suffix in kind.suffixes), None)


def load_signal(path: str | Path, format: str, **options: Any) -> Signal:
    """Read a signal.

    Args:
        path: a file, or for videos a folder.
        format: its kind, a name of `SIGNALS`.
        options: of its loader.

    Raises:
        InputError: naming file, field, what was found and what was expected.
    """
    path, kind = Path(path).expanduser(), SIGNALS[format]
    check_readable(path)
    found = kind_of(path)
    if found not in (None, format):
        other = SIGNALS[str(found)]
        hint = f"task={' or task='.join(other.tasks)} learns {other.noun}"
        raise InputError(file=path, found=other.noun, expected=kind.noun, hint=hint)
    if path.is_dir() and format != "video":
        expected = f"{kind.noun}: {', '.join(kind.suffixes)}"
        raise InputError(file=path, found="a folder", expected=expected)
    return kind.load(path, **options)
