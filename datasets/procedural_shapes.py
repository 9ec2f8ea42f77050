"""Solids with exact distance functions, and where rays meet them.

Letters: k shapes; (x, y, z) a point, in the world or, after `to_local`, in a shape's own frame with
its axis along z; t distance along a ray. A shape is a row of `Shapes`; the scalar functions below
take its arrays one by one, as compiled code must.

Distances to one shape are Euclidean; the union's is their minimum, exact outside and a lower bound
of the depth inside. Formulas: Quilez, "Distance functions".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from polyfield.kernels.blocks import block

CAPSULE, CYLINDER, TORUS, CONE, BOX = range(5)

ON_SURFACE = 1e-7  # a ray that comes this close has arrived
ON_SHADOW = 1e-5  # likewise, for a ray to the light
STEPS = 96  # along a ray within the bounding ball of one shape
NEAREST_BLOCKER = 2e-3  # shadows are not sought closer than this
DIFFERENCE = 1e-5  # half the base of the differences that give normals


@dataclass(frozen=True)
class Shape:
    """One solid.

    Attributes:
        kind: CAPSULE size = (radius, half length); CYLINDER (radius, half height, rounding);
            TORUS (ring radius, wire radius); CONE (bottom radius, top radius, length) with round
            ends, its origin at the centre of the lower; BOX (half extents) rounded by `rounding`.
        material: a number that shading understands.
        position: of its origin, world.
        size: by kind.
        axis: where its z axis points, world.
        turn: angle about its axis, radians.
        rounding: of a box's edges.
    """

    kind: int
    material: int
    position: tuple[float, float, float]
    size: tuple[float, ...]
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0)
    turn: float = 0.0
    rounding: float = 0.0


class Shapes(NamedTuple):
    """k shapes as arrays.

    Attributes:
        kind: [k] int64.
        frame: [k,3,4] world from local, rotation and position.
        size: [k,4].
        reach: [k] radius of a ball around the position that holds the shape.
        material: [k] int64.
    """

    kind: np.ndarray
    frame: np.ndarray
    size: np.ndarray
    reach: np.ndarray
    material: np.ndarray


def rod(material: int, start: Sequence[float], end: Sequence[float], radius: float) -> Shape:
    """A capsule between two points."""
    a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    middle, half = 0.5 * (a + b), 0.5 * (b - a)
    length = float(np.linalg.norm(half))
    return Shape(CAPSULE, material, tuple(middle), (radius, length), tuple(half / length))


def stack_shapes(shapes: Sequence[Shape]) -> Shapes:
    """Shapes as arrays."""
    frames = [
        np.concatenate([_rotation(shape), np.array(shape.position)[:, None]], axis=1)
        for shape in shapes
    ]
    sizes = [(*shape.size, *([0.0] * (3 - len(shape.size))), shape.rounding) for shape in shapes]
    return Shapes(
        np.array([shape.kind for shape in shapes]),
        np.stack(frames),
        np.array(sizes),
        np.array([_reach(shape) for shape in shapes]),
        np.array([shape.material for shape in shapes]),
    )


def _rotation(shape: Shape) -> np.ndarray:
    z = np.array(shape.axis, dtype=np.float64)
    z /= np.linalg.norm(z)
    x = np.cross(np.eye(3)[1] if abs(z[1]) < 0.9 else np.eye(3)[2], z)
    x /= np.linalg.norm(x)
    y = np.cross(z, x)
    c, s = np.cos(shape.turn), np.sin(shape.turn)
    return np.stack([c * x + s * y, c * y - s * x, z], axis=1)


def _reach(shape: Shape) -> float:
    if shape.kind == CYLINDER:
        return math.hypot(*shape.size[:2])
    if shape.kind == BOX:
        return math.hypot(*shape.size)
    if shape.kind == CONE:
        return max(shape.size[0], shape.size[1] + shape.size[2])
    return sum(shape.size)


@block
def local_distance(kind, p, q, s, e, x, y, z):  # type: ignore[no-untyped-def]
    """Signed distance to a shape of size (p, q, s, e) from a point in its frame."""
    if kind == BOX:
        a, b, c = abs(x) - p + e, abs(y) - q + e, abs(z) - s + e
        outside = math.sqrt(max(a, 0.0) ** 2 + max(b, 0.0) ** 2 + max(c, 0.0) ** 2)
        return outside + min(max(a, b, c), 0.0) - e
    # The others are solids of revolution: r from the axis, z along it.
    r = math.sqrt(x * x + y * y)
    if kind == CAPSULE:
        along = max(abs(z) - q, 0.0)
        return math.sqrt(r * r + along * along) - p
    if kind == TORUS:
        return math.sqrt((r - p) ** 2 + z * z) - q
    if kind == CYLINDER:
        a, b = r - p + s, abs(z) - q + s
        return math.sqrt(max(a, 0.0) ** 2 + max(b, 0.0) ** 2) + min(max(a, b), 0.0) - s
    slope = (p - q) / s
    cosine = math.sqrt(1.0 - slope * slope)
    along = cosine * z - slope * r
    if along < 0.0:
        return math.sqrt(r * r + z * z) - p
    if along > cosine * s:
        return math.sqrt(r * r + (z - s) ** 2) - q
    return cosine * r + slope * z - p


@block
def distance_to(kind, size, i, x, y, z):  # type: ignore[no-untyped-def]
    """`local_distance` of shape i."""
    return local_distance(kind[i], size[i, 0], size[i, 1], size[i, 2], size[i, 3], x, y, z)


@block
def turn_to_local(frame, i, x, y, z):  # type: ignore[no-untyped-def]
    """A world direction in the frame of shape i."""
    return (
        frame[i, 0, 0] * x + frame[i, 1, 0] * y + frame[i, 2, 0] * z,
        frame[i, 0, 1] * x + frame[i, 1, 1] * y + frame[i, 2, 1] * z,
        frame[i, 0, 2] * x + frame[i, 1, 2] * y + frame[i, 2, 2] * z,
    )


@block
def to_local(frame, i, x, y, z):  # type: ignore[no-untyped-def]
    """A world point in the frame of shape i."""
    return turn_to_local(frame, i, x - frame[i, 0, 3], y - frame[i, 1, 3], z - frame[i, 2, 3])


@block
def union_distance(kind, frame, size, x, y, z):  # type: ignore[no-untyped-def]
    """Signed distance to the union of all shapes from a world point, and the nearest shape."""
    nearest, which = math.inf, -1
    for i in range(kind.shape[0]):
        a, b, c = to_local(frame, i, x, y, z)
        distance = distance_to(kind, size, i, a, b, c)
        if distance < nearest:
            nearest, which = distance, i
    return nearest, which


@block
def span_of_ball(frame, i, radius, ox, oy, oz, dx, dy, dz):  # type: ignore[no-untyped-def]
    """Where a ray enters and leaves a ball around shape i; the first is larger if it misses."""
    cx, cy, cz = frame[i, 0, 3] - ox, frame[i, 1, 3] - oy, frame[i, 2, 3] - oz
    middle = cx * dx + cy * dy + cz * dz
    square = radius * radius - (cx * cx + cy * cy + cz * cz - middle * middle)
    if square <= 0.0:
        return 1.0, 0.0
    half = math.sqrt(square)
    return max(middle - half, 0.0), middle + half


@block
def first_hit(kind, frame, size, reach, ox, oy, oz, dx, dy, dz):  # type: ignore[no-untyped-def]
    """The distance to the first surface along a ray, and its shape; (inf, -1) if there is none.

    Shape by shape, from where the ray enters its bounding ball to where it leaves it: steps as long
    as the distance to that shape alone. The distance to a convex shape is a convex function along
    the ray; so secants never step too far, and where it grows the ray has missed.
    """
    nearest, which = math.inf, -1
    for i in range(kind.shape[0]):
        t, end = span_of_ball(frame, i, reach[i], ox, oy, oz, dx, dy, dz)
        end = min(end, nearest)
        if t >= end:
            continue
        x, y, z = to_local(frame, i, ox, oy, oz)
        u, v, w = turn_to_local(frame, i, dx, dy, dz)
        step, before = 0.0, math.inf
        for _ in range(STEPS):
            distance = distance_to(kind, size, i, x + t * u, y + t * v, z + t * w)
            if distance < ON_SURFACE:
                nearest, which = t, i
                break
            if kind[i] == TORUS:
                step = distance
            elif distance >= before:
                break
            else:
                step = distance * max(step / (before - distance), 1.0)
            before = distance
            t += step
            if t >= end:
                break
    return nearest, which


@block
def unblocked(kind, frame, size, reach, ox, oy, oz, dx, dy, dz, width):  # type: ignore[no-untyped-def]
    """How much of a round light far away in a direction is seen, about: 0 to 1.

    The smallest angle by which the ray misses a shape, in parts of `width` (radians). Between steps
    of the march the closest approach is that of a circle through both (Aaltonen's estimate).
    """
    least = 1.0
    for i in range(kind.shape[0]):
        t, end = span_of_ball(frame, i, reach[i] + width, ox, oy, oz, dx, dy, dz)
        if t >= end:
            continue
        x, y, z = to_local(frame, i, ox, oy, oz)
        u, v, w = turn_to_local(frame, i, dx, dy, dz)
        before = math.inf
        t = max(t, NEAREST_BLOCKER)
        for _ in range(STEPS):
            distance = distance_to(kind, size, i, x + t * u, y + t * v, z + t * w)
            if distance < ON_SHADOW:
                return 0.0
            back = distance * distance / (2.0 * before)
            approach = math.sqrt(max(distance * distance - back * back, 0.0))
            least = min(least, approach / (width * max(t - back, NEAREST_BLOCKER)))
            before = distance
            t += distance
            if t >= end:
                break
    return least * least * (3.0 - 2.0 * least)


@block
def local_normal(kind, size, i, x, y, z):  # type: ignore[no-untyped-def]
    """The unit outward normal of shape i in its frame, near its surface."""
    h = DIFFERENCE
    u = distance_to(kind, size, i, x + h, y, z) - distance_to(kind, size, i, x - h, y, z)
    v = distance_to(kind, size, i, x, y + h, z) - distance_to(kind, size, i, x, y - h, z)
    w = distance_to(kind, size, i, x, y, z + h) - distance_to(kind, size, i, x, y, z - h)
    scale = 1.0 / math.sqrt(u * u + v * v + w * w)
    return u * scale, v * scale, w * scale


@block
def world_normal(kind, frame, size, i, x, y, z):  # type: ignore[no-untyped-def]
    """The unit outward normal of shape i at a world point near its surface."""
    a, b, c = to_local(frame, i, x, y, z)
    u, v, w = local_normal(kind, size, i, a, b, c)
    return (
        frame[i, 0, 0] * u + frame[i, 0, 1] * v + frame[i, 0, 2] * w,
        frame[i, 1, 0] * u + frame[i, 1, 1] * v + frame[i, 1, 2] * w,
        frame[i, 2, 0] * u + frame[i, 2, 1] * v + frame[i, 2, 2] * w,
    )
