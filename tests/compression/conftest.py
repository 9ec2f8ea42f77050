"""What the tests of compression share: a ball of Gaussians, views of it, and it compressed."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from polyfield.cameras.poses import look_at
from polyfield.compression.neural_record import NeuralSplats
from polyfield.compression.neural_splats import Settings, compress
from polyfield.compression.photos import Renders
from polyfield.kernels.rasterize.records import PinholeView
from polyfield.renderers.splat import inverse_pose
from polyfield.splats.splats import HARMONICS, Splats

SIZE = 40  # of a picture


@pytest.fixture(scope="session")
def ball() -> Callable[..., Splats]:
    """n Gaussians on a unit sphere, flat on it; every other one small, dark and turned away."""

    def make(n: int = 1200, degree: int = 1, seed: int = 0) -> Splats:
        rng = np.random.default_rng(seed)
        normals = rng.normal(size=(n, 3))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        small = np.arange(n) % 2 == 1
        scales = np.full((n, 3), math.log(1.6 / math.sqrt(n)))
        scales[:, 2] -= 2
        scales[small] -= 0.7
        # From +z to the normal, about the axis between; the small ones along it.
        quats = np.stack([1 + normals[:, 2], -normals[:, 1], normals[:, 0], 0 * small], axis=1)
        quats[small] = (1, 0, 0, 0)
        color = 0.8 * np.sin(3 * normals) + 0.3
        color[small] -= 1.2
        rest = 0.1 * normals[:, None, :] * np.ones((1, HARMONICS[degree], 1))
        opacity = np.where(small, -1.0, 2.0)
        return Splats(0.9 * normals + [0.2, 0.1, 0], quats, scales, opacity, color, rest)

    return make


@pytest.fixture(scope="session")
def views() -> list[PinholeView]:
    """Cameras around it."""
    angle = torch.arange(6) * (2 * math.pi / 6)
    at = torch.stack([3 * angle.cos(), 3 * angle.sin(), (2 * angle).sin()], dim=1)
    poses = look_at(at, torch.zeros(1, 3), torch.tensor([0.0, 0.0, 1.0]))
    lens = (1.1 * SIZE, 1.1 * SIZE, SIZE / 2, SIZE / 2)
    return [PinholeView(inverse_pose(pose), lens, SIZE, SIZE) for pose in poses]


@pytest.fixture(scope="session")
def small(ball: Callable[..., Splats], views: list[PinholeView]) -> NeuralSplats:
    """The ball in three small networks."""
    splats = ball()
    settings = Settings(
        prune=0.2, recover_steps=2, clusters=3, width=16, layers=2, steps=60, finetune_steps=4
    )
    return compress(splats, Renders(splats, views), settings)


@pytest.fixture(scope="session")
def error_of(views: list[PinholeView]) -> Callable[[Splats, Splats], float]:
    """Mean squared difference of the pictures of two sets."""

    def error(a: Splats, b: Splats) -> float:
        pairs = zip(Renders(a, views).pictures, Renders(b, views).pictures)
        return float(torch.stack([(x - y).square().mean() for x, y in pairs]).mean())

    return error
