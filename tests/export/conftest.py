"""A ball whose place in the user's data is known, shown by a renderer that makes no errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from polyfield.cameras import Cameras
from polyfield.cameras.poses import look_at
from polyfield.cameras.similarity import random_rotation
from polyfield.datasets.images import Images
from polyfield.datasets.scene import Scene
from polyfield.renderers.render import Render
from polyfield.training.photo_task import PhotoTask

CENTER, RADIUS = (20.0, -7.0, 3.0), 5.0  # of the ball, in the frame and units of the data
SCALE = 10.0  # units of the data in one of the world
SIZE = 64


class BallRenderer:
    """Traces the ball; a hue for each axis of the data's frame that its surface looks along."""

    def __init__(self, source_from_world: Tensor, opacity: float = 1.0) -> None:
        self.source_from_world, self.opacity = source_from_world.double(), opacity
        self.asked: list[tuple[int, int]] = []

    def image(
        self,
        cameras: Cameras,
        i: int,
        background: Tensor | None = None,
        modes: tuple[str, ...] = ("rgb",),
        appearance: Tensor | None = None,
    ) -> Render:
        width, height = cameras.size[i].tolist()
        self.asked.append((width, height))
        rays = cameras[i].transformed(self.source_from_world).image_rays(0)
        origins, along = rays.origins.double(), rays.directions.double()
        to_center = torch.tensor(CENTER).double() - origins
        middle = (to_center * along).sum(dim=1)
        square = RADIUS**2 - (to_center.square().sum(dim=1) - middle**2)
        hit = square > 0
        distance = torch.where(hit, middle - square.clamp(min=0).sqrt(), 0.0)
        outward = (origins + distance[:, None] * along - torch.tensor(CENTER).double()) / RADIUS
        outward = torch.where(hit[:, None], outward, 0.0)
        turn = self.source_from_world[:3, :3] / SCALE
        opacity = (hit * self.opacity).float().view(height, width)
        depth = (distance / SCALE).float().view(height, width)
        return Render(
            rgb=torch.where(hit[:, None], 0.5 + 0.5 * outward, 1.0).float().view(height, width, 3),
            opacity=opacity,
            depth=depth,
            median_depth=torch.where(opacity > 0.5, depth, 0.0) if "median" in modes else None,
            normals=(outward @ turn).float().view(height, width, 3) if "normal" in modes else None,
        )


class BallTask(PhotoTask):
    """What exports need of a task, without a training."""

    def __init__(self, scene: Scene, renderer: BallRenderer) -> None:
        self.scene, self.renderer = scene, renderer  # type: ignore[assignment]

    background = None  # type: ignore[assignment]
    code = None  # type: ignore[assignment]


def ball_task(opacity: float = 1.0, n: int = 24) -> BallTask:
    """Seen from all around."""
    source_from_world = torch.eye(4, dtype=torch.float64)
    source_from_world[:3, :3] = SCALE * random_rotation(3)
    source_from_world[:3, 3] = torch.tensor([15.0, -5.0, 2.0])
    i = torch.arange(n, dtype=torch.float64)
    z = 1 - 2 * (i + 0.5) / n
    around, level = 2.4 * i, (1 - z * z).sqrt()
    arms = torch.stack([level * around.cos(), level * around.sin(), z], dim=1)
    center = torch.tensor([CENTER]).double()
    poses = look_at(center + 25 * arms, center, torch.tensor([0.1, 0.2, 1.0]))
    intrinsics = torch.tensor([[1.8 * SIZE, 1.8 * SIZE, SIZE / 2, SIZE / 2]]).repeat(n, 1)
    sizes = torch.full((n, 2), SIZE)
    cameras = Cameras(poses, intrinsics, torch.zeros(n, 0), torch.zeros(n), sizes)
    middle = torch.linalg.inv(source_from_world) @ torch.tensor([*CENTER, 1.0]).double()
    names = [f"photos/{k:02}.png" for k in range(n)]
    blank = np.zeros((SIZE, SIZE, 3), np.uint8)
    scene = Scene(
        cameras=cameras.transformed(torch.linalg.inv(source_from_world)),
        images=Images(names, sizes.numpy(), 3, lambda k: blank),
        splits={"train": torch.arange(n - 2), "test": torch.arange(n - 2, n)},
        source_from_world=source_from_world,
        background="none",
        bounds=torch.stack([middle[:3] - 0.7, middle[:3] + 0.8]).float(),
        unbounded=False,
        near_far=(0.1, 10.0),
    )
    return BallTask(scene, BallRenderer(source_from_world, opacity))


@pytest.fixture
def make_ball() -> Callable[..., BallTask]:
    """Tasks that have learned the ball."""
    return ball_task


@pytest.fixture
def off_ball() -> Callable[[np.ndarray], np.ndarray]:
    """Signed distances of points in the data's frame to the ball, in radii."""
    return lambda points: np.linalg.norm(points - np.array(CENTER), axis=1) / RADIUS - 1
