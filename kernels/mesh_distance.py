"""How far points are from a mesh, and how often it winds around them.

The distance is that to the closest point of the closest triangle, found down a tree of boxes, near
boxes first (Ericson 2005, section 5.1.5). The generalised winding number (Jacobson et al. 2013) is
the sum of signed solid angles over 4 pi: 1 inside a closed mesh, 0 outside, and between the two
where the mesh has holes, so that 1/2 is a border that closes them. Nodes that are farther away than
`BETA` radii count as a dipole and its first moment (Barill et al. 2018).

Letters: n points q, m triangles with corners a, b, c.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from numba import prange

from polyfield.kernels.blocks import leaf, specialise
from polyfield.kernels.launch import launch
from polyfield.kernels.mesh_tree import MeshTree

BETA = 2.0
INSIDE = 0.5  # winding numbers above this are inside
POINTS = 256  # a task
SLIVER = 1e-14  # squared sine of an angle below which a triangle has no area
STACK = 128  # nodes that wait: two a level at most
FOUR_PI = 4 * math.pi


@leaf
def dot(x, y):  # type: ignore[no-untyped-def]
    return x[0] * y[0] + x[1] * y[1] + x[2] * y[2]


@leaf
def minus(x, y):  # type: ignore[no-untyped-def]
    return x[0] - y[0], x[1] - y[1], x[2] - y[2]


@leaf
def corner(triangle, i):  # type: ignore[no-untyped-def]
    return triangle[i, 0], triangle[i, 1], triangle[i, 2]


@leaf
def segment_distance(aq, ab):  # type: ignore[no-untyped-def]
    """Squared distance of q to a segment, from a: to q and to b."""
    length = dot(ab, ab)
    t = min(max(dot(aq, ab) / length, 0.0), 1.0) if length > 0.0 else 0.0
    x = (aq[0] - t * ab[0], aq[1] - t * ab[1], aq[2] - t * ab[2])
    return dot(x, x)


@leaf
def triangle_distance(q, triangle):  # type: ignore[no-untyped-def]
    """Squared distance of q to a triangle."""
    a, b, c = corner(triangle, 0), corner(triangle, 1), corner(triangle, 2)
    ab, ac, aq = minus(b, a), minus(c, a), minus(q, a)
    d1, d2 = dot(ab, aq), dot(ac, aq)
    v = w = 0.0  # the closest point is a + v ab + w ac
    bq, cq = minus(q, b), minus(q, c)
    ab2, ac2, along = dot(ab, ab), dot(ac, ac), dot(ab, ac)
    if ab2 * ac2 - along * along <= SLIVER * ab2 * ac2:  # no area: the edges are all there is
        edges = min(segment_distance(aq, ab), segment_distance(aq, ac))
        return min(edges, segment_distance(bq, minus(c, b)))
    d3, d4, d5, d6 = dot(ab, bq), dot(ac, bq), dot(ab, cq), dot(ac, cq)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    if d1 <= 0.0 and d2 <= 0.0:
        pass
    elif d3 >= 0.0 and d4 <= d3:
        v = 1.0
    elif vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
        v = d1 / (d1 - d3)
    elif d6 >= 0.0 and d5 <= d6:
        w = 1.0
    elif vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
        w = d2 / (d2 - d6)
    elif va <= 0.0 and d4 - d3 >= 0.0 and d5 - d6 >= 0.0:
        w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        v = 1.0 - w
    else:
        total = va + vb + vc
        v, w = vb / total, vc / total
    x = aq[0] - v * ab[0] - w * ac[0]
    y = aq[1] - v * ab[1] - w * ac[1]
    z = aq[2] - v * ab[2] - w * ac[2]
    return x * x + y * y + z * z


@leaf
def solid_angle(q, triangle):  # type: ignore[no-untyped-def]
    """The signed solid angle of a triangle at q (Van Oosterom and Strackee 1983)."""
    a, b, c = (
        minus(corner(triangle, 0), q),
        minus(corner(triangle, 1), q),
        minus(corner(triangle, 2), q),
    )
    la, lb, lc = math.sqrt(dot(a, a)), math.sqrt(dot(b, b)), math.sqrt(dot(c, c))
    det = (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        + a[1] * (b[2] * c[0] - b[0] * c[2])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )
    along = la * lb * lc + dot(a, b) * lc + dot(b, c) * la + dot(c, a) * lb
    return 2.0 * math.atan2(det, along)


@leaf
def box_distance(q, box):  # type: ignore[no-untyped-def]
    """Squared distance of q to a box; 0 inside."""
    total = 0.0
    for k in range(3):
        d = max(box[k] - q[k], q[k] - box[3 + k], 0.0)
        total += d * d
    return total


@leaf
def far_winding(x, l2, dipole):  # type: ignore[no-untyped-def]
    """4 pi w of a node at x = p - q, |x|^2 = l2: its dipole and the slope of that."""
    l1 = math.sqrt(l2)
    inverse = 1.0 / (l2 * l1)
    w = (x[0] * dipole[0] + x[1] * dipole[1] + x[2] * dipole[2]) * inverse
    trace = dipole[3] + dipole[7] + dipole[11]
    bent = 0.0
    for i in range(3):
        row = dipole[3 + 3 * i] * x[0] + dipole[4 + 3 * i] * x[1] + dipole[5 + 3 * i] * x[2]
        bent += x[i] * row
    return w + inverse * (trace - 3.0 * bent / l2)


def _distance(points, triangles, first, boxes, out):  # type: ignore[no-untyped-def]
    n, leaves = points.shape[0], first.shape[0] - 1
    for task in prange((n + POINTS - 1) // POINTS):
        nodes, least = np.empty(STACK, np.int64), np.empty(STACK)
        for i in range(task * POINTS, min((task + 1) * POINTS, n)):
            q = (points[i, 0], points[i, 1], points[i, 2])
            best = np.inf
            nodes[0], least[0], waiting = 0, box_distance(q, boxes[0]), 1
            while waiting > 0:
                waiting -= 1
                if least[waiting] >= best:
                    continue
                node = nodes[waiting]
                if node >= leaves - 1:
                    leaf = node - (leaves - 1)
                    for t in range(first[leaf], first[leaf + 1]):
                        best = min(best, triangle_distance(q, triangles[t]))
                    continue
                left, right = 2 * node + 1, 2 * node + 2
                near, far = box_distance(q, boxes[left]), box_distance(q, boxes[right])
                if near > far:
                    near, far, left, right = far, near, right, left
                if far < best:
                    nodes[waiting], least[waiting] = right, far
                    waiting += 1
                if near < best:
                    nodes[waiting], least[waiting] = left, near
                    waiting += 1
            out[i] = math.sqrt(best)


def _winding(points, triangles, first, middles, dipoles, beta, out):  # type: ignore[no-untyped-def]
    n, leaves = points.shape[0], first.shape[0] - 1
    for task in prange((n + POINTS - 1) // POINTS):
        nodes = np.empty(STACK, np.int64)
        for i in range(task * POINTS, min((task + 1) * POINTS, n)):
            q = (points[i, 0], points[i, 1], points[i, 2])
            total = 0.0
            nodes[0], waiting = 0, 1
            while waiting > 0:
                waiting -= 1
                node = nodes[waiting]
                middle = middles[node]
                x = (middle[0] - q[0], middle[1] - q[1], middle[2] - q[2])
                l2, reach = dot(x, x), beta * middle[3]
                if l2 > reach * reach:
                    total += far_winding(x, l2, dipoles[node])
                elif node >= leaves - 1:
                    leaf = node - (leaves - 1)
                    for t in range(first[leaf], first[leaf + 1]):
                        total += solid_angle(q, triangles[t])
                else:
                    nodes[waiting], nodes[waiting + 1] = 2 * node + 1, 2 * node + 2
                    waiting += 2
            out[i] = total / FOUR_PI


def mesh_distance(tree: MeshTree, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Distances of points to the surface, 0 or more, in the unit of the mesh."""
    points = np.ascontiguousarray(points, np.float64)
    out = np.empty(len(points))
    if len(points):
        run = specialise(_distance)
        with launch():
            run(points, tree.triangles, tree.first, tree.boxes, out)
    return out


