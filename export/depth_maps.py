"""What a scene looks like from around it, view by view: the depths that surfaces are made from.

Letters: n cameras, h x w pixels, k of them that meet something. Depth is the median along the ray,
where half of the light has been stopped: the mean is drawn back by thin haze far behind a surface.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from polyfield.cameras.cameras import Cameras, concatenate
from polyfield.cameras.models import Model
from polyfield.errors import InputError
from polyfield.training.photo_task import PhotoTask

SOLID = 0.5  # opacity from which on a pixel shows a surface: only then is there a median
FACES = ((0, 0), (90, 0), (180, 0), (270, 0), (0, 90), (0, -90))  # yaw and pitch, degrees


@dataclass(frozen=True)
class DepthMap:
    """What one camera sees, world units.

    Attributes:
        camera: one.
        depth: median distance along the ray; 0 where less than half of the light is stopped.
        opacity: in [0, 1].
        rgb: sRGB in [0, 1].
        normals: of unit length, towards the camera; 0 where there is no surface. None if not asked.
    """

    camera: Cameras
    depth: Float[Tensor, "h w"]
    opacity: Float[Tensor, "h w"]
    rgb: Float[Tensor, "h w 3"]
    normals: Float[Tensor, "h w 3"] | None = None

    @property
    def solid(self) -> Bool[Tensor, "h w"]:
        """Which pixels show a surface."""
        return (self.depth > 0) & (self.opacity > SOLID)

    def z_depth(self) -> Float[Tensor, "h w"]:
        """Along the optical axis, 0 where there is no surface."""
        cosines = self.camera.image_rays(0).axis_cosine
        assert cosines is not None
        return torch.where(self.solid, self.depth * cosines.view(self.depth.shape), 0.0)

    def points(self) -> Float[Tensor, "k 3"]:
        """Where the pixels' rays meet surfaces, row by row, world."""
        rays, solid = self.camera.image_rays(0), self.solid.flatten()
        depth = self.depth.flatten()[solid, None]
        return rays.origins[solid] + depth * rays.directions[solid]


def depth_maps(task: PhotoTask, cameras: Cameras, normals: bool = False) -> Iterator[DepthMap]:
    """Views of what a task has learned, rendered one by one as they are asked for.

    Args:
        cameras: in the world of the task.
        normals: whether to make them.

    Raises:
        InputError: where a picture is not made of numbers, as of a training that diverged.
    """
    modes = ("rgb", "median", "normal") if normals else ("rgb", "median")
    behind = None if task.background is None else task.background.detach()
    for i in range(len(cameras)):
        render = task.renderer.image(cameras, i, behind, modes, appearance=task.code)
        assert render.median_depth is not None
        depth, opacity = render.median_depth.float(), render.opacity.float()
        if not bool(
            opacity.isfinite().all() & depth.isfinite().all() & render.rgb.isfinite().all()
        ):
            raise InputError(
                "the run has diverged",
                field="a picture of it",
                found="numbers that are not finite",
                hint="export an earlier checkpoint=N, or train again with a lower optimizer.lr",
            )
        turned = render.normals
        yield DepthMap(cameras[i], depth, opacity, render.rgb.float(), turned)


def viewpoints(task: PhotoTask, most: int = 100, time: float | None = None) -> Cameras:
    """Pinhole cameras where photos were taken, spread evenly over those that were trained on.

    Lenses that bend lines are straightened, spherical ones become the six sides of a cube.

    Args:
        most: photos.
        time: the moment to look at, in [0, 1]; of a scene that moves, where None is its beginning.

    Raises:
        InputError: for a time of a scene that stands still, or one outside of [0, 1].
    """
    scene = task.scene
    train = scene.splits["train"]
    if most < 1:
        raise InputError(field="views", found=most, expected="1 or more")
    places = torch.linspace(0, len(train) - 1, min(most, len(train))).round().long()
    cameras = pinholes(scene.cameras[train[places]])
    return at_moment(cameras, time)


def at_moment(cameras: Cameras, time: float | None) -> Cameras:
    """The same cameras, all looking at one moment; see `viewpoints`."""
    if cameras.times is None:
        if time is not None:
            found = f"{time:g}, and a scene that stands still"
            raise InputError(field="time", found=found, expected="no time")
        return cameras
    moment = 0.0 if time is None else float(time)
    if not 0 <= moment <= 1:
        raise InputError(field="time", found=time, expected="a moment between 0 and 1")
    return replace(cameras, times=torch.full_like(cameras.times, moment))


def pinholes(cameras: Cameras) -> Cameras:
    """Cameras without distortion where the given ones stand; spherical ones become six each."""
    sphere = cameras.model == Model.EQUIRECTANGULAR
    parts = []
    for i in range(len(cameras)):
        camera = cameras[i]
        parts.append(_cube(camera) if bool(sphere[i]) else _straight(camera))
    return concatenate(parts)


def _straight(camera: Cameras) -> Cameras:
    model = torch.full_like(camera.model, int(Model.PINHOLE))
    return replace(camera, model=model, distortion=torch.zeros_like(camera.distortion))


def _cube(camera: Cameras) -> Cameras:
    """Six views of a right angle each, their pixels of the size that the sphere's have."""
    side = max(int(camera.size[0, 0]) // 4, 1)
    turns = torch.stack([_turn(math.radians(yaw), math.radians(pitch)) for yaw, pitch in FACES])
    pose = camera.world_from_camera[0]
    poses = torch.cat([pose[:, :3] @ turns, pose[:, 3:].expand(len(turns), 3, 1)], dim=2)
    intrinsics = torch.full((len(turns), 4), side / 2, dtype=torch.float64)
    times = None if camera.times is None else camera.times.repeat(len(turns))
    sizes = torch.full((len(turns), 2), side)
    model = torch.full((len(turns),), int(Model.PINHOLE))
    return Cameras(poses, intrinsics, torch.zeros(len(turns), 0), model, sizes, times)


def _turn(yaw: float, pitch: float) -> Float[Tensor, "3 3"]:
    """To the right by `yaw`, then up by `pitch`; camera axes +x right, +y down, +z forward."""
    c, s, d, u = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    right = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
    up = [[1, 0, 0], [0, d, -u], [0, u, d]]
    return torch.tensor(right, dtype=torch.float64) @ torch.tensor(up, dtype=torch.float64)


def with_pixels(cameras: Cameras, pixels: float) -> Cameras:
    """The cameras of pictures that have no more than so many pixels in all; never enlarged."""
    total = float(cameras.size.double().prod(dim=1).sum())
    return cameras.scaled(math.sqrt(pixels / total)) if total > pixels else cameras


def matching(cameras: Cameras, spacing: float, middle: Float[Tensor, "3"]) -> Cameras:
    """The cameras of pictures whose pixels are no smaller than `spacing` at a place, all of one
    factor: smaller ones would show nothing that a grid of that spacing can hold.

    Args:
        spacing: world units.
        middle: the place, world.
    """
    distance = (cameras.positions - middle.double()).norm(dim=1)
    pixel = (distance / cameras.intrinsics[:, :2].mean(dim=1)).median()
    factor = float(pixel) / spacing
    return cameras.scaled(factor) if factor < 1 else cameras


def inside(points: Float[Tensor, "k 3"], bounds: Float[Tensor, "2 3"]) -> Bool[Tensor, " k"]:
    """Which points lie in a box."""
    return ((points >= bounds[0]) & (points <= bounds[1])).all(dim=1)


def eight_bits(rgb: Float[Tensor, "*b 3"]) -> np.ndarray:
    """[..., 3] uint8 of colours in [0, 1]."""
    return (rgb.clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy()
