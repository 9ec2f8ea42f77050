"""Colours of a surface, as a field shows them to the cameras that it was learned from.

Letters: p points on the surface, h x w pixels of a picture.

What a surface looks like depends on where it is seen from, and a texture has one colour: so a point
gets the mean over the views that see it, by how straight they look and how many pixels they have
for it. Pictures are all that is asked of a renderer, so that every kind of it can be baked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from polyfield.cameras.cameras import Cameras
from polyfield.cameras.models import Model
from polyfield.errors import InputError
from polyfield.export.meshes.mesh import Mesh
from polyfield.kernels.mesh_raster import mesh_raster
from polyfield.kernels.texel_views import add_view
from polyfield.renderers.render import Render
from polyfield.renderers.splat import inverse_pose

VIEWS = 64  # at most
SHARPER = 1.5  # pixels of a picture for one of the photo
MOST_PIXELS = 1 << 19  # of a picture
POWER = 2.0  # of the cosine that a view counts by
UNSEEN = 1e-6  # share of the best seen point's weight, below which a point is not seen
NEIGHBORS = 4  # seen points that an unseen one is coloured like


class Pictured(Protocol):
    """What gives whole pictures."""

    def image(
        self,
        cameras: Cameras,
        i: int,
        background: Tensor | None = None,
        modes: tuple[str, ...] = ("rgb",),
        appearance: Tensor | None = None,
    ) -> Render: ...


def baking_views(cameras: Cameras, which: Sequence[int]) -> Cameras:
    """Pinhole cameras in the places of some, evenly spread where there are more than `VIEWS`.

    Their pictures are `SHARPER` than the photos, as far as `MOST_PIXELS` go.
    """
    spread = np.linspace(0, len(which) - 1, min(VIEWS, len(which))).round().astype(int)
    chosen = cameras[torch.as_tensor(which, dtype=torch.int64)[spread]]
    straight = replace(
        chosen,
        distortion=torch.zeros_like(chosen.distortion),
        model=torch.full_like(chosen.model, int(Model.PINHOLE)),
    )
    most = float(straight.size.prod(dim=1).max())
    return straight.scaled(min(SHARPER, (MOST_PIXELS / most) ** 0.5))


def baked_colors(
    points: Float[np.ndarray, "p 3"],
    normals: Float[np.ndarray, "p 3"],
    mesh: Mesh,
    renderer: Pictured,
    cameras: Cameras,
    appearance: Tensor | None = None,
) -> Float[np.ndarray, "p 3"]:
    """sRGB colours in [0, 1] of points on a mesh.

    Args:
        points: world.
        normals: unit, outward, of the surface there.
        mesh: what hides points from views, world.
        renderer: of the field.
        cameras: pinhole cameras, from where it is seen.
        appearance: the code of the light, as the renderer takes it.

    Raises:
        InputError: when no camera sees any of the points.
    """
    points = np.ascontiguousarray(points, np.float32)
    normals = np.ascontiguousarray(normals, np.float32)
    sums = np.zeros((len(points), 4), np.float32)
    margin = 1e-3 * float(np.ptp(mesh.vertices, axis=0).max())
    for i in range(len(cameras)):
        fx, fy, cx, cy = cameras.intrinsics[i].tolist()
        pose = inverse_pose(cameras.world_from_camera[i]).numpy()
        width, height = cameras.size[i].tolist()
        lens = (fx, fy, cx, cy)
        z_depth = mesh_raster(mesh.vertices, mesh.faces, pose, lens, (width, height)).z_depth
        render = renderer.image(cameras, i, None, ("rgb",), appearance=appearance)
        picture = _premultiplied(render)
        add_view(points, normals, pose, lens, picture, z_depth, sums, power=POWER, margin=margin)
    return mean_colors(points, sums)


def _premultiplied(render: Render) -> Float[np.ndarray, "h w 4"]:
    columns = torch.cat([render.rgb, render.opacity[..., None]], dim=-1)
    array: Any = columns.detach().cpu().float().contiguous().numpy()
    return np.nan_to_num(array)  # type: ignore[no-any-return]


def mean_colors(
    points: Float[np.ndarray, "p 3"], sums: Float[np.ndarray, "p 4"]
) -> Float[np.ndarray, "p 3"]:
    """Mean colours of points, of sums of weighted colours and of their weights.

    What has no weight is coloured as the nearest points are that have.
    """
    weights = sums[:, 3]
    seen = weights > UNSEEN * (float(weights.max()) if len(weights) else 0.0)
    if not seen.any():
        raise InputError("no training view sees the surface", field="texture")
    colors = sums[:, :3] / np.where(seen, weights, 1)[:, None]
    unseen = np.flatnonzero(~seen)
    if len(unseen):
        near: Int[np.ndarray, "u k"]
        k = min(NEIGHBORS, int(seen.sum()))
        distance, near = cKDTree(points[seen]).query(points[unseen], k=k, workers=-1)
        distance, near = distance.reshape(-1, k), near.reshape(-1, k)
        share = 1 / (distance + 1e-9)
        share /= share.sum(axis=1, keepdims=True)
        colors[unseen] = np.einsum("uk,ukc->uc", share, colors[seen][near])
    clipped: np.ndarray = colors.clip(0, 1).astype(np.float32)
    return clipped
