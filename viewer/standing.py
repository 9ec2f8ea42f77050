"""Where a browser's camera stands: taken from cameras, and put where a camera is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from polyfield.cameras import Cameras
from polyfield.cameras.models import Model
from polyfield.cameras.poses import meeting_point
from polyfield.kernels.quaternions import rotation_from_quaternion
from polyfield.viewer.pace import Size
from polyfield.viewer.viewed import Viewed

ANGLES = (5.0, 150.0)  # degrees across the height that a page can show


def stand(client: Any, camera: Cameras, viewed: Viewed) -> None:
    """Put a browser's camera where the first of some cameras is."""
    pose = camera.world_from_camera[0].numpy()
    with client.atomic():
        client.camera.fov = vertical_angle(camera)
        client.camera.position = pose[:, 3]
        client.camera.up_direction = -pose[:, 1]
        client.camera.look_at = aim(viewed, camera)


def aim(viewed: Viewed, camera: Cameras) -> Float[np.ndarray, "3"]:
    """The point before a camera around which it can be turned."""
    pose = camera.world_from_camera[0].numpy()
    position, ahead = pose[:, 3], pose[:, 2]
    middle = viewed.bounds.mean(dim=0).numpy()
    if viewed.seen is not None and len(viewed.seen) > 1:
        center, in_front = meeting_point(viewed.seen)
        middle = center.numpy() if in_front > 0.5 else middle
    distance = max(float((middle - position) @ ahead), 0.1 * viewed.size, 1e-6)
    found: np.ndarray = position + distance * ahead
    return found


def vertical_angle(camera: Cameras) -> float:
    """The field of view across the height of the first camera's picture, radians."""
    height, focal = float(camera.size[0, 1]), float(camera.intrinsics[0, 1])
    angle = 2 * math.atan(height / 2 / max(focal, 1e-9))
    return min(max(angle, math.radians(ANGLES[0])), math.radians(ANGLES[1]))


def camera_of(pose: Any, size: Size, time: float | None = None) -> Cameras:
    """Where a browser looks from, as a pinhole camera.

    Args:
        pose: with `wxyz` (axes +x right, +y down, +z forward), `position` and `fov`, the vertical
            angle in radians.
        size: of the picture.
        time: of a scene that moves.
    """
    width, height = size
    wxyz = torch.as_tensor(np.asarray(pose.wxyz, dtype=np.float64))
    turn = rotation_from_quaternion(wxyz)
    position = torch.as_tensor(np.asarray(pose.position, dtype=np.float64))
    focal = height / 2 / math.tan(pose.fov / 2)
    return Cameras(
        torch.cat([turn, position[:, None]], dim=1)[None],
        torch.tensor([[focal, focal, width / 2, height / 2]], dtype=torch.float64),
        torch.zeros(1, 0),
        torch.tensor([int(Model.PINHOLE)]),
        torch.tensor([[width, height]]),
        None if time is None else torch.tensor([time], dtype=torch.float64),
    )
