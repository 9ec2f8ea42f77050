"""A ball that is known exactly, as something that has been learned from photos."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from polyfield.cameras import Cameras
from polyfield.cameras.poses import look_at
from polyfield.export.meshes import Mesh
from polyfield.renderers.render import Render


def color_at(points: np.ndarray) -> np.ndarray:
    """sRGB of a place in the world."""
    return 0.5 + 0.3 * np.sin(2 * np.asarray(points) + [0, 1, 2])


class PaintedBall(torch.nn.Module):
    """A ball of radius 1 about the origin with `color_at` on it, and a shine that moves."""

    def image(
        self,
        cameras: Cameras,
        i: int,
        background: Tensor | None = None,
        modes: tuple[str, ...] = ("rgb",),
        appearance: Tensor | None = None,
    ) -> Render:
        assert not self.training
        rays = cameras.image_rays(i)
        o, d = rays.origins.double(), rays.directions.double()
        nearest = -(o * d).sum(dim=1)
        square = 1 - (o + nearest[:, None] * d).square().sum(dim=1)
        depth = nearest - square.clamp(min=0).sqrt()
        points = o + depth[:, None] * d
        hit = square > 0
        color = torch.from_numpy(color_at(points.numpy())) - 0.05 * (points * d).sum(1, True) - 0.05
        rgb = torch.where(hit[:, None], color, 0.0 if background is None else background.double())
        width, height = cameras.size[i].tolist()
        return Render(
            rgb.float().view(height, width, 3),
            hit.float().view(height, width),
            torch.where(hit, depth, 0.0).float().view(height, width),
        )


def around(n: int, size: int, seed: int, lowest: float = -1.0) -> Cameras:
    """n cameras that look at the ball from heights above `lowest`."""
    rng = np.random.default_rng(seed)
    height = rng.uniform(lowest, 0.95, n)
    angle = 2 * np.pi * (np.arange(n) + rng.random(n)) / n
    level = np.sqrt(1 - height**2)
    places = 3 * np.stack([level * np.cos(angle), level * np.sin(angle), height], axis=1)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    lens = torch.tensor([[1.2 * size, 1.2 * size, size / 2, size / 2]])
    return Cameras(
        look_at(torch.from_numpy(places), torch.zeros(1, 3, dtype=torch.float64), up),
        lens.repeat(n, 1),
        torch.zeros(n, 0),
        torch.zeros(n),
        torch.full((n, 2), size),
    )


@pytest.fixture
def painted() -> Any:
    """A task that has learned the ball from 24 views, and `test` views beside."""
    ball = PaintedBall()
    scene = SimpleNamespace(
        cameras=around(24, 48, 0), splits={"train": torch.arange(24)}, times=None
    )
    return SimpleNamespace(
        renderer=ball, scene=scene, module=ball, code=None, test=around(4, 48, 1), color_at=color_at
    )


@pytest.fixture
def ball_mesh() -> Callable[..., Mesh]:
    """A ball's surface of 1280 triangles, or four times as many for each level more."""

    def make(level: int = 3, normals: bool = True) -> Mesh:
        ball = trimesh.creation.icosphere(subdivisions=level)
        vertices = ball.vertices.astype(np.float32)
        return Mesh(vertices, ball.faces.astype(np.int32), vertices if normals else None)

    return make
