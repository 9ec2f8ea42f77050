"""Agreement with pycolmap, both directions, for every model that it has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pycolmap
import pytest
import torch

from polyfield.cameras import Cameras, Model
from polyfield.cameras.colmap import COLMAP_MODELS, NAMES, lens_from_colmap, parameter_count
from polyfield.cameras.models import direction_from_pixel
from polyfield.errors import InputError

WIDTH, HEIGHT = 640, 480
FOCAL = (510.0, 495.0)
CENTER = (322.5, 236.0)
DISTORTION: dict[str, Sequence[float]] = {
    "SIMPLE_RADIAL": (-0.12,),
    "RADIAL": (-0.12, 0.03),
    "OPENCV": (-0.25, 0.08, 0.0012, -0.0008),
    "OPENCV_FISHEYE": (-0.02, 0.003, -0.001, 0.0002),
    "FULL_OPENCV": (0.9, 0.3, 1e-3, -2e-3, 0.02, 1.2, 0.5, 0.08),
    "FOV": (0.9,),
    "SIMPLE_RADIAL_FISHEYE": (-0.03,),
    "RADIAL_FISHEYE": (-0.03, 0.01),
    "THIN_PRISM_FISHEYE": (-0.03, 0.004, 0.001, -0.002, -0.001, 0.0002, 0.003, -0.002),
    "RAD_TAN_THIN_PRISM_FISHEYE": (
        *(0.4, -0.45, 0.2, -0.06, 0.01, -1e-3),
        *(4e-4, -6e-4, 1e-3, -2e-4, 7e-4, 1e-4),
    ),
    "SIMPLE_DIVISION": (-0.2,),
    "DIVISION": (0.15,),
    "EUCM": (0.6, 1.1),
}


def _parameters(name: str) -> list[float]:
    entry = COLMAP_MODELS[name]
    if entry.model == Model.EQUIRECTANGULAR:
        return [WIDTH, HEIGHT]
    return [*FOCAL[: entry.focal_lengths], *CENTER, *DISTORTION.get(name, ())]


def _cameras(name: str) -> Cameras:
    model, intrinsics, distortion = lens_from_colmap(name, _parameters(name), (WIDTH, HEIGHT))
    return Cameras(
        torch.eye(3, 4)[None],
        torch.from_numpy(intrinsics)[None],
        torch.from_numpy(distortion)[None],
        torch.tensor([int(model)]),
        torch.tensor([[WIDTH, HEIGHT]]),
    )


@pytest.fixture(params=list(COLMAP_MODELS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_projection_agrees_with_pycolmap(name: str) -> None:
    theirs = pycolmap.Camera(
        model=name, width=WIDTH, height=HEIGHT, params=_parameters(name), camera_id=1
    )
    generator = torch.Generator().manual_seed(5)
    points = torch.rand(2000, 3, generator=generator, dtype=torch.float64) * 2 - 1
    if name != "EQUIRECTANGULAR":
        points[:, :2] *= 0.8
        points[:, 2] = 1 + 0.5 * points[:, 2]
    pixels, z_depth, valid = _cameras(name).project(0, points)
    expected = theirs.img_from_cam(points.numpy())
    inside = ((expected >= 0) & (expected <= [WIDTH, HEIGHT])).all(axis=1)
    apart = np.abs(pixels.numpy() - expected)[np.isfinite(expected).all(axis=1)]
    assert len(apart) > 1000
    assert apart.max() < 1e-6
    assert (z_depth == points[:, 2]).all()
    assert (valid.numpy() <= inside).all()
    assert valid.numpy().sum() >= 0.99 * inside.sum() > 100


def test_rays_agree_with_pycolmap(name: str) -> None:
    theirs = pycolmap.Camera(
        model=name, width=WIDTH, height=HEIGHT, params=_parameters(name), camera_id=1
    )
    model, intrinsics, distortion = lens_from_colmap(name, _parameters(name), (WIDTH, HEIGHT))
    generator = np.random.default_rng(6)
    pixels = generator.uniform(0.5, [WIDTH - 0.5, HEIGHT - 0.5], (300, 2))
    rays = [theirs.cam_ray_from_img(pixel) for pixel in pixels]
    seen = [(pixel, ray) for pixel, ray in zip(pixels, rays) if ray is not None]
    assert len(seen) > 250
    for pixel, ray in seen:
        ours = direction_from_pixel(model, *intrinsics, distortion, *pixel)
        assert np.abs(np.array(ours) - ray).max() * intrinsics[0] < 1e-3


def test_the_table_is_colmaps() -> None:
    theirs = {
        key: int(value)
        for key, value in pycolmap.CameraModelId.__members__.items()
        if key != "INVALID"
    }
    assert {name: entry.number for name, entry in COLMAP_MODELS.items()} == theirs
    for name, number in theirs.items():
        camera = pycolmap.Camera.create_from_model_name(1, name, 500.0, WIDTH, HEIGHT)
        assert parameter_count(name) == len(camera.params)
        assert NAMES[number] == name


def test_unknown_models_and_wrong_counts_are_refused() -> None:
    with pytest.raises(InputError, match="FISH_BOWL"):
        lens_from_colmap("FISH_BOWL", [1.0], (4, 4))
    with pytest.raises(InputError, match="found 3, expected 4"):
        lens_from_colmap("PINHOLE", [1.0, 2.0, 3.0], (4, 4))
