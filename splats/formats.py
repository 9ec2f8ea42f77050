"""Which file of Gaussians is in which format: by its name, checked against its first bytes.

`FORMATS` is where a format is added: a module with `read(path) -> Splats` and, where it is written,
`write(splats, path)`, which is imported when it is needed.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from polyfield.durable import replacing
from polyfield.errors import InputError
from polyfield.splats.cleaning import any_sound, clean
from polyfield.splats.splats import Splats


class Format(NamedTuple):
    """A kind of file.

    Attributes:
        noun: what a person calls it.
        suffix: of its names, lower case.
        module: of `polyfield.splats`.
        degree: the highest of the harmonics that it holds.
        written: whether we write it.
    """

    noun: str
    suffix: str
    module: str
    degree: int = 3
    written: bool = True


FORMATS = (
    Format("a compressed PLY", ".compressed.ply", "compressed_ply"),
    Format("a PLY", ".ply", "ply"),
    Format("a .splat file", ".splat", "antimatter", degree=0),
    Format("a .ksplat file", ".ksplat", "ksplat", degree=2, written=False),
    Format("an SPZ file", ".spz", "spz"),
    Format("a glTF binary", ".glb", "gltf"),
    Format("an SOG file", ".sog", "sog"),
)
BY_SUFFIX = {each.suffix: each for each in FORMATS}

FOREIGN = {
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"<": "a web page",
    b"version https://git-lfs": "a pointer of Git LFS (`git lfs pull` fetches the file)",
    b"{": "JSON",
}
MAGIC = {b"\x1f\x8b\x08": ".spz", b"NGSP": ".spz", b"glTF": ".glb", b"PK\x03\x04": ".sog"}


def format_of(path: Path) -> Format | None:
    """The format that a file's name tells, if any."""
    name = path.name.lower()
    return next((each for each in FORMATS if name.endswith(each.suffix)), None)


def read_splats(path: str | os.PathLike[str]) -> Splats:
    """Read a file of Gaussians, of any of `FORMATS`.

    Args:
        path: the file; its name tells the format, but not which of the two kinds of PLY.

    Returns:
        Its values as they are, in the frame of the file: `cleaning.clean` drops what is not finite.

    Raises:
        InputError: for a file that is damaged, empty, or not what its name says, and for one whose
            Gaussians are all not finite or without rotation.
        OSError: for one that cannot be read.
    """
    path = Path(path)
    splats: Splats = _module(_checked_format(path)).read(path)
    if not len(splats):
        raise InputError("no Gaussians", file=path)
    if not any_sound(splats):
        found = _counted(clean(splats).dropped)
        raise InputError(f"of {len(splats):,} Gaussians none is of use", file=path, found=found)
    return splats


def write_splats(splats: Splats, path: str | os.PathLike[str]) -> None:
    """Write a file of Gaussians in the format that its name tells; a file there is replaced.

    Args:
        splats: at least one, all finite: `cleaning.clean` drops others.
        path: the file, which holds its old or its new content at every moment.

    Raises:
        InputError: for a name of no format that is written, and for values that are not finite.
        OSError: for a file that cannot be written.
    """
    path = Path(path)
    to_write = written_format(path)
    if not len(splats):
        raise InputError("no Gaussians to write", file=path)
    finite, dropped = clean(splats)
    if dropped:
        found = _counted(dropped)
        hint = "polyfield.splats.cleaning.clean drops them"
        raise InputError(f"of {len(splats):,} Gaussians", file=path, found=found, hint=hint)
    with replacing(path) as temporary:
        _module(to_write).write(finite, temporary)


def _counted(dropped: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())


def written_format(path: Path) -> Format:
    """The format in which a file of this name is written.

    Raises:
        InputError: for a name that tells none.
    """
    found = format_of(path)
    if found is None or not found.written:
        suffixes = ", ".join(each.suffix for each in FORMATS if each.written)
        message = f"{found.noun} is only read" if found else None
        raise InputError(message, file=path, expected=f"a name that ends in one of {suffixes}")
    return found


