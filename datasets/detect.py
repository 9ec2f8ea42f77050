"""Which format a path holds, from the names of the files in it."""

from __future__ import annotations

from pathlib import Path

from polyfield.errors import InputError

PROCEDURAL = "procedural"
MARKS = {
    "blender": ("transforms_train.json",),
    "transforms": ("transforms.json",),
    "colmap": ("sparse/0", "sparse", "colmap/sparse/0", "cameras.bin", "cameras.txt"),
    "llff": ("poses_bounds.npy",),
    "folder": ("scene.npz", "cameras.npz"),
}
FORMATS = (*MARKS, PROCEDURAL)


def detect_format(path: Path) -> str:
    """The format of a folder or file; where several fit, the first of `MARKS`.

    Raises:
        InputError: when there is nothing there, or nothing known.
    """
    if str(path) == PROCEDURAL and not path.exists():
        return PROCEDURAL
    check_readable(path)
    if path.is_file():
        kinds = {".json": "transforms", ".npz": "folder", ".npy": "llff"}
        if path.suffix.lower() not in kinds:
            raise InputError(
                "no data set", file=path, found=path.name, expected="a folder, .json or .npz"
            )
        return kinds[path.suffix.lower()]
    for kind, marks in MARKS.items():
        if any((path / mark).exists() for mark in marks):
            return kind
    there = sorted(item.name for item in path.iterdir())
    raise InputError(
        "no known data set in this folder",
        file=path,
        found=", ".join(there[:6]) + (", ..." if len(there) > 6 else "") or "nothing",
        expected=" or ".join(marks[0] for marks in MARKS.values()),
    )


def check_readable(path: Path) -> None:
    """Raise InputError where `path` does not exist or its folder may not be listed."""
    try:
        path.stat()
        if path.is_dir():
            next(path.iterdir(), None)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError("cannot be read", file=path, found=reason) from None