def winding_number(
    tree: MeshTree, points: Float[np.ndarray, "n 3"], beta: float = BETA
) -> Float[np.ndarray, " n"]:
    """Generalised winding numbers of a mesh, whose triangles turn counter-clockwise outside.

    Args:
        beta: radii beyond which a node counts as a dipole; infinity sums triangle by triangle.
    """
    points = np.ascontiguousarray(points, np.float64)
    out = np.empty(len(points))
    if len(points):
        run = specialise(_winding)
        with launch():
            run(points, tree.triangles, tree.first, tree.middles, tree.dipoles, beta, out)
    return out


def signed_distance(tree: MeshTree, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Distances of points to the surface, negative where the mesh winds around them."""
    distance = mesh_distance(tree, points)
    return np.where(winding_number(tree, points) > INSIDE, -distance, distance)


def mesh_distance_reference(
    triangles: Float[np.ndarray, "m 3 3"], points: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, " n"]:
    """Distances by trying the plane, the edges and the corners of all triangles."""
    q = np.asarray(points, np.float64)[:, None]
    best = np.full((len(points), len(triangles)), np.inf)
    for i in range(3):  # edges, corners included
        a, b = triangles[:, i], triangles[:, (i + 1) % 3]
        length = ((b - a) ** 2).sum(-1)
        t = ((q - a) * (b - a)).sum(-1) / np.where(length > 0, length, 1)
        foot = a + np.clip(t, 0, 1)[..., None] * (b - a)
        best = np.minimum(best, np.linalg.norm(q - foot, axis=-1))
    a = triangles[:, 0]
    normal = np.cross(triangles[:, 1] - a, triangles[:, 2] - a)
    area = (normal**2).sum(-1)
    height = ((q - a) * normal).sum(-1) / np.where(area > 0, area, 1)
    foot = q - height[..., None] * normal
    inside = np.broadcast_to(area > 0, best.shape).copy()
    for i in range(3):
        edge = triangles[:, (i + 1) % 3] - triangles[:, i]
        inside &= (np.cross(edge, foot - triangles[:, i]) * normal).sum(-1) >= 0
    plane = np.abs(height) * np.sqrt(area)
    return np.where(inside, np.minimum(best, plane), best).min(axis=1)


def winding_number_reference(
    triangles: Float[np.ndarray, "m 3 3"], points: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, " n"]:
    """Winding numbers as the sum of all solid angles."""
    corners = triangles[None] - np.asarray(points, np.float64)[:, None, None]
    a, b, c = (corners[:, :, i] for i in range(3))
    la, lb, lc = (np.linalg.norm(x, axis=-1) for x in (a, b, c))
    det = (a * np.cross(b, c)).sum(-1)
    along = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return 2 * np.arctan2(det, along).sum(axis=1) / FOUR_PI
