"""Photos of a corner of a room papered with noise, whose cameras are known."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from polyfield.cameras.poses import look_at

SIDE = 2.0  # of the room
WALLS = 3


@cache
def noise(seed: int, n: int = 384) -> np.ndarray:
    """A picture [n,n,3] of spots of all sizes, in [0,1]."""
    draw = np.random.default_rng(seed).normal(size=(n, n, 3))
    layers = [gaussian_filter(draw, (s, s, 0), mode="wrap") * s for s in (1.0, 2.5, 6.0, 15.0)]
    return np.clip(0.5 + 0.55 * sum(layers), 0, 1)


def positions(n: int) -> np.ndarray:
    """Where n photos are taken from, [n,3]: an arc that rises and falls before the corner."""
    angle = np.radians(np.linspace(15, 75, n))
    height = 0.9 + 0.35 * np.sin(np.linspace(0, 2 * np.pi, n))
    return np.stack([2.2 * np.cos(angle), 2.2 * np.sin(angle), height], axis=1)


def photo(world_from_camera: np.ndarray, focal: float, size: tuple[int, int]) -> np.ndarray:
    """What a pinhole sees of the corner at the origin, [h,w,3] uint8.

    Args:
        size: width and height.
    """
    width, height = size
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    local = np.stack([(x - width / 2) / focal, (y - height / 2) / focal, np.ones_like(x)], axis=-1)
    d, p = local @ world_from_camera[:, :3].T, world_from_camera[:, 3]
    with np.errstate(divide="ignore"):
        t = np.where(d < 0, -p / d, np.inf)
    wall = t.argmin(axis=-1)
    hit = p + d * t.min(axis=-1)[..., None]
    picture = np.zeros((height, width, 3))
    for k in range(WALLS):
        u, v = (hit[..., axis] / SIDE for axis in range(3) if axis != k)
        texture = noise(k)
        at = np.stack([u, v]) * (texture.shape[0] - 1)
        for c in range(3):
            seen = map_coordinates(texture[..., c], at, order=1, mode="mirror")
            picture[..., c] = np.where(wall == k, seen, picture[..., c])
    return np.rint(picture * 255).astype(np.uint8)


@pytest.fixture
def corner() -> Callable[..., np.ndarray]:
    """Write n photos of the corner into a folder; their positions [n,3]."""

    def write(
        folder: Path, n: int = 12, size: tuple[int, int] = (240, 180), focal: float = 230.0
    ) -> np.ndarray:
        folder.mkdir(parents=True, exist_ok=True)
        places = torch.from_numpy(positions(n))
        target = torch.tensor([[0.4, 0.4, 0.4]], dtype=torch.float64)
        up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
        for i, pose in enumerate(look_at(places, target, up).numpy(), 1):
            Image.fromarray(photo(pose, focal, size)).save(folder / f"{i}.png")
        return places.numpy()

    return write
