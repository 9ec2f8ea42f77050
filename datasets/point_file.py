"""Points of a file: a cloud of points, or points spread over the surface of a mesh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from polyfield.datasets.detect import check_readable
from polyfield.datasets.mesh import make_mesh
from polyfield.datasets.npy import read_npy
from polyfield.errors import InputError

SURFACE_POINTS = 500_000
EXPECTED = "points or a mesh: .npy [n, 3], .ply, .obj, .stl, .off, .glb, .xyz"


def read_points(path: Path) -> Float[np.ndarray, "n 3"]:
    """The points of a file, in its own frame.

    Args:
        path: a numpy array [n, 3], or what trimesh reads. A mesh gives points of its surface,
            always the same ones.

    Raises:
        InputError: when it cannot be read or has no points, or some that are not finite.
    """
    vertices, faces = _read(path)
    if len(faces):
        mesh = make_mesh(vertices, faces, path)
        points = mesh.surface_points(SURFACE_POINTS, np.random.default_rng(0))
        vertices = points @ mesh.source_from_world[:3, :3].T + mesh.source_from_world[:3, 3]
    if len(vertices) == 0:
        raise InputError(file=path, found="no points", expected=EXPECTED)
    finite = np.isfinite(vertices).all(axis=1)
    if not finite.all():
        first = int(np.argmin(finite))
        found = vertices[first].tolist()
        raise InputError(file=path, field=f"point {first}", found=found, expected="finite numbers")
    return vertices


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    check_readable(path)
    nothing = np.empty((0, 3), np.int64)
    if path.suffix.lower() == ".npy":
        array = read_npy(path)
        if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in "fiu":
            found = f"{array.dtype} {list(array.shape)}"
            raise InputError(file=path, found=found, expected="numbers [n, 3]")
        return array.astype(np.float64), nothing
    import trimesh

    try:
        with np.errstate(all="ignore"):
            loaded: Any = trimesh.load_scene(str(path), process=False).to_geometry()
        vertices = np.asarray(loaded.vertices, np.float64).reshape(-1, 3)
        return vertices, np.asarray(getattr(loaded, "faces", nothing)).reshape(-1, 3)
    except Exception as error:  # whatever its readers make of a broken file
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise InputError("cannot be read", file=path, found=reason, expected=EXPECTED) from None
