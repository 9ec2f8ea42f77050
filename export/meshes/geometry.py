"""How well a mesh lies on a true surface: Chamfer distance, precision, recall and F-score.

Points spread evenly over either surface, and their exact distances to the other one. What no camera
saw nobody can know: where cameras are given, points that are hidden from all of them by the true
surface do not count, on either side.

Letters: n points. Source: Knapitsch et al. 2017 (Tanks and Temples) for the F-score.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from polyfield.cameras.rays import Rays
from polyfield.datasets.mesh import Mesh as TrueMesh
from polyfield.datasets.mesh import surface_points
from polyfield.datasets.procedural_truth import ProceduralTruth, trace
from polyfield.export.meshes.mesh import Mesh
from polyfield.kernels.mesh_distance import mesh_distance
from polyfield.kernels.mesh_tree import build_tree

POINTS = 100_000
SHARE = 0.01  # of the diagonal, within which a point counts as right

Points = Float[np.ndarray, "n 3"]


@dataclass(frozen=True)
class Truth:
    """A true surface.

    Attributes:
        points: of it, evenly spread: how many, and the source of chance.
        distance: of points to it.
        diagonal: of its bounding box.
        seen: whether points are hidden from all cameras, with a distance that does not matter; None
            where all of the surface counts.
    """

    points: Callable[[int, np.random.Generator], Points]
    distance: Callable[[Points], Float[np.ndarray, " n"]]
    diagonal: float
    seen: Callable[[Points, float], Bool[np.ndarray, " n"]] | None = None


def truth_of_mesh(mesh: TrueMesh) -> Truth:
    """The surface of a mesh, in the frame of its file."""
    frame = mesh.source_from_world
    triangles = mesh.triangles @ frame[:3, :3].T + frame[:3, 3]
    tree = build_tree(triangles)
    low, high = triangles.min(axis=(0, 1)), triangles.max(axis=(0, 1))
    return Truth(
        lambda n, random: surface_points(triangles, n, random),
        lambda points: mesh_distance(tree, points),
        float(np.linalg.norm(high - low)),
    )


def truth_of_procedural(
    truth: ProceduralTruth, cameras: Float[torch.Tensor, "c 3"] | None = None
) -> Truth:
    """The exact surface of the built-in scene.

    Args:
        cameras: where those stand that saw it; None if all of it counts.
    """

    def points(n: int, random: np.random.Generator) -> Points:
        generator = torch.Generator().manual_seed(int(random.integers(1 << 31)))
        return truth.surface_points(n, generator)[0].double().numpy()

    def distance(points: Points) -> Float[np.ndarray, " n"]:
        return np.abs(truth.signed_distance(torch.from_numpy(points).double()).numpy())

    def seen(points: Points, slack: float) -> Bool[np.ndarray, " n"]:
        assert cameras is not None, "only then it is asked for"
        found = np.zeros(len(points), bool)
        x = torch.from_numpy(points).double()
        for position in cameras.double():
            hidden = torch.from_numpy(np.flatnonzero(~found))
            way = x[hidden] - position
            far = way.norm(dim=1)
            rays = Rays(position.expand_as(way), way / far[:, None])
            first = trace(truth.shapes, rays)[0].double()
            found[hidden.numpy()] = ((first == 0) | (far <= first + slack)).numpy()
        return found

    some = points(POINTS, np.random.default_rng(0))
    diagonal = float(np.linalg.norm(some.max(axis=0) - some.min(axis=0)))
    return Truth(points, distance, diagonal, None if cameras is None else seen)


def compare(
    mesh: Mesh, truth: Truth, *, share: float = SHARE, n: int = POINTS, seed: int = 0
) -> dict[str, float]:
    """How a mesh agrees with a true surface.

    Args:
        mesh: in the frame of the truth.
        share: of the truth's diagonal, within which a point counts as right.
        n: points on either surface, before those that nobody saw are left out.
        seed: of the points.

    Returns:
        "accuracy" and "completeness", mean distances of the mesh to the truth and of the truth to
        the mesh; "chamfer", their mean; "precision" and "recall", shares of points that are right;
        "f_score", their harmonic mean; "threshold", the distance. Distances are shares of the
        truth's diagonal.
    """
    random = np.random.default_rng(seed)
    threshold = share * truth.diagonal
    triangles = mesh.vertices[mesh.faces].astype(np.float64)
    ours, theirs = surface_points(triangles, n, random), truth.points(n, random)
    if truth.seen is not None:
        ours, theirs = ours[truth.seen(ours, threshold)], theirs[truth.seen(theirs, 1e-3)]
    away = truth.distance(ours)
    missed = mesh_distance(build_tree(triangles), theirs)
    precision, recall = float((away <= threshold).mean()), float((missed <= threshold).mean())
    accuracy, completeness = float(away.mean()), float(missed.mean())
    return {
        "accuracy": accuracy / truth.diagonal,
        "completeness": completeness / truth.diagonal,
        "chamfer": 0.5 * (accuracy + completeness) / truth.diagonal,
        "precision": precision,
        "recall": recall,
        "f_score": 2 * precision * recall / max(precision + recall, 1e-12),
        "threshold": threshold,
    }
