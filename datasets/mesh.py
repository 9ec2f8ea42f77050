"""A mesh as a signal: the inside and the outside of a shape, in a box of fixed size.

The mesh is moved and scaled so that its bounding box is centred at the origin and has a diagonal of
1.9: it lies in [-1, 1]^3 however it is turned. Letters: v vertices, m triangles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int

from polyfield.cameras.similarity import random_rotation
from polyfield.datasets.detect import check_readable
from polyfield.errors import InputError
from polyfield.kernels.mesh_distance import INSIDE, signed_distance, winding_number
from polyfield.kernels.mesh_tree import MeshTree, build_tree

SUFFIXES = (".obj", ".ply", ".stl", ".off", ".glb", ".gltf")
DIAGONAL = 1.9


@dataclass(frozen=True)
class Mesh:
    """Triangles that turn counter-clockwise as seen from outside, in [-1, 1]^3.

    Attributes:
        path: of the file.
        n_vertices, n_faces: v after merging, and m.
        watertight: whether every edge has two faces, in opposite directions.
        source_from_world: [4, 4] from [-1, 1]^3 back to the frame of the file.
        digest: of the triangles, so that a run notices another mesh.
    """

    RECORDED: ClassVar = ("n_vertices", "n_faces", "watertight", "digest")
    kind: ClassVar = "mesh"
    d: ClassVar = 3  # coordinates of a point
    channels: ClassVar = 1  # numbers that are learned of it
    finest: ClassVar = 256  # cells across the cube: finer ones see too few points to learn from

    path: Path | None
    n_vertices: int
    n_faces: int
    watertight: bool
    source_from_world: Float[np.ndarray, "4 4"]
    digest: str
    _triangles: Float[np.ndarray, "m 3 3"] | None = field(default=None, repr=False)

    @property
    def triangles(self) -> Float[np.ndarray, "m 3 3"]:
        """Corners.

        Raises:
            InputError: for a mesh of a run's record, whose data is gone.
        """
        if self._triangles is None:
            what, hint = (
                "the mesh that this run was trained on is gone",
                "data=PATH says where it is",
            )
            raise InputError(what, file=self.path, hint=hint)
        return self._triangles

    @cached_property
    def tree(self) -> MeshTree:
        """What distances are found with."""
        return build_tree(self.triangles)

    def signed_distance(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        """Distances to the surface, negative inside."""
        return signed_distance(self.tree, points)

    def inside(self, points: Float[np.ndarray, "n 3"]) -> np.ndarray:
        """Whether points are inside: the winding number is above one half."""
        return winding_number(self.tree, points) > INSIDE

    def surface_points(self, n: int, random: np.random.Generator) -> Float[np.ndarray, "n 3"]:
        """Points spread evenly over the surface."""
        return surface_points(self.triangles, n, random)

    def turned(self, seed: int) -> Mesh:
        """The mesh turned about the box's middle by a rotation drawn uniformly with this seed.

        Raises:
            InputError: for a seed below 0 or above 2^32 - 1.
        """
        R = random_rotation(seed, "task.rotation_seed").numpy()
        back = np.eye(4)
        back[:3, :3] = R.T
        triangles = None if self._triangles is None else self._triangles @ R.T
        frame = self.source_from_world @ back
        return replace(self, source_from_world=frame, _triangles=triangles)

    def record(self) -> dict[str, Any]:
        """Everything but the triangles, as plain data."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in self.RECORDED}
        path = None if self.path is None else str(self.path)
        frame = self.source_from_world.tolist()
        return {"kind": self.kind, **plain, "source_from_world": frame, "path": path}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Mesh:
        """A mesh without its triangles, of `record`."""
        frame = np.array(record["source_from_world"], np.float64)
        if frame.shape != (4, 4) or not np.isfinite(frame).all():
            raise ValueError(f"source_from_world {frame.tolist()}")
        path = None if record["path"] is None else Path(record["path"])
        counts = int(record["n_vertices"]), int(record["n_faces"])
        return cls(path, *counts, bool(record["watertight"]), frame, str(record["digest"]))

    def describe(self) -> dict[str, Any]:
        """What `polyfield info data=FILE` prints."""
        low, high = self.triangles.min(axis=(0, 1)), self.triangles.max(axis=(0, 1))
        linear, middle = self.source_from_world[:3, :3], self.source_from_world[:3, 3]
        corners = np.stack([low, high]) @ linear.T + middle
        return {
            "format": self.kind,
            "path": self.path,
            "vertices": self.n_vertices,
            "faces": self.n_faces,
            "watertight": self.watertight,
            "bounds": np.round(corners, 6).tolist(),
            "source_units_per_world_unit": float(np.cbrt(np.linalg.det(linear))),
        }

    def headline(self) -> str:
        """`mesh: 34,834 vertices, 69,451 faces, with open borders`."""
        closed = "watertight" if self.watertight else "with open borders"
        return f"{self.kind}: {self.n_vertices:,} vertices, {self.n_faces:,} faces, {closed}"


