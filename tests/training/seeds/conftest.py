"""A small scene whose surface is known: a ball of radius 1 seen by a ring of cameras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from polyfield.datasets import Images, Scene


@pytest.fixture
def ball_scene(ball: Any) -> Callable[..., Scene]:
    """The scene, with whatever else is given."""

    def make(size: int = 32, n: int = 4, **given: Any) -> Scene:
        cameras = ball.ring(n, size)
        settings: dict[str, Any] = {
            "cameras": cameras,
            "images": Images.from_arrays(np.full((n, size, size, 3), 90, np.uint8)),
            "splits": {"train": torch.arange(n - 1), "test": torch.tensor([n - 1])},
            "source_from_world": torch.eye(4, dtype=torch.float64),
            "background": "none",
            "bounds": torch.tensor([[-1.0, -1, -1], [1, 1, 1]]),
            "unbounded": False,
            "near_far": (1.0, 6.0),
        }
        return Scene(**{**settings, **given})

    return make
