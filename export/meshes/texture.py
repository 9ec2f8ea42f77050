"""A texture for a mesh: a place for every triangle, and the colours of its field there.

Letters: n vertices, m triangles, h x w texels, p of them that show the surface.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float

from polyfield.cameras.cameras import Cameras
from polyfield.errors import InputError
from polyfield.export.meshes.atlas import Atlas, atlas_of
from polyfield.export.meshes.bake import baked_colors, baking_views
from polyfield.export.meshes.gutter import spread
from polyfield.export.meshes.mesh import Mesh
from polyfield.export.meshes.textured_mesh import TexturedMesh
from polyfield.kernels.texels import Texels, texels_of
from polyfield.training.evaluation import evaluating
from polyfield.training.task import Task

SIZES = (256, 512, 1024, 2048, 4096)  # that "auto" chooses from
SMALLEST, LARGEST = 16, 16384


def textured(mesh: Mesh, task: Task, size: int | Literal["auto"] = "auto") -> TexturedMesh:
    """A mesh with a texture of what its field looks like from the training cameras.

    Where the light of each photo was learned, that of views without one, the mean, is baked.

    Args:
        mesh: in the world of the training, triangles counter-clockwise seen from outside.
        task: what has learned from photos, which need not be there.
        size: the longer side of the texture; "auto" for a texel for each pixel of the views, as far
            as `SIZES` go.

    Raises:
        InputError: for what `check_texture` refuses, without xatlas, for a scene that moves, or a
            mesh that no camera sees.
    """
    check_texture(task, size)
    renderer, scene = _views_of(task)
    views = baking_views(scene.cameras, scene.splits["train"].tolist())
    atlas = atlas_of(mesh)
    side = best_size(atlas, views) if size == "auto" else size
    shape = size_of(atlas, side)
    texels = texels_of(corners_of(atlas, shape), shape)
    shown = texels.face >= 0
    points, normals = places_of(atlas.mesh, texels, shown)
    code: Any = getattr(task, "code", None)
    with evaluating(task.module):
        colors = baked_colors(points, normals, mesh, renderer, views, code)
    texture = np.zeros((*shown.shape, 3), np.float32)
    texture[shown] = colors
    filled = np.round(spread(texture, shown) * 255).astype(np.uint8)
    return TexturedMesh(atlas.mesh, atlas.uvs, filled)


def check_texture(task: Task, size: int | str) -> None:
    """Whether a texture can be made, before anything is done for it.

    Raises:
        InputError: for a size that is none, or a task without colours or of a scene that moves.
    """
    whole = isinstance(size, int) and not isinstance(size, bool)
    if size != "auto" and not (whole and SMALLEST <= int(size) <= LARGEST):
        expected = f"auto, none, or {SMALLEST} to {LARGEST}"
        raise InputError(field="texture", found=size, expected=expected)
    renderer, scene = _views_of(task)
    if renderer is None or scene is None:
        found = f"{type(task).__name__}, which learns no colours"
        raise InputError(field="texture", found=found, expected="texture=none")
    if scene.times is not None:
        raise InputError(field="texture", found="a scene that moves", expected="texture=none")


def _views_of(task: Task) -> tuple[Any, Any]:
    """What renders a task's field, and the scene; None for what it has not."""
    return getattr(task, "renderer", None), getattr(task, "scene", None)


def size_of(atlas: Atlas, side: int) -> tuple[int, int]:
    """Width and height, texels, of a texture whose longer side is given."""
    if atlas.aspect > 1:
        return max(round(side / atlas.aspect), 1), side
    return side, max(round(side * atlas.aspect), 1)


def corners_of(atlas: Atlas, shape: tuple[int, int]) -> Float[np.ndarray, "m 3 2"]:
    """(x, y) of the triangles' corners, texels from the upper left corner of a texture."""
    places = atlas.uvs[atlas.mesh.faces].astype(np.float64)
    return (places * (1, -1) + (0, 1)) * shape


def places_of(
    mesh: Mesh, texels: Texels, shown: Bool[np.ndarray, "h w"]
) -> tuple[Float[np.ndarray, "p 3"], Float[np.ndarray, "p 3"]]:
    """Points and unit normals of the surface that texels show."""
    faces = mesh.faces[texels.face[shown]]
    first, second = texels.weights[shown].T
    b = np.stack([first, second, 1 - first - second], axis=1)
    points = np.einsum("pk,pkc->pc", b, mesh.vertices[faces])
    if mesh.normals is None:
        u, v = (mesh.vertices[faces[:, k]] - mesh.vertices[faces[:, 0]] for k in (1, 2))
        normals = np.cross(u, v)
    else:
        normals = np.einsum("pk,pkc->pc", b, mesh.normals[faces])
    return points, normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-30)


def best_size(atlas: Atlas, views: Cameras) -> int:
    """The smallest of `SIZES` with a texel for every pixel of the views, or the largest."""
    corners = atlas.mesh.vertices[atlas.mesh.faces].astype(np.float64)
    places = np.pad(atlas.uvs[atlas.mesh.faces], ((0, 0), (0, 0), (0, 1))).astype(np.float64)
    pixel = _pixel_width(corners.mean(axis=(0, 1)), views)
    side = (_area(corners) / max(_area(places), 1e-12)) ** 0.5 / pixel
    return next((size for size in SIZES if size >= side), SIZES[-1])


def _area(corners: Float[np.ndarray, "m 3 3"]) -> float:
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return 0.5 * float(np.linalg.norm(across, axis=1).sum())


def _pixel_width(middle: Float[np.ndarray, "3"], views: Cameras) -> float:
    """Median over views of what a pixel is wide at a point, world units."""
    away = torch.linalg.vector_norm(views.positions - torch.from_numpy(middle), dim=1)
    return float((away / views.intrinsics[:, 0]).median().clamp(min=1e-9))
