"""Camera paths to render along: around the contents, a sway before them, and through given poses.

All take cameras of a scene, for where they stand and for their lens, and give n cameras in the
same world, whose +z is up unless said otherwise. Path cameras have the size of the first camera,
square pixels and no distortion; spherical ones stay spherical.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.cameras.cameras import Cameras
from polyfield.cameras.models import Model
from polyfield.cameras.poses import look_at, meeting_point
from polyfield.errors import InputError

UP = (0.0, 0.0, 1.0)


def orbit(
    cameras: Cameras,
    n: int,
    *,
    center: Float[Tensor, "3"] | None = None,
    up: tuple[float, float, float] = UP,
) -> Cameras:
    """A level circle around what the cameras look at, at their mean height and distance.

    Where most cameras look away from each other, a turn on the spot. The path is closed: the frame
    after the last is the first.

    Args:
        cameras: of the scene.
        n: how many.
        center: what to look at, world; by default where the optical axes meet.
        up: the axis of the circle.
    """
    axis = _unit(torch.tensor(up, dtype=torch.float64))
    first = cameras.positions[0]
    if center is None:
        center, in_front = meeting_point(cameras)
    else:
        in_front = 1.0
    center = center.double()
    looks_inward = in_front > 0.5
    pivot = center if looks_inward else cameras.positions.mean(dim=0)
    arms = cameras.positions - pivot
    heights = arms @ axis
    radius = (arms - heights[:, None] * axis).norm(dim=-1).mean()
    # The mean of positions lies within their sphere: go back out to the mean distance.
    stretch = arms.norm(dim=-1).mean() / torch.hypot(radius, heights.mean()).clamp(min=1e-12)
    start = first - pivot if looks_inward else cameras.world_from_camera[0, :, 2]
    ahead, aside = _level_axes(start, axis)
    angle = 2 * math.pi * torch.arange(n, dtype=torch.float64)[:, None] / n
    ring = torch.cos(angle) * ahead + torch.sin(angle) * aside
    if not looks_inward:
        return _along(cameras, look_at(pivot.expand(n, 3), pivot + ring, axis))
    positions = pivot + stretch * (radius * ring + heights.mean() * axis)
    return _along(cameras, look_at(positions, pivot[None], axis))


def spiral(cameras: Cameras, n: int, *, turns: int = 2, reach: float = 0.5) -> Cameras:
    """A closed sway around the mean camera, looking at one point (the path of LLFF).

    Args:
        cameras: of the scene, looking about the same way.
        n: how many.
        turns: around the optical axis.
        reach: how far it goes, in parts of how far the cameras spread.
    """
    poses = cameras.world_from_camera
    forward = _unit(poses[:, :, 2].mean(dim=0))
    up = -poses[:, :, 1].mean(dim=0)
    middle = cameras.positions.mean(dim=0)
    right, down, _ = look_at(middle[None], (middle + forward)[None], up)[0, :, :3].unbind(dim=1)
    frame = torch.stack([right, down, forward], dim=1)
    spread = ((cameras.positions - middle) @ frame).abs().quantile(0.9, dim=0)
    point, in_front = meeting_point(cameras)
    distance = float((point - middle) @ forward)
    if in_front < 0.5 or distance <= 0:
        distance = 10 * float(spread.max()) or 1.0
    angle = 2 * math.pi * turns * torch.arange(n, dtype=torch.float64) / n
    sway = torch.stack([torch.cos(angle), torch.sin(angle), torch.sin(angle / turns)], dim=1)
    positions = middle + (reach * spread * sway) @ frame.T
    return _along(cameras, look_at(positions, (middle + distance * forward)[None], up))


def interpolate(cameras: Cameras, n: int) -> Cameras:
    """A smooth path through the poses of the cameras in their order, from first to last.

    Positions follow monotone cubics, which do not overshoot; rotations a spline of least angular
    acceleration. The focal length follows likewise, in parts of the picture's size, so that a
    picture on its side or of another resolution is no zoom.

    Args:
        cameras: through which to go; all of them spherical or none.
        n: how many.

    Raises:
        InputError: where spherical cameras are mixed with others, for none lies between them.
    """
    from scipy.interpolate import PchipInterpolator
    from scipy.spatial.transform import Rotation, RotationSpline

    is_spherical = cameras.model == Model.EQUIRECTANGULAR
    if bool(is_spherical.any()) and not bool(is_spherical.all()):
        names = sorted({Model(number).name for number in cameras.model.tolist()})
        raise InputError(
            field="cameras of the path",
            found=", ".join(names),
            expected="all EQUIRECTANGULAR, or none",
        )
    key_times = np.arange(len(cameras))
    if len(cameras) == 1:
        return _along(cameras, cameras.world_from_camera.expand(n, 3, 4))
    times = np.linspace(0, len(cameras) - 1, n)
    poses = cameras.world_from_camera.numpy()
    positions = PchipInterpolator(key_times, poses[:, :, 3])(times)
    rotations = RotationSpline(key_times, Rotation.from_matrix(poses[:, :, :3]))(times).as_matrix()
    path = torch.from_numpy(np.concatenate([rotations, positions[:, :, None]], axis=2))
    zoom = (_focal_length(cameras) / cameras.size.double().prod(dim=1).sqrt()).log()
    ratio = PchipInterpolator(key_times, (zoom - zoom[0]).numpy())(times)
    return _along(cameras, path, torch.from_numpy(np.exp(ratio)))


def _focal_length(cameras: Cameras) -> Float[Tensor, " n"]:
    """The one focal length, in pixels, that stands for two: their geometric mean."""
    return cameras.intrinsics[:, :2].prod(dim=1).sqrt()


def _along(
    cameras: Cameras, poses: Float[Tensor, "n 3 4"], zoom: Float[Tensor, " n"] | None = None
) -> Cameras:
    """Cameras at the poses with the lens of the first: its pixels squared, its distortion left out.

    Args:
        zoom: focal lengths in terms of the first camera's; of no meaning to spherical ones.
    """
    n, first = len(poses), cameras[0]
    is_spherical = int(first.model[0]) == Model.EQUIRECTANGULAR
    intrinsics = first.intrinsics.repeat(n, 1)
    if not is_spherical:
        zoom = torch.ones(n, dtype=torch.float64) if zoom is None else zoom
        intrinsics[:, :2] = (_focal_length(first) * zoom)[:, None]
    return Cameras(
        poses,
        intrinsics,
        torch.zeros(n, 0),
        torch.full((n,), int(Model.EQUIRECTANGULAR if is_spherical else Model.PINHOLE)),
        first.size.expand(n, 2),
    )


def _unit(vector: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vector, dim=-1)


def _level_axes(start: Tensor, axis: Tensor) -> tuple[Tensor, Tensor]:
    """Two axes of the plane across `axis`, the first towards `start` where that is possible."""
    ahead = start - (start @ axis) * axis
    if float(ahead.norm()) < 1e-9:
        ahead = torch.eye(3, dtype=axis.dtype)[int(axis.abs().argmin())]
        ahead = ahead - (ahead @ axis) * axis
    ahead = _unit(ahead)
    return ahead, torch.linalg.cross(axis, ahead)