def _module(of: Format) -> Any:
    return importlib.import_module(f"polyfield.splats.{of.module}")


def _checked_format(path: Path) -> Format:
    """The format of a file, by its content and its name together.

    Raises:
        InputError: where the two differ, saying what the file is.
    """
    named, content = format_of(path), _content(path)
    if isinstance(content, Format) and named is not None and {named, content} <= PLYS:
        return content
    if named is None:
        suffixes = ", ".join(BY_SUFFIX)
        known = content.noun if isinstance(content, Format) else content
        message = f"its content is {known}" if known else None
        raise InputError(message, file=path, expected=f"a name that ends in one of {suffixes}")
    # Nothing but its size tells a .splat file.
    if content is None or content is named:
        return named
    if isinstance(content, Format):
        hint = f"rename it to end in {content.suffix}"
        raise InputError(file=path, found=content.noun, expected=named.noun, hint=hint)
    raise InputError(file=path, found=content, expected=named.noun)


PLYS = {BY_SUFFIX[".ply"], BY_SUFFIX[".compressed.ply"]}


def _content(path: Path) -> Format | str | None:
    """The format that a file's first bytes tell, or what else it is, or None for neither.

    Raises:
        InputError: for an empty file, or a damaged header of a PLY.
    """
    from polyfield.splats import compressed_ply, ksplat, ply_file

    with open(path, "rb") as file:
        start = file.read(64)
    if not start:
        raise InputError("an empty file", file=path)
    if start.startswith(ply_file.MAGIC):
        compressed = compressed_ply.is_compressed(ply_file.read_header(path))
        return BY_SUFFIX[".compressed.ply" if compressed else ".ply"]
    if ksplat.looks_like(start):
        return BY_SUFFIX[".ksplat"]
    if any(start.startswith(magic) for magic in MAGIC):
        return next(BY_SUFFIX[suffix] for magic, suffix in MAGIC.items() if start.startswith(magic))
    if start.isascii() or start[:1] not in b"<{":  # a float may begin with any byte
        return next((noun for magic, noun in FOREIGN.items() if start.startswith(magic)), None)
    return None


def is_splats(path: Path) -> bool:
    """Whether a file holds Gaussians, as far as its name and header tell; meshes do not."""
    named = format_of(path)
    if named is None or not path.is_file():
        return False
    if named.suffix == ".glb":
        with open(path, "rb") as file:
            return b"KHR_gaussian_splatting" in file.read(1 << 16)
    if named in PLYS:
        from polyfield.splats.ply_file import read_header

        try:
            vertex = read_header(path).elements.get("vertex")
        except InputError:
            return named.suffix == ".compressed.ply"
        return vertex is not None and bool({"f_dc_0", "packed_position"} & set(vertex.properties))
    return True


def describe(path: Path) -> dict[str, Any]:
    """Facts of a file of Gaussians, by name."""
    splats = read_splats(path)
    cleaned = clean(splats, transparent=True)
    kept = cleaned.splats
    size = os.path.getsize(path)
    facts: dict[str, Any] = {
        "file": path,
        "format": _checked_format(path).noun.split(" ", 1)[1],
        "Gaussians": f"{len(splats):,}",
        "of no use": {reason: f"{count:,}" for reason, count in cleaned.dropped.items()} or None,
        "bytes": f"{size:,}, {size / len(splats):.1f} a Gaussian",
        "degree": splats.degree,
        "antialiased": splats.antialiased,
    }
    if len(kept):
        sizes = np.exp(np.median(kept.log_scales.max(axis=1)))
        facts["from"] = kept.means.min(axis=0).tolist()
        facts["to"] = kept.means.max(axis=0).tolist()
        facts["median size"] = float(sizes)
    return facts
