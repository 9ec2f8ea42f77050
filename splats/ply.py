"""The PLY of 3D Gaussian splatting (Kerbl et al. 2023): everything in float32, nothing lost.

A row is x y z, normals of 0, f_dc_0..2, f_rest_0.. with all of red before green and blue, opacity
as a logit, scale_0..2 as logarithms, and rot_0..3 = w x y z. Read in any order, type and encoding;
written as the original code writes it. Letters: n Gaussians, k harmonics beyond the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from polyfield.durable import write_file
from polyfield.errors import InputError
from polyfield.splats.ply_file import BLOCK, Element, PlyHeader, blocks, columns, read_header
from polyfield.splats.splats import HARMONICS, Splats

PLACES = {
    "means": ["x", "y", "z"],
    "quats": ["rot_0", "rot_1", "rot_2", "rot_3"],
    "log_scales": ["scale_0", "scale_1", "scale_2"],
    "opacity_logits": ["opacity"],
    "sh_dc": ["f_dc_0", "f_dc_1", "f_dc_2"],
}
NORMALS = ["nx", "ny", "nz"]

ANTIALIASED = "SplatRenderMode: mip"
"""The comment by which others, and we, mark Gaussians of the mip filter."""


def read(path: Path) -> Splats:
    """Read the Gaussians of a PLY file; what else it holds is passed over.

    Raises:
        InputError: for a file that is damaged, or that holds no Gaussians.
        OSError: for one that cannot be read.
    """
    header = read_header(path)
    vertex = header.element("vertex")
    _check_places(header, vertex)
    k = HARMONICS[rest_degree(header, vertex)]
    arrays = {
        name: np.empty((vertex.count, len(places)), np.float32) for name, places in PLACES.items()
    }
    rest = np.empty((vertex.count, k, 3), np.float32)
    names = [*(place for places in PLACES.values() for place in places), *rest_names(k)]
    start = 0
    for block in blocks(header, vertex):
        table = columns(block, names)
        rows, first = slice(start, start + len(block)), 0
        for name, places in PLACES.items():
            arrays[name][rows] = table[:, first : first + len(places)]
            first += len(places)
        rest[rows] = table[:, first:].reshape(len(block), 3, k).transpose(0, 2, 1)
        start += len(block)
    arrays["opacity_logits"] = arrays["opacity_logits"][:, 0]
    return Splats(**arrays, sh_rest=rest, antialiased=ANTIALIASED in header.comments)


def _check_places(header: PlyHeader, vertex: Element) -> None:
    missing = [p for places in PLACES.values() for p in places if p not in vertex.properties]
    if missing:
        raise InputError(
            "a PLY without Gaussians" if "opacity" in missing else "a PLY of incomplete Gaussians",
            file=header.file,
            field="element vertex",
            expected=f"the property {missing[0]}"
            + (f" and {len(missing) - 1} more" if len(missing) > 1 else ""),
        )


def rest_degree(header: PlyHeader, element: Element) -> int:
    """The degree of the harmonics among the properties `f_rest_0` ... of an element.

    Raises:
        InputError: for a number of them that no degree has, or for gaps.
    """
    found = {name for name in element.properties if re.fullmatch(r"f_rest_\d+", name)}
    for degree, k in enumerate(HARMONICS):
        if found == set(rest_names(k)):
            return degree
    raise InputError(
        file=header.file,
        field="f_rest",
        found=f"{len(found)} coefficients",
        expected="f_rest_0 to 8, 23 or 44 without gaps, or none",
    )


def rest_names(k: int) -> list[str]:
    """The names of 3k coefficients, all of red first."""
    return [f"f_rest_{i}" for i in range(3 * k)]


def write(splats: Splats, path: Path, normals: bool = True) -> None:
    """Write a PLY as the original code does; not atomic by itself.

    Args:
        splats: what to write, whose values are kept bit by bit.
        path: the file.
        normals: with the three zeros of each row that no one reads but some expect.

    Raises:
        OSError: for a file that cannot be written.
    """
    k = splats.sh_rest.shape[1]
    names = [
        *(PLACES["means"] + (NORMALS if normals else []) + PLACES["sh_dc"] + rest_names(k)),
        *(PLACES["opacity_logits"] + PLACES["log_scales"] + PLACES["quats"]),
    ]
    comments = [ANTIALIASED] if splats.antialiased else []
    header = header_text({"vertex": (len(splats), [f"float {name}" for name in names])}, comments)

    def pieces() -> Iterator[bytes]:
        yield header
        rows = BLOCK // (4 * len(names))
        for start in range(0, len(splats), rows):
            yield _table(splats, slice(start, start + rows), normals).tobytes()

    write_file(path, pieces())


def _table(splats: Splats, rows: slice, normals: bool) -> np.ndarray:
    means = splats.means[rows]
    rest = splats.sh_rest[rows].transpose(0, 2, 1).reshape(len(means), -1)
    parts = [means, np.zeros_like(means)] if normals else [means]
    parts += [splats.sh_dc[rows], rest, splats.opacity_logits[rows, None]]
    parts += [splats.log_scales[rows], splats.quats[rows]]
    return np.concatenate(parts, axis=1).astype("<f4", copy=False)


def header_text(elements: dict[str, tuple[int, list[str]]], comments: list[str]) -> bytes:
    """The header of a little-endian PLY.

    Args:
        elements: count of rows, and type and name of each property, by name.
        comments: lines to put before them.
    """
    lines = ["ply", "format binary_little_endian 1.0", *(f"comment {line}" for line in comments)]
    for name, (count, properties) in elements.items():
        lines += [f"element {name} {count}", *(f"property {line}" for line in properties)]
    return "\n".join([*lines, "end_header", ""]).encode()
