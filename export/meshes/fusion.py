"""Surfaces fused from rendered depths: a truncated signed distance in blocks of voxels.

Where the views' pixels meet something blocks of voxels are laid; every view then says of each of
their voxels how far before or behind its surface they are, up to the truncation, and the mean of
that is zero on the surface (Curless and Levoy 1996; blocks as of Niessner et al. 2013, in Open3D's
`t.geometry.VoxelBlockGrid`). A pixel that meets nothing says so too, and carves.

Letters: k points, b blocks, h x w pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from polyfield.cameras.cameras import Cameras
from polyfield.errors import InputError
from polyfield.export.depth_maps import DepthMap, depth_maps, inside, matching, viewpoints
from polyfield.export.meshes.learned import Learned
from polyfield.export.meshes.mesh import Mesh
from polyfield.export.meshes.open3d_found import open3d
from polyfield.export.meshes.room import SHARE, free_memory
from polyfield.training.photo_task import PhotoTask
from polyfield.training.task import Task

SIDE = 8  # voxels of a block along each axis
BYTES = SIDE**3 * 20  # of a block: distance, weight and three of colour, float32
SPARE = 3  # of that, while the table is made and the triangles are
SCOUTS = 0.5  # of the size of views, that the blocks are found with
LEAST_VIEWS = 3  # that must have seen a voxel
MARGIN = 1  # pixels beside an outline that say nothing
STEEPEST = 3.0  # pixels of depth from one to the next, beyond which a surface is seen edge-on
LARGEST = 4096  # voxels along an axis, beyond which block numbers are of no use

Progress = Callable[[int, int], None]


def surface(task: Task, learned: Learned, resolution: int, closed: bool = False) -> Mesh:
    """`method=fusion`: what the training cameras see of a task; open where they see nothing.

    Raises:
        InputError: as `fuse`, and for a task that nothing was photographed of.
    """
    if not isinstance(task, PhotoTask):
        found, expected = "fusion", "marching or poisson, of a run without cameras"
        raise InputError(field="method", found=found, expected=expected)
    return fuse(task, resolution, bounds=torch.from_numpy(learned.box), time=learned.time)


def fuse(
    task: PhotoTask,
    resolution: int = 256,
    voxel: float | None = None,
    *,
    bounds: Float[Tensor, "2 3"] | None = None,
    views: int = 64,
    truncation: float = 3.0,
    time: float | None = None,
    progress: Progress | None = None,
) -> Mesh:
    """The surface of a radiance field or of Gaussians, by fusion of what training cameras see.

    Views are rendered one by one, no finer than the voxels; each has its turn twice, first smaller
    to find where blocks are needed, so that what does not fit in memory is refused before the work.

    Args:
        task: what was trained; its module evaluating (`eval()`), as `open_run` gives it.
        resolution: voxels along the longest edge of the box.
        voxel: their edge instead, world units.
        bounds: the box (min, max) in the world outside of which nothing is looked at; by default
            that of the scene's contents.
        views: training cameras at most, spread evenly.
        truncation: of the distance, voxels.
        time: the moment, of a scene that moves; None for its beginning.
        progress: called with views done and in all.

    Returns:
        triangles with outward normals and colours, in the world of the training (`transformed` by
        `scene.source_from_world` they are in the frame of the data). Not cleaned.

    Raises:
        InputError: where nothing is to be seen, what does not fit in memory, a run that diverged,
            and without open3d.
    """
    box = (task.scene.bounds if bounds is None else bounds).double()
    voxel = voxel_edge(box, resolution, voxel)
    if not 1.5 <= truncation <= SIDE:
        raise InputError(field="truncation", found=truncation, expected=f"1.5 to {SIDE} voxels")
    check_memory(expected_blocks(box, voxel), voxel, box)
    o3d = open3d("method")
    cameras = matching(viewpoints(task, views, time), voxel, box.mean(dim=0))
    done, total = 0, 2 * len(cameras)
    found: Int[np.ndarray, "b 3"] = np.empty((0, 3), np.int64)
    for seen in depth_maps(task, cameras.scaled(SCOUTS)):
        points = seen.points().double()
        touched = blocks_of(points[inside(points, box)], voxel, truncation)
        found = _distinct(np.concatenate([found, touched]))
        check_memory(len(found), voxel, box)
        done += 1
        if progress is not None:
            progress(done, total)
    if not len(found):
        raise empty(box)
    grid = _grid(o3d, voxel, found)
    far = float(farthest(cameras, box))
    for seen in depth_maps(task, cameras):
        _integrate(o3d, grid, found, seen, far, voxel, truncation)
        done += 1
        if progress is not None:
            progress(done, total)
    mesh = _cut(_triangles(grid, min(LEAST_VIEWS, len(cameras))), box, voxel)
    if not len(mesh):
        raise empty(box)
    return mesh


def voxel_edge(box: Float[Tensor, "2 3"], resolution: int, voxel: float | None) -> float:
    """The edge of a voxel, world units; InputError for none, or too fine to number them."""
    longest = float((box[1] - box[0]).max())
    if voxel is None:
        if not 8 <= resolution <= LARGEST:
            raise InputError(field="resolution", found=resolution, expected=f"8 to {LARGEST}")
        return longest / resolution
    if not longest / LARGEST <= voxel <= longest / 8:
        expected = f"{longest / LARGEST:.3g} to {longest / 8:.3g}, in units of the world"
        raise InputError(field="voxel", found=voxel, expected=expected)
    return voxel


def blocks_of(
    points: Float[Tensor, "k 3"], voxel: float, truncation: float
) -> Int[np.ndarray, "b 3"]:
    """Numbers of the blocks that the truncated distance around points reaches into."""
    reach = np.array([-truncation * voxel, 0.0, truncation * voxel])
    cells = _distinct(np.floor(points.numpy() / voxel).astype(np.int64)) * voxel + voxel / 2
    for axis in range(3):
        shifted = np.repeat(cells[None], 3, axis=0)
        shifted[:, :, axis] += reach[:, None]
        cells = shifted.reshape(-1, 3)
    return _distinct(np.floor(cells / (SIDE * voxel)).astype(np.int64))


def _distinct(numbers: Int[np.ndarray, "k 3"]) -> Int[np.ndarray, "b 3"]:
    """Each of some triples of whole numbers below 2^20 once."""
    shift = np.int64(1 << 20)
    key = (
        ((numbers[:, 0] + shift) << 42) | ((numbers[:, 1] + shift) << 21) | (numbers[:, 2] + shift)
    )
    key = np.unique(key)
    mask = np.int64((1 << 21) - 1)
    return np.stack([key >> 42, (key >> 21) & mask, key & mask], axis=1) - shift


def expected_blocks(box: Float[Tensor, "2 3"], voxel: float) -> int:
    """How many blocks a surface fills that is as large as that of the box."""
    x, y, z = (box[1] - box[0]).tolist()
    return int(2 * (x * y + y * z + z * x) / (SIDE * voxel) ** 2)


def check_memory(blocks: int, voxel: float, box: Float[Tensor, "2 3"]) -> None:
    """InputError for more blocks than fit in memory, which names the resolution that fits."""
    needed, room = blocks * BYTES * SPARE, SHARE * free_memory()
    if needed <= room:
        return
    longest = float((box[1] - box[0]).max())
    # Blocks lie on a surface, so that they grow with the square of the resolution.
    fits = int(longest / voxel * (room / needed) ** 0.5 * 0.8)
    raise InputError(
        "does not fit in memory",
        field="resolution",
        found=f"{longest / voxel:.0f}, for which {needed / 1e9:.1f} GB or more are needed",
        expected=f"{fits} or less, for the {room / 1e9:.1f} GB that may be used",
    )


def empty(box: Float[Tensor, "2 3"]) -> InputError:
    """What to raise where there is no surface."""
    low, high = ([round(x, 3) for x in corner.tolist()] for corner in box)
    return InputError(
        "no surface",
        field="run",
        found=f"no pixel of the training views more opaque than one half within {low} to {high}",
        hint="train longer, or choose another checkpoint",
    )


def farthest(cameras: Cameras, box: Float[Tensor, "2 3"]) -> Float[Tensor, ""]:
    """A distance from every camera beyond all that is in a box."""
    corners = torch.cartesian_prod(*[box[:, axis] for axis in range(3)])
    return torch.cdist(cameras.positions, corners).max() * 1.1


def _grid(o3d: Any, voxel: float, blocks: Int[np.ndarray, "b 3"]) -> Any:
    kinds, channels = (o3d.core.float32,) * 3, ((1,), (1,), (3,))
    names = ("tsdf", "weight", "color")
    device = o3d.core.Device("CPU:0")
    count = int(len(blocks) * 1.1) + 16
    grid = o3d.t.geometry.VoxelBlockGrid(names, kinds, channels, voxel, SIDE, count, device)
    grid.hashmap().activate(o3d.core.Tensor(blocks.astype(np.int32)))
    return grid


def _integrate(
    o3d: Any,
    grid: Any,
    blocks: Int[np.ndarray, "b 3"],
    seen: DepthMap,
    far: float,
    voxel: float,
    cut: float,
) -> None:
    """One view into the blocks that it reaches."""
    depth = _clear_depth(seen, far)
    reached = blocks[_reached(seen, depth, blocks, voxel, cut)]
    if not len(reached):
        return
    fx, fy, cx, cy = seen.camera.intrinsics[0].tolist()
    # Open3D's pixels have their centres at whole numbers.
    lens = np.array([[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1.0]])
    pose = np.eye(4)
    pose[:3] = seen.camera.world_from_camera[0].numpy()
    image, tensor = o3d.t.geometry.Image, o3d.core.Tensor
    grid.integrate(
        tensor(reached.astype(np.int32)),
        image(tensor(depth.contiguous().numpy())),
        image(tensor(seen.rgb.contiguous().numpy())),
        tensor(lens),
        tensor(np.linalg.inv(pose)),
        1.0,
        far * 1.01,
        cut,
    )


def _reached(
    seen: DepthMap,
    depth: Float[Tensor, "h w"],
    blocks: Int[np.ndarray, "b 3"],
    voxel: float,
    cut: float,
) -> Bool[np.ndarray, " b"]:
    """Which blocks lie in a view and not behind all that it sees about there."""
    centers = (torch.from_numpy(blocks).double() + 0.5) * SIDE * voxel
    pose = seen.camera.world_from_camera[0]
    x, y, z = ((centers - pose[:, 3]) @ pose[:, :3]).unbind(dim=1)
    fx, fy, cx, cy = seen.camera.intrinsics[0].tolist()
    radius = 0.5 * 3**0.5 * SIDE * voxel
    height, width = depth.shape
    front = z > 2 * radius
    nearest = float(z[front].min()) if bool(front.any()) else radius
    r = min(math.ceil(max(fx, fy) * radius / nearest) + 1, min(height, width) // 2)
    pool = torch.nn.functional.max_pool2d
    rows = pool(depth[None, None], (2 * r + 1, 1), 1, (r, 0))
    deepest = pool(rows, (1, 2 * r + 1), 1, (0, r))[0, 0]
    safe = z.clamp(min=radius)
    column, row = (fx * x / safe + cx).long(), (fy * y / safe + cy).long()
    within = (column > -r) & (column < width + r) & (row > -r) & (row < height + r)
    there = deepest[row.clamp(0, height - 1), column.clamp(0, width - 1)]
    seen_there = within & (z - radius - cut * voxel <= there) & (there > 0)
    return ((z > -radius) & (~front | seen_there)).numpy()


def _clear_depth(seen: DepthMap, far: float) -> Float[Tensor, "h w"]:
    """Depth along the axis, `far` where a pixel meets nothing, 0 where it had better say nothing.

    That is beside an outline and where the surface is seen edge-on: a voxel projects between
    pixels, and one that looks past the surface would carve into it.
    """
    depth = seen.z_depth()
    solid = (depth > 0) & (depth <= far)
    pool = torch.nn.functional.max_pool2d
    beside = pool(solid.float()[None, None], 2 * MARGIN + 1, 1, MARGIN)[0, 0] > 0
    pixel = depth / float(seen.camera.intrinsics[0, 0])
    steep = torch.zeros_like(solid)
    for axis in (0, 1):
        steps = depth.diff(dim=axis).abs()
        edge = torch.full_like(steps.narrow(axis, 0, 1), torch.inf)
        before, after = torch.cat([edge, steps], axis), torch.cat([steps, edge], axis)
        steep |= torch.minimum(before, after) > STEEPEST * pixel
    depth = torch.where(solid & ~steep, depth, 0.0)
    return torch.where(~beside, far, depth)


def _triangles(grid: Any, least: int) -> Mesh:
    made = grid.extract_triangle_mesh(weight_threshold=float(least))
    if "positions" not in made.vertex or "indices" not in made.triangle:
        return Mesh(np.empty((0, 3), np.float32), np.empty((0, 3), np.int32))
    colors = made.vertex.colors.numpy().astype(np.float32)
    return Mesh(
        made.vertex.positions.numpy().astype(np.float32),
        made.triangle.indices.numpy().astype(np.int32),
        made.vertex.normals.numpy().astype(np.float32),
        np.clip(colors, 0, 1),
    )


def _cut(mesh: Mesh, box: Float[Tensor, "2 3"], margin: float) -> Mesh:
    """Without triangles that reach more than a margin out of a box."""
    low, high = (box[0] - margin).numpy(), (box[1] + margin).numpy()
    within = np.asarray(((mesh.vertices >= low) & (mesh.vertices <= high)).all(axis=1))
    if within.all():
        return mesh
    faces = mesh.faces[within[mesh.faces].all(axis=1)]
    used, renumbered = np.unique(faces, return_inverse=True)
    parts = (mesh.normals, mesh.colors)
    normals, colors = (None if part is None else part[used] for part in parts)
    faces = renumbered.reshape(-1, 3).astype(np.int32)
    return Mesh(mesh.vertices[used], faces, normals, colors)
