"""How a surface runs through a cube whose corners lie inside or outside of it.

Marching cubes (Lorensen and Cline 1987), its table made by rule and not by hand: on each face the
corners inside are cut off one run after the other, so that two cubes agree on the face that they
share whatever their other corners are, and there are no cracks.

Corner c is at (c >> 2 & 1, c >> 1 & 1, c & 1). Edge e = 4 a + i runs along axis a from the i-th of
the four corners whose coordinate a is 0. A configuration has bit c where corner c is inside.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Int

BITS = (4, 2, 1)  # of a corner's number, by axis
STARTS = [[c for c in range(8) if not c & bit] for bit in BITS]  # of edges, by axis
EDGES = [(start, start | BITS[axis]) for axis in range(3) for start in STARTS[axis]]

Loop = tuple[int, ...]


def edge_between(a: int, b: int) -> int:
    """The number of the edge between two corners."""
    return EDGES.index((min(a, b), max(a, b)))


def _faces() -> list[tuple[int, int, int, int]]:
    """The corners of each face, counter-clockwise seen from outside of the cube."""
    found = []
    for axis in range(3):
        second, third = BITS[(axis + 1) % 3], BITS[(axis + 2) % 3]
        upper = BITS[axis]
        found.append((upper, upper | second, upper | second | third, upper | third))
        found.append((0, third, second | third, second))
    return found


FACES = _faces()
FACE_EDGES = [{edge_between(face[i], face[(i + 1) % 4]) for i in range(4)} for face in FACES]


def loops(configuration: int) -> list[Loop]:
    """The closed lines, as edges, along which the surface meets the cube's faces.

    They turn counter-clockwise seen from outside of the surface.
    """
    after: dict[int, int] = {}
    for face in FACES:
        inside = [bool(configuration >> corner & 1) for corner in face]
        for i in range(4):
            if inside[i - 1] or not inside[i]:
                continue
            last = i
            while inside[(last + 1) % 4]:
                last += 1
            enter = edge_between(face[i - 1], face[i])
            leave = edge_between(face[last % 4], face[(last + 1) % 4])
            after[enter] = leave
    found = []
    while after:
        first = min(after)
        loop = [first]
        following = after.pop(first)
        while following != first:
            loop.append(following)
            following = after.pop(following)
        found.append(tuple(loop))
    return found


@cache
def triangles(loop: Loop) -> tuple[int, list[Loop]]:
    """Cut a loop into triangles; how many cuts lie in a face, where another cube may cut as well.

    The cuts are those of which the fewest lie in faces.
    """
    if len(loop) == 3:
        return 0, [loop]
    best: tuple[int, list[Loop]] | None = None
    for apex in range(1, len(loop) - 1):  # of the triangle over the loop's closing side
        cost = 0
        parts: list[Loop] = [(loop[0], loop[apex], loop[-1])]
        for part in (loop[: apex + 1], loop[apex:]):
            if len(part) < 3:
                continue
            cut = {part[0], part[-1]}
            below, made = triangles(part)
            cost += below + any(cut <= edges for edges in FACE_EDGES)
            parts += made
        if best is None or cost < best[0]:
            best = cost, parts
    assert best is not None, "a loop has three edges or more"
    return best


@cache
def table() -> tuple[Int[np.ndarray, "256 most 3"], Int[np.ndarray, " 256"]]:
    """Triangles as edges of each configuration, and how many there are."""
    rows = [[t for loop in loops(c) for t in triangles(loop)[1]] for c in range(256)]
    counts = np.array([len(row) for row in rows], np.int64)
    made = np.zeros((256, counts.max(), 3), np.int64)
    for configuration, row in enumerate(rows):
        made[configuration, : len(row)] = np.array(row, np.int64).reshape(-1, 3)
    return made, counts
