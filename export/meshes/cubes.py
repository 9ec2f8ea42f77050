"""Marching cubes over blocks of a lattice, of which only some are there.

A block holds the values at 8^3 vertices and owns the edges that begin at them; a cell belongs to
the block of its lowest corner and reads the blocks beyond. Each edge that the surface crosses gives
one vertex, whichever cells use it, so that the surface has no cracks and nothing is to be welded.

Letters: k blocks, n vertices of the surface, m triangles. Values above 0 are inside; NaN says that
there is no such point, and cells around it are left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numba import prange

from polyfield.export.meshes.cube_table import EDGES, table
from polyfield.kernels.blocks import leaf, specialise
from polyfield.kernels.launch import launch

SIZE = 8  # vertices of a block along an axis
AROUND = SIZE + 1  # with those of the blocks beyond
OFFSETS = np.array([[c >> 2 & 1, c >> 1 & 1, c & 1] for c in range(8)])  # of corners and blocks
STARTS = np.array([OFFSETS[start] for start, _ in EDGES])  # [12, 3] where edges begin
AXES = np.array([edge // 4 for edge in range(12)])
INSIDE, OUTSIDE, BOTH = 1, 2, 3


class Crossings(NamedTuple):
    """Where the surface crosses edges of the lattice, and its triangles.

    Attributes:
        vertex: where the edge begins, in vertices of the lattice.
        axis: along which it runs.
        values: at its two ends.
        faces: counter-clockwise from outside.
    """

    vertex: Int[np.ndarray, "n 3"]
    axis: Int[np.ndarray, " n"]
    values: Float[np.ndarray, "n 2"]
    faces: Int[np.ndarray, "m 3"]


@leaf
def value_at(values, beyond, k, i, j, l):  # type: ignore[no-untyped-def]  # noqa: E741
    """The value at a vertex of a block or just beyond it; NaN where there is none."""
    block = beyond[k, (i // SIZE) * 4 + (j // SIZE) * 2 + l // SIZE]
    if block < 0:
        return np.nan
    return values[block, i % SIZE, j % SIZE, l % SIZE]


@leaf
def crosses(a, b):  # type: ignore[no-untyped-def]
    """Whether the surface lies between two values, none of which is NaN."""
    return a == a and b == b and (a > 0.0) != (b > 0.0)


@leaf
def configuration(values, beyond, k, i, j, l):  # type: ignore[no-untyped-def]  # noqa: E741
    """Bits of the corners inside; 0 for a cell that lacks a corner."""
    bits = 0
    for corner in range(8):
        value = value_at(
            values, beyond, k, i + (corner >> 2), j + (corner >> 1 & 1), l + (corner & 1)
        )
        if np.isnan(value):
            return 0
        if value > 0.0:
            bits |= 1 << corner
    return bits


def _signs(values, beyond, found):  # type: ignore[no-untyped-def]
    for k in prange(values.shape[0]):
        seen, lowest = 0, np.zeros(3, np.int64)
        for i in range(AROUND):
            for j in range(AROUND):
                for l in range(AROUND):  # noqa: E741
                    value = value_at(values, beyond, k, i, j, l)
                    if not np.isnan(value):
                        bit = INSIDE if value > 0.0 else OUTSIDE
                        seen |= bit
                        if i == 0:
                            lowest[0] |= bit
                        if j == 0:
                            lowest[1] |= bit
                        if l == 0:
                            lowest[2] |= bit
        found[k, 0] = seen == BOTH
        for axis in range(3):
            found[k, 1 + axis] = lowest[axis] == BOTH


def _count(values, beyond, counts, n_vertices, n_faces):  # type: ignore[no-untyped-def]
    for k in prange(values.shape[0]):
        vertices, faces = 0, 0
        for i in range(SIZE):
            for j in range(SIZE):
                for l in range(SIZE):  # noqa: E741
                    here = values[k, i, j, l]
                    vertices += crosses(here, value_at(values, beyond, k, i + 1, j, l))
                    vertices += crosses(here, value_at(values, beyond, k, i, j + 1, l))
                    vertices += crosses(here, value_at(values, beyond, k, i, j, l + 1))
                    faces += counts[configuration(values, beyond, k, i, j, l)]
        n_vertices[k], n_faces[k] = vertices, faces


def _place(values, beyond, corners, first, slots, vertex, axes, ends):  # type: ignore[no-untyped-def]
    for k in prange(values.shape[0]):
        n = 0
        for i in range(SIZE):
            for j in range(SIZE):
                for l in range(SIZE):  # noqa: E741
                    here = values[k, i, j, l]
                    for axis in range(3):
                        there = value_at(
                            values, beyond, k, i + (axis == 0), j + (axis == 1), l + (axis == 2)
                        )
                        if crosses(here, there):
                            slots[k, i, j, l, axis] = n
                            v = first[k] + n
                            vertex[v, 0] = corners[k, 0] * SIZE + i
                            vertex[v, 1] = corners[k, 1] * SIZE + j
                            vertex[v, 2] = corners[k, 2] * SIZE + l
                            axes[v], ends[v, 0], ends[v, 1] = axis, here, there
                            n += 1


def _connect(  # type: ignore[no-untyped-def]
    values, beyond, rows, counts, starts, edge_axes, first, first_face, slots, faces
):
    for k in prange(values.shape[0]):
        m = first_face[k]
        for i in range(SIZE):
            for j in range(SIZE):
                for l in range(SIZE):  # noqa: E741
                    bits = configuration(values, beyond, k, i, j, l)
                    for row in range(counts[bits]):
                        for side in range(3):
                            edge = rows[bits, row, side]
                            x, y, z = i + starts[edge, 0], j + starts[edge, 1], l + starts[edge, 2]
                            owner = beyond[k, (x // SIZE) * 4 + (y // SIZE) * 2 + z // SIZE]
                            slot = slots[owner, x % SIZE, y % SIZE, z % SIZE, edge_axes[edge]]
                            faces[m, side] = first[owner] + slot
                        m += 1


def crossed(
    values: Float[np.ndarray, "k 8 8 8"], beyond: Int[np.ndarray, "k 8"]
) -> Bool[np.ndarray, "k 4"]:
    """Whether the surface runs through blocks' cells, and through their lower face of each axis.

    Args:
        beyond: numbers of the blocks at `OFFSETS`, -1 for those that are not there.
    """
    found = np.empty((len(values), 4), np.bool_)
    run = specialise(_signs, value_at=value_at)
    with launch():
        run(values, beyond, found)
    return found


def march(
    values: Float[np.ndarray, "k 8 8 8"],
    beyond: Int[np.ndarray, "k 8"],
    corners: Int[np.ndarray, "k 3"],
) -> Crossings:
    """The surface between what is inside and what is outside.

    Args:
        beyond: as in `crossed`.
        corners: of the lattice where blocks begin, in blocks.
    """
    rows, counts = table()
    n_vertices, n_faces = np.empty((2, len(values)), np.int64)
    bound: dict[str, Any] = {"value_at": value_at, "crosses": crosses}
    with launch():
        specialise(_count, configuration=configuration, **bound)(
            values, beyond, counts, n_vertices, n_faces
        )
    first, first_face = _before(n_vertices), _before(n_faces)
    n, m = int(n_vertices.sum()), int(n_faces.sum())
    slots = np.empty((*values.shape, 3), np.int16)
    vertex, axes = np.empty((n, 3), np.int32), np.empty(n, np.int8)
    ends, faces = np.empty((n, 2), np.float32), np.empty((m, 3), np.int32)
    place = specialise(_place, **bound)
    connect = specialise(_connect, configuration=configuration)
    with launch():
        place(values, beyond, corners, first, slots, vertex, axes, ends)
        connect(values, beyond, rows, counts, STARTS, AXES, first, first_face, slots, faces)
    return Crossings(vertex, axes, ends, faces)


def _before(counts: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
    """How many there are in the blocks before."""
    return np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
