"""The normalised world frame of a capture: up is +z, the contents of interest lie in [-1,1]^3.

Letters: n cameras, m points; d optical axes, p positions. Three kinds of captures are told apart by
their cameras alone:

- *inward*: optical axes meet in front of the cameras. The place where they meet becomes the origin,
  the ring of cameras the unit ball; with alpha the unit ball is what the images show of the object.
- *forward*: cameras stand together and look the same way. The origin lies before them, at the
  geometric mean of the nearest and farthest content, and the nearest content touches the box.
- *outward*: cameras look away from each other. The origin is in their middle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.cameras.poses import meeting_point
from polyfield.cameras.similarity import apply_similarity, random_rotation
from polyfield.datasets.capture import Capture

SAME_WAY = 0.93  # the mean of unit optical axes is longer than this: they look forward
IN_FRONT = 0.7  # this part of the cameras must see the meeting point for it to count
RING = 0.9  # this quantile of the distances of cameras is the unit of length
LEVEL_WIDTH = 0.02  # least mean square of level axes that are said to span a plane
LEVEL_ENOUGH = 0.1  # a mean view whose level part is shorter says nothing
NEAR, FAR = 0.1, 100.0  # in the normalised world, where the data does not say
UNIT_BOX = np.array([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])


@dataclass(frozen=True)
class Placed:
    """A capture's frame.

    Attributes:
        world_from_source: similarity [4,4].
        scale: world units in a source unit.
        bounds, unbounded, near_far, points: as in Scene.
    """

    world_from_source: Float[Tensor, "4 4"]
    scale: float
    bounds: Float[Tensor, "2 3"]
    unbounded: bool
    near_far: tuple[float, float]
    points: Float[Tensor, "m 3"] | None


def turned(placed: Placed, seed: int) -> Placed:
    """The same, turned about the middle of its box by a rotation drawn uniformly with this seed.

    The box stays: contents are taken to lie in the ball inside of it.

    Raises:
        InputError: for a seed below 0 or above 2^32 - 1.
    """
    middle = placed.bounds.double().mean(dim=0)
    turn = torch.eye(4, dtype=torch.float64)
    turn[:3, :3] = random_rotation(seed, "rotate")
    turn[:3, 3] = middle - turn[:3, :3] @ middle
    points = placed.points
    return replace(
        placed,
        world_from_source=turn @ placed.world_from_source,
        points=None if points is None else apply_similarity(turn, points),
    )


def normalise(capture: Capture, cut_out: bool) -> Placed:
    """Choose the frame of a capture.

    Args:
        capture: in its source frame.
        cut_out: whether images show an object cut out from its surroundings.
    """
    poses = capture.cameras.world_from_camera.numpy()
    bounds = UNIT_BOX if capture.bounds is None else capture.bounds
    unbounded = not cut_out if capture.unbounded is None else capture.unbounded
    if capture.keep_frame:
        matrix = np.eye(4)
    else:
        center, radius = _center_and_radius(capture, unbounded)
        matrix = np.eye(4)
        matrix[:3, :3] = _upright(poses) / radius
        matrix[:3, 3] = -matrix[:3, :3] @ center
    scale = float(np.cbrt(np.linalg.det(matrix[:3, :3])))
    points = None
    if capture.points is not None:
        points = torch.from_numpy(
            (capture.points @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)
        )
    positions = poses[:, :, 3] @ matrix[:3, :3].T + matrix[:3, 3]
    if unbounded:
        near_far = _depth_limits(capture, scale)
    elif capture.depth_range is not None:
        near, far = capture.depth_range[:, 0].min(), capture.depth_range[:, 1].max()
        near_far = (float(near) * scale, float(far) * scale)
    else:
        near_far = _distances_to_box(positions, bounds)
    return Placed(
        torch.from_numpy(matrix),
        scale,
        torch.from_numpy(bounds).float(),
        unbounded,
        near_far,
        points,
    )


def _upright(poses: np.ndarray) -> np.ndarray:
    """A rotation [3,3] that turns up to +z, and the mean view, or the first, to +y.

    Up is what the images call up. The axes of theirs that are level span a plane when cameras go
    around something; its normal says best what is vertical. Where that is so for their y axes much
    more than for their x axes, the photos are stored sideways, and cameras are taken to look down.
    """
    x, y, d = poses[:, :, 0], poses[:, :, 1], poses[:, :, 2]
    forward = d.mean(axis=0)
    up = -y.mean(axis=0)
    normal, thickness, width = _plane(x)
    normal_of_y, thickness_of_y, width_of_y = _plane(y)
    if width_of_y > LEVEL_WIDTH and thickness_of_y < 0.25 * thickness:
        up = normal_of_y * (-1.0 if normal_of_y @ forward > 0 else 1.0)
    elif (width > LEVEL_WIDTH and thickness < 0.1 * width) or np.linalg.norm(up) < 1e-6:
        up = normal * (1.0 if normal @ up >= 0 else -1.0)
    up = up / np.linalg.norm(up)
    # The first of these that is level enough; of a camera's two axes one always is.
    for ahead in (forward, d[0], -y[0]):
        ahead = ahead - (ahead @ up) * up
        if np.linalg.norm(ahead) > LEVEL_ENOUGH:
            break
    ahead = ahead / np.linalg.norm(ahead)
    return np.stack([np.cross(ahead, up), ahead, up])


def _plane(axes: np.ndarray) -> tuple[np.ndarray, float, float]:
    """The plane that unit vectors [n,3] span: its normal, mean squares off it and least in it."""
    spread, directions = np.linalg.eigh(axes.T @ axes / len(axes))
    return directions[:, 0], float(spread[0]), float(spread[1])


def _center_and_radius(capture: Capture, unbounded: bool) -> tuple[np.ndarray, float]:
    """What becomes the origin, and the source length that becomes one unit."""
    poses = capture.cameras.world_from_camera.numpy()
    p, d = poses[:, :, 3], poses[:, :, 2]
    point, in_front = meeting_point(capture.cameras)
    meeting = point.numpy()
    looks = d.mean(axis=0)
    spread = float(np.linalg.norm(p - p.mean(axis=0), axis=1).max())
    if np.linalg.norm(looks) > SAME_WAY:
        near, far = _content_depths(capture, p.mean(axis=0), looks, meeting, spread)
        middle = float(np.sqrt(near * far))
        center = p.mean(axis=0) + looks / np.linalg.norm(looks) * middle
        return center, _length(middle - near, middle)
    if in_front >= IN_FRONT:
        distances = np.linalg.norm(p - meeting, axis=1)
        radius = float(np.quantile(distances, RING))
        return meeting, _length(radius if unbounded else radius * _half_view(capture), spread)
    return p.mean(axis=0), _length(spread, 1.0)


def _length(value: float, instead: float) -> float:
    """A length to divide by; `instead`, or 1, where cameras all stand in one place."""
    return next((length for length in (value, instead) if length > 1e-9), 1.0)


def _half_view(capture: Capture) -> float:
    """The tangent of half the widest angle of view, at most that of a right angle."""
    size, focal = capture.cameras.size.numpy(), capture.cameras.intrinsics[:, :2].numpy()
    return float(min(1.0, np.median((0.5 * size / focal).max(axis=1))))


def _content_depths(
    capture: Capture, eye: np.ndarray, looks: np.ndarray, meeting: np.ndarray, spread: float
) -> tuple[float, float]:
    """Nearest and farthest content before cameras that look the same way, source units."""
    axis = looks / np.linalg.norm(looks)
    if capture.depth_range is not None:
        near, far = float(capture.depth_range[:, 0].min()), float(capture.depth_range[:, 1].max())
    elif capture.points is not None and len(capture.points):
        depths = (capture.points - eye) @ axis
        depths = depths[depths > 0] if (depths > 0).any() else np.ones(1)
        near, far = (float(depth) for depth in np.quantile(depths, (0.01, 0.95)))
    else:
        distance = max(float((meeting - eye) @ axis), 4 * spread)
        near, far = 0.5 * distance, 2 * distance
    return near, max(far, 1.5 * near)


def _depth_limits(capture: Capture, scale: float) -> tuple[float, float]:
    """Distances along rays in the world that leave out what is too near to be content."""
    if capture.depth_range is not None:
        near, far = capture.depth_range[:, 0].min(), capture.depth_range[:, 1].max()
        return 0.9 * float(near) * scale, 4 * float(far) * scale
    if capture.points is not None and capture.point_views is not None and len(capture.point_views):
        point, image = capture.point_views.T
        poses = capture.cameras.world_from_camera.numpy()[image]
        depths = ((capture.points[point] - poses[:, :, 3]) * poses[:, :, 2]).sum(axis=1) * scale
        return float(np.clip(0.5 * np.quantile(depths, 0.01), 0.1 * NEAR, 5 * NEAR)), FAR
    return NEAR, FAR


def _distances_to_box(p: np.ndarray, bounds: np.ndarray) -> tuple[float, float]:
    """The least distance from a camera to the box and the largest to one of its corners."""
    outside = np.maximum(np.maximum(bounds[0] - p, p - bounds[1]), 0)
    reach = np.maximum(np.abs(p - bounds[0]), np.abs(p - bounds[1]))
    nearest = float(np.linalg.norm(outside, axis=1).min())
    diagonal = float(np.linalg.norm(bounds[1] - bounds[0]))
    return max(nearest, 0.01 * diagonal), float(np.linalg.norm(reach, axis=1).max())
