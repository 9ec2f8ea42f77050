"""Textured meshes as Wavefront .obj, with a material and a picture beside it.

Letters: n vertices, m triangles.

A line of such a file ends a name at a blank, for many programs: what lies beside the .obj has names
without.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from jaxtyping import Float

from polyfield.durable import replacing, write_file
from polyfield.errors import InputError
from polyfield.export.meshes.picture import png
from polyfield.export.meshes.textured_mesh import TexturedMesh

ROWS = 1 << 15  # lines that are written at once
MATERIAL = """\
newmtl surface
Ka 0 0 0
Kd 1 1 1
Ks 0 0 0
illum 0
map_Kd {picture}
"""


def beside(path: Path) -> tuple[Path, Path]:
    """Where the material and the picture of an .obj are."""
    stem = re.sub(r"[\s#]+", "_", path.stem)
    return path.with_name(f"{stem}.mtl"), path.with_name(f"{stem}.png")


def write_textured_obj(surface: TexturedMesh, path: Path) -> None:
    """Write a mesh, its material and its texture; each has its name when all are whole.

    Args:
        surface: in the frame of the file, which knows none.
        path: the .obj; the other names are those of `beside`.

    Raises:
        InputError: for a mesh without triangles.
        OSError: for a file that cannot be written.
    """
    if not len(surface.mesh):
        raise InputError("no triangles to write", file=path)
    material, picture = beside(path)
    with ExitStack() as written:  # takes the names in reverse order: the .obj comes last
        shape = written.enter_context(replacing(path))
        look = written.enter_context(replacing(material))
        pixels = written.enter_context(replacing(picture))
        write_file(pixels, [png(surface.texture)])
        write_file(look, [MATERIAL.format(picture=picture.name).encode()])
        write_file(shape, _lines(surface, material.name))


def _lines(surface: TexturedMesh, material: str) -> Iterator[bytes]:
    mesh = surface.mesh
    yield f"mtllib {material}\n".encode()
    yield from _rows("v %.7g %.7g %.7g\n", mesh.vertices)
    yield from _rows("vt %.6f %.6f\n", surface.uvs)
    if mesh.normals is not None:
        yield from _rows("vn %.4f %.4f %.4f\n", mesh.normals)
    yield b"usemtl surface\n"
    each = "%d/%d" if mesh.normals is None else "%d/%d/%d"
    line = f"f {each} {each} {each}\n"
    yield from _rows(line, np.repeat(mesh.faces + 1, each.count("%"), axis=1))


def _rows(line: str, values: Float[np.ndarray, "n c"]) -> Iterator[bytes]:
    """A line for each row."""
    for first in range(0, len(values), ROWS):
        part = values[first : first + ROWS]
        yield (line * len(part) % tuple(part.ravel().tolist())).encode()
