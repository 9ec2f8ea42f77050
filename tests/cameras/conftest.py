"""The lenses that camera tests try: for each model, plausible parameters and how far it sees."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch

from polyfield.cameras import Cameras, Model


class Lens(NamedTuple):
    """One lens of 640x480 pixels; `reach` is the largest angle off axis that is surely mapped."""

    name: str
    model: Model
    distortion: tuple[float, ...]
    reach: float
    intrinsics: tuple[float, float, float, float] = (500.0, 510.0, 322.0, 238.0)


LENSES = [
    Lens("pinhole", Model.PINHOLE, (), 1.2),
    Lens("barrel", Model.OPENCV, (-0.28, 0.09, 0.001, -0.0007, -0.012), 0.8),
    Lens("phone", Model.OPENCV, (0.05, -0.06, -0.0013, 0.0005, 0.02), 0.7),
    Lens("rational", Model.OPENCV, (0.9, 0.3, 1e-3, -2e-3, 0.02, 1.2, 0.5, 0.08), 0.9),
    Lens(
        "fisheye", Model.FISHEYE, (-0.02, 0.003, -0.001, 0.0002), 1.9, (200.0, 205.0, 322.0, 238.0)
    ),
    Lens("equidistant", Model.FISHEYE, (), 3.1, (100.0, 100.0, 322.0, 238.0)),
    Lens(
        "sphere",
        Model.EQUIRECTANGULAR,
        (),
        math.pi,
        (320 / math.pi, 480 / math.pi, 320.0, 240.0),
    ),
    Lens("fov", Model.FOV, (0.9,), 1.2),
    Lens(
        "thin prism",
        Model.THIN_PRISM_FISHEYE,
        (-0.03, 0.004, 0.001, -0.002, -0.001, 0.0002, 0.003, -0.002),
        1.6,
        (200.0, 205.0, 322.0, 238.0),
    ),
    Lens(
        "aria",
        Model.RAD_TAN_THIN_PRISM_FISHEYE,
        (0.4, -0.45, 0.2, -0.06, 0.01, -1e-3, 4e-4, -6e-4, 1e-3, -2e-4, 7e-4, 1e-4),
        1.3,
        (240.0, 240.0, 322.0, 238.0),
    ),
    Lens("division", Model.DIVISION, (-0.2,), 1.1, (300.0, 310.0, 322.0, 238.0)),
    Lens("unified", Model.EUCM, (0.6, 1.1), 1.6, (250.0, 250.0, 322.0, 238.0)),
]


@pytest.fixture(scope="session", params=LENSES, ids=lambda lens: lens.name)
def lens(request: pytest.FixtureRequest) -> Lens:
    """Each lens in turn."""
    return request.param


@pytest.fixture(scope="session")
def poses() -> torch.Tensor:
    """[5,3,4] float64, rotations and positions of all kinds."""
    generator = torch.Generator().manual_seed(1)
    q, _ = torch.linalg.qr(torch.randn(5, 3, 3, generator=generator, dtype=torch.float64))
    rotation = q * torch.linalg.det(q)[:, None, None]
    position = torch.randn(5, 3, 1, generator=generator, dtype=torch.float64)
    return torch.cat([rotation, position], dim=2)


@pytest.fixture(scope="session")
def cameras_of() -> Callable[[Lens, torch.Tensor], Cameras]:
    """Cameras with one lens at given poses."""

    def make(lens: Lens, world_from_camera: torch.Tensor) -> Cameras:
        n = len(world_from_camera)
        return Cameras(
            world_from_camera,
            torch.tensor([lens.intrinsics], dtype=torch.float64).repeat(n, 1),
            torch.tensor([lens.distortion], dtype=torch.float64).repeat(n, 1),
            torch.full((n,), int(lens.model)),
            torch.tensor([[640, 480]]).repeat(n, 1),
        )

    return make
