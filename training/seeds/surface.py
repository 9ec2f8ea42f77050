"""Gaussians along a surface: flat, their short axis along the normal.

Letters: v vertices, m triangles, n Gaussians.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from polyfield.cameras.similarity import apply_similarity
from polyfield.datasets.detect import check_readable
from polyfield.datasets.mesh import make_mesh
from polyfield.errors import InputError
from polyfield.training.seeds.cloud import GREY, Seeds, as_seeds, gaussians_from_points
from polyfield.training.seeds.thinning import thinned

SPACING = 0.73  # mean distance to the 3 nearest of n points spread over n units of area
FLATNESS = 0.1  # short axis over the long ones
EXPECTED = "a mesh or points: .ply, .obj, .stl, .off, .glb, .gltf"


def gaussians_from_mesh(
    vertices: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "m 3"],
    count: int,
    generator: torch.Generator,
    *,
    colors: np.ndarray | None = None,
    opacity: float = 0.1,
    scale: float = 1.0,
    degree: int = 3,
    file: Path | None = None,
) -> Seeds:
    """Gaussians spread at random over a mesh, as many on every area of the same size.

    Args:
        vertices: world units; faces: of vertices, counter-clockwise as seen from outside.
        count: n.
        colors: sRGB in [0, 1] of the vertices [v,3] or, if there are as many as these, of the
            faces [m,3]; None for grey.
        opacity, degree: as in `gaussians_from_points`.
        scale: times the distance to neighbours, for the standard deviations along the surface.
        file: where the mesh is from, for messages.

    Raises:
        InputError: for no faces, for vertices that are not finite, or a mesh without an area.
    """
    if count < 1:
        raise InputError(field="count", found=count, expected="1 or more")
    vertices, faces = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
    make_mesh(vertices, faces, file)  # which refuses what cannot be sampled
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    doubled = np.linalg.norm(normals, axis=1)
    drawn = torch.rand(3, count, generator=generator, dtype=torch.float64).numpy()
    upto = np.cumsum(doubled)
    face = np.searchsorted(upto, drawn[0] * upto[-1], side="right").clip(max=len(faces) - 1)
    root = np.sqrt(drawn[1])
    share = np.stack([1 - root, root * (1 - drawn[2]), root * drawn[2]], axis=1)
    means = (share[:, :, None] * corners[face]).sum(axis=1)
    sigma = scale * SPACING * np.sqrt(0.5 * upto[-1] / count)
    log_scales = np.log([sigma, sigma, FLATNESS * sigma])[None].repeat(count, axis=0)
    sRGB = _colors_at(colors, faces, face, share, len(vertices))
    quats = quaternion_to(normals[face] / doubled[face, None])
    return as_seeds(means, quats, log_scales, sRGB, opacity, degree)


def gaussians_from_mesh_file(
    path: Path,
    count: int,
    generator: torch.Generator,
    *,
    world_from_source: Float[torch.Tensor, "4 4"] | None = None,
    opacity: float = 0.1,
    scale: float = 1.0,
    degree: int = 3,
) -> Seeds:
    """Gaussians of a mesh, or of a cloud of points, with the colours that the file has.

    Args:
        path: what trimesh reads.
        count: n; of a cloud at most.
        world_from_source: the similarity that takes its frame to the scene's; None for the same.
    """
    vertices, faces, colors = _read(path)
    settings: dict[str, Any] = {"opacity": opacity, "scale": scale, "degree": degree}
    if world_from_source is not None:
        vertices = apply_similarity(world_from_source, torch.from_numpy(vertices)).numpy()
    if len(faces):
        settings.update(colors=colors, file=path)
        return gaussians_from_mesh(vertices, faces, count, generator, **settings)
    if not np.isfinite(vertices).all() or len(vertices) == 0:
        found = "NaN or infinity" if len(vertices) else "no points"
        raise InputError(file=path, found=found, expected="finite points")
    sRGB = np.full_like(vertices, GREY) if colors is None else colors
    return gaussians_from_points(*thinned(vertices, sRGB, count), **settings)


def quaternion_to(normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 4"]:
    """Unit quaternions of the shortest rotations that take +z to unit vectors."""
    x, y, z = normals.T
    q = np.stack([1 + z, -y, x, np.zeros_like(z)], axis=1)
    q[1 + z < 1e-9] = [0, 1, 0, 0]  # half a turn, about any axis across
    return q / np.linalg.norm(q, axis=1, keepdims=True)


def _colors_at(
    colors: np.ndarray | None, faces: np.ndarray, face: np.ndarray, share: np.ndarray, v: int
) -> Float[np.ndarray, "n 3"]:
    if colors is None:
        return np.full((len(face), 3), GREY)
    colors = np.asarray(colors, np.float64)
    if colors.shape not in ((v, 3), (len(faces), 3)):
        expected = f"{[v, 3]} or {[len(faces), 3]}"
        raise InputError(field="colors", found=list(colors.shape), expected=expected)
    if not ((colors >= 0) & (colors <= 1)).all():
        raise InputError(field="colors", found="others", expected="numbers from 0 to 1")
    if len(colors) == v:
        return np.asarray((share[:, :, None] * colors[faces[face]]).sum(axis=1)).clip(0, 1)
    return colors[face]


def _read(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Vertices, faces, and sRGB colours in [0, 1] of vertices or faces where the file has any."""
    import trimesh

    check_readable(path)
    try:
        with np.errstate(all="ignore"):
            loaded: Any = trimesh.load_scene(str(path), process=False).to_geometry()
        vertices = np.asarray(loaded.vertices, np.float64).reshape(-1, 3)
        faces = np.asarray(getattr(loaded, "faces", np.empty((0, 3))), np.int64).reshape(-1, 3)
        visual: Any = getattr(loaded, "visual", None)
        if getattr(visual, "kind", None) == "texture":
            visual = visual.to_color()
        kind = getattr(visual, "kind", None)
        if kind is None:
            return vertices, faces, None
        bytes_of = visual.face_colors if kind == "face" else visual.vertex_colors
        return vertices, faces, np.asarray(bytes_of, np.float64)[:, :3] / 255
    except Exception as error:  # whatever its readers make of a broken file
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise InputError("cannot be read", file=path, found=reason, expected=EXPECTED) from None