def load_mesh(path: Path) -> Mesh:
    """Read a mesh.

    Args:
        path: OBJ, PLY, STL, OFF, GLB or glTF.

    Raises:
        InputError: for no faces, vertices that are not finite, faces of vertices that do not exist,
            or a mesh without any area.
    """
    vertices, faces = _read(path)
    return make_mesh(vertices, faces, path)


def make_mesh(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "m 3"], path: Path | None = None
) -> Mesh:
    """A mesh of vertices and faces in any frame; see `load_mesh`."""
    vertices, faces = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
    if len(faces) == 0:
        raise InputError(file=path, field="faces", found="none", expected="a mesh of triangles")
    if faces.min() < 0 or faces.max() >= len(vertices):
        worst = int(faces.max() if faces.max() >= len(vertices) else faces.min())
        expected = f"0 to {len(vertices) - 1}"
        raise InputError(file=path, field="faces", found=f"vertex {worst}", expected=expected)
    used = np.unique(faces)
    finite = np.isfinite(vertices[used]).all(axis=1)
    if not finite.all():
        first = used[~finite][0]
        found = vertices[first].tolist()
        raise InputError(file=path, field=f"vertex {first}", found=found, expected="finite numbers")
    low, high = vertices[used].min(axis=0), vertices[used].max(axis=0)
    diagonal = float(np.linalg.norm(high - low))
    corners = vertices[faces]
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = np.linalg.norm(np.cross(ab, ac), axis=1)
    if not 0 < diagonal < np.inf or not areas.sum() > 1e-12 * diagonal**2:
        expected = "faces with an area"
        raise InputError(file=path, field="faces", found="no area", expected=expected)
    middle, scale = 0.5 * (low + high), DIAGONAL / diagonal
    triangles = (corners - middle) * scale
    watertight, merged = _closed(vertices, faces)
    if np.linalg.det(triangles).sum() < 0:  # turned inside out
        triangles = np.ascontiguousarray(triangles[:, ::-1])
    frame = np.eye(4)
    frame[:3, :3] /= scale
    frame[:3, 3] = middle
    digest = hashlib.sha256(corners.tobytes()).hexdigest()
    return Mesh(path, merged, len(faces), watertight, frame, digest, triangles)


def surface_points(
    triangles: Float[np.ndarray, "m 3 3"], n: int, random: np.random.Generator
) -> Float[np.ndarray, "n 3"]:
    """Points spread evenly over triangles, at random."""
    a = triangles[:, 0]
    ab, ac = triangles[:, 1] - a, triangles[:, 2] - a
    areas = np.linalg.norm(np.cross(ab, ac), axis=1)
    upto = np.cumsum(areas)
    face = np.searchsorted(upto, random.random(n) * upto[-1], side="right")
    face = np.minimum(face, len(areas) - 1)
    v, w = random.random((2, n))
    over = v + w > 1
    v, w = np.where(over, 1 - v, v), np.where(over, 1 - w, w)
    return a[face] + v[:, None] * ab[face] + w[:, None] * ac[face]


def _closed(vertices: np.ndarray, faces: np.ndarray) -> tuple[bool, int]:
    """Whether every edge is there once in each direction, and the vertices at different places."""
    _, same = np.unique(vertices, axis=0, return_inverse=True)
    merged = same.reshape(-1)[faces]
    count = len(np.unique(merged))
    proper = (merged != np.roll(merged, 1, axis=1)).all(axis=1)
    return closed_edges(merged[proper]), count


def closed_edges(faces: Int[np.ndarray, "m 3"]) -> bool:
    """Whether every edge is there once in each direction."""
    faces = faces.astype(np.int64)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    there, back = np.sort(edges[:, 0] << 32 | edges[:, 1]), np.sort(edges[:, 1] << 32 | edges[:, 0])
    return bool((there[1:] != there[:-1]).all() and np.array_equal(there, back))


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import trimesh

    check_readable(path)
    try:
        with np.errstate(all="ignore"):
            mesh = trimesh.load_mesh(str(path), process=False, maintain_order=True)
        vertices, faces = getattr(mesh, "vertices", ()), getattr(mesh, "faces", ())
        return np.asarray(vertices, np.float64).reshape(-1, 3), np.asarray(faces).reshape(-1, 3)
    except Exception as error:  # whatever its readers make of a broken file
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        expected = "a mesh: " + ", ".join(SUFFIXES)
        raise InputError("cannot be read", file=path, found=reason, expected=expected) from None
