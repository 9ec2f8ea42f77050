"""Points on the surfaces of what was learned, with what is known of each.

Letters: n points, v views, k pixels or neighbours, h x w pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from polyfield.errors import InputError
from polyfield.export.depth_maps import (
    DepthMap,
    depth_maps,
    eight_bits,
    inside,
    matching,
    viewpoints,
    with_pixels,
)
from polyfield.export.meshes.room import SHARE, free_memory

if TYPE_CHECKING:
    from polyfield.cameras.cameras import Cameras
    from polyfield.training.photo_task import PhotoTask

PIXELS = 12  # that are rendered for a point, many of which show nothing or the same again
SPARE = 1.6  # candidates for a point, of which some are outliers
PIXEL_BYTES = 48  # of a view that is kept
AGREES = 3.0  # pixels, how far apart in depth two views may place the same surface
LEAST = 0.4  # confidence below which a point is an outlier
NEIGHBOURS = 12
STRAY = 3.0  # standard deviations above the mean distance to the neighbours, from which on: outlier
MOST = 1 << 27  # points

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PointCloud:
    """Points on surfaces.

    Attributes:
        positions: in the world of the training unless said otherwise.
        normals: outward unit normals; 0 where they are not known.
        colors: sRGB; None where nothing is coloured.
        confidence: in [0, 1]: the opacity there, times the share of the views which look there and
            see that point and not past it; 1 of shapes, which no view has seen.
    """

    positions: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"]
    colors: UInt8[np.ndarray, "n 3"] | None
    confidence: Float[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, which: np.ndarray) -> PointCloud:
        colors = None if self.colors is None else self.colors[which]
        parts = (self.positions[which], self.normals[which], colors, self.confidence[which])
        return PointCloud(*parts)

    def transformed(self, T_to_from: Float[np.ndarray, "4 4"]) -> PointCloud:
        """The same points in another frame, by a similarity."""
        linear, offset = T_to_from[:3, :3], T_to_from[:3, 3]
        turn = linear / np.cbrt(abs(np.linalg.det(linear)))
        return replace(
            self,
            positions=(self.positions @ linear.T + offset).astype(np.float32),
            normals=(self.normals @ turn.T).astype(np.float32),
        )


def seen_points(
    task: PhotoTask,
    points: int = 200_000,
    voxel: float | None = None,
    *,
    bounds: Float[Tensor, "2 3"] | None = None,
    views: int = 100,
    time: float | None = None,
    outliers: bool = False,
    progress: Progress | None = None,
) -> PointCloud:
    """Points that training cameras see, by count or one a voxel.

    Args:
        task: what was trained; its module evaluating, as `open_run` gives it.
        points: how many, evenly drawn of the pixels of all views; fewer where there are not so
            many.
        voxel: world units; the mean of what each voxel of this edge holds instead.
        bounds: the box (min, max) in the world outside of which nothing is looked at; by default
            that of the scene's contents.
        views: training cameras at most.
        time: the moment, of a scene that moves; None for its beginning.
        outliers: whether to keep what few views agree on, and what lies apart from all others.
        progress: called with views done and in all.

    Raises:
        InputError: where nothing is to be seen, for what does not fit in memory, and for a run that
            diverged.
    """
    if not 1 <= points <= MOST:
        raise InputError(field="points", found=points, expected=f"1 to {MOST:,}")
    box = (task.scene.bounds if bounds is None else bounds).double()
    cameras = viewpoints(task, views, time)
    if voxel is None:
        cameras = with_pixels(cameras, PIXELS * points)
    else:
        if not 0 < voxel < float((box[1] - box[0]).max()):
            raise InputError(field="voxel", found=voxel, expected="above 0, less than the scene")
        cameras = matching(cameras, voxel, box.mean(dim=0))
    _check_memory(cameras)
    seen: list[DepthMap] = []
    for view in depth_maps(task, cameras, normals=True):
        seen.append(view)
        if progress is not None:
            progress(len(seen), len(cameras))
    cloud, pixel = _of_pixels(seen, box)
    if not len(cloud):
        hint = "train longer, or choose another checkpoint"
        raise InputError("no surface", field="run", found="no opaque pixel", hint=hint)
    random = np.random.default_rng(0)
    if voxel is None and len(cloud) > SPARE * points:
        chosen = random.permutation(len(cloud))[: int(SPARE * points)]
        cloud, pixel = cloud[chosen], pixel[chosen]
    agreement = agreement_of(cloud.positions, pixel, seen)
    cloud = replace(cloud, confidence=(cloud.confidence * agreement).astype(np.float32))
    if not outliers:
        cloud = without_outliers(cloud)
    if voxel is not None:
        return thinned(cloud, voxel)
    return cloud[random.permutation(len(cloud))[:points]]


def _check_memory(cameras: Cameras) -> None:
    needed = int(cameras.size.prod(dim=1).sum()) * PIXEL_BYTES
    room = SHARE * free_memory()
    if needed > room:
        found = f"what takes {needed / 1e9:.1f} GB of views"
        expected = f"fewer points or a larger voxel, for the {room / 1e9:.1f} GB that may be used"
        raise InputError("does not fit in memory", field="points", found=found, expected=expected)


def _of_pixels(
    seen: Sequence[DepthMap], box: Float[Tensor, "2 3"]
) -> tuple[PointCloud, Float[np.ndarray, " n"]]:
    """All pixels that show a surface in the box, and how large each is there, world units."""
    parts: list[list[np.ndarray]] = [[] for _ in range(5)]
    for view in seen:
        places = view.points()
        within = inside(places.double(), box)
        solid = view.solid
        assert view.normals is not None
        columns = (view.normals[solid], view.rgb[solid], view.opacity[solid], view.depth[solid])
        normals, rgb, opacity, depth = (column[within] for column in columns)
        pixel = depth / float(view.camera.intrinsics[0, 0])
        values = (places[within], normals, torch.from_numpy(eight_bits(rgb)), opacity, pixel)
        for part, column in zip(parts, values):
            part.append(column.numpy())
    positions, normal, colors, confidence, size = (np.concatenate(part) for part in parts)
    return PointCloud(positions, normal, colors, confidence), size


def agreement_of(
    positions: Float[np.ndarray, "n 3"],
    pixel: Float[np.ndarray, " n"],
    seen: Sequence[DepthMap],
) -> Float[np.ndarray, " n"]:
    """The share of views that see a point, of those that see it or past it; 1 of none.

    Args:
        pixel: how large one is at the point, world units: depths that are few pixels apart agree.
    """
    points = torch.from_numpy(positions)
    slack = AGREES * torch.from_numpy(pixel)
    agree, past = torch.zeros(len(points)), torch.zeros(len(points))
    for view in seen:
        place, z, valid = view.camera.project(0, points)
        index = valid.nonzero().flatten()
        column, row = place[index].long().unbind(dim=1)
        nearest, farthest = (end[row, column] - z[index] for end in _around(view.z_depth()))
        looks_past = nearest > slack[index]
        agree[index] += (~looks_past & (farthest >= -slack[index])).float()
        past[index] += looks_past.float()
    total = agree + past
    return torch.where(total > 0, agree / total.clamp(min=1), 1.0).numpy()


def _around(
    z_depth: Float[Tensor, "h w"],
) -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w"]]:
    """The least and the largest depth of a pixel and its eight neighbours; without any, inf and 0.

    A point projects between pixels, and near an outline one of them lies beside the surface.
    """
    pool = torch.nn.functional.max_pool2d
    far = pool(z_depth[None, None], 3, 1, 1)[0, 0]
    near = pool(-torch.where(z_depth > 0, z_depth, torch.inf)[None, None], 3, 1, 1)[0, 0]
    return -near, far


def without_outliers(cloud: PointCloud) -> PointCloud:
    """Without points that most views look past, and those far from their neighbours.

    Distances are the mean to the nearest neighbours; far is some standard deviations above the mean
    of all (the statistical filter of Rusu et al. 2008).
    """
    trusted = cloud[cloud.confidence >= LEAST]
    if len(trusted) <= NEIGHBOURS:
        return trusted if len(trusted) else cloud
    return trusted[~strays(trusted.positions)]


def strays(positions: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
    """Which points lie apart from all others."""
    from scipy.spatial import cKDTree

    tree = cKDTree(positions)
    distances = tree.query(positions, NEIGHBOURS + 1, workers=-1)[0][:, 1:].mean(axis=1)
    return np.asarray(distances > distances.mean() + STRAY * distances.std())


def thinned(cloud: PointCloud, voxel: float) -> PointCloud:
    """One point a voxel, the mean of those in it weighed by confidence.

    Args:
        voxel: its edge, in the units of the points.
    """
    cells = np.floor(cloud.positions / voxel).astype(np.int64)
    _, cell, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    cell = cell.reshape(-1)
    weight = cloud.confidence.astype(np.float64) + 1e-6
    total = np.bincount(cell, weight)

    def mean(values: np.ndarray) -> np.ndarray:
        columns = values.reshape(len(values), -1).T
        return np.stack([np.bincount(cell, weight * column) / total for column in columns], 1)

    normals = mean(cloud.normals)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    colors = None if cloud.colors is None else (mean(cloud.colors) + 0.5).astype(np.uint8)
    return PointCloud(
        mean(cloud.positions).astype(np.float32),
        np.divide(normals, length, out=np.zeros_like(normals), where=length > 1e-9).astype("f4"),
        colors,
        (np.bincount(cell, cloud.confidence) / counts).astype(np.float32),
    )
