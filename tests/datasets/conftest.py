"""A world whose photos are known exactly, written in every format.

What lies around the cameras is a sphere of radius `FAR_AWAY` around the source frame's origin. A
photo shows at each pixel the direction in which it looks, as a colour; so a loader that mirrors,
transposes or shifts anything is found out by any pixel.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from polyfield.cameras import Cameras, Model
from polyfield.cameras.poses import look_at

N, WIDTH, HEIGHT = 10, 24, 16
FAR_AWAY = 10.0
FLIP_YZ = np.diag([1.0, -1.0, -1.0, 1.0])
DISTORTIONS = {
    "PINHOLE": [],
    "SIMPLE_RADIAL": [0.05],
    "OPENCV": [0.06, -0.03, 0.002, -0.001],
    "FULL_OPENCV": [0.06, -0.03, 0.002, -0.001, 0.01, 0.02, 0.01, 0.005],
    "OPENCV_FISHEYE": [0.02, -0.01, 0.003, 0.001],
    "THIN_PRISM_FISHEYE": [0.02, -0.01, 0.001, 0.002, 0.003, 0.001, 0.002, -0.001],
    "FOV": [0.3],
}
RATIONAL = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
MODEL_OF = {
    "PINHOLE": Model.PINHOLE,
    "SIMPLE_RADIAL": Model.OPENCV,
    "OPENCV": Model.OPENCV,
    "FULL_OPENCV": Model.OPENCV,
    "OPENCV_FISHEYE": Model.FISHEYE,
    "THIN_PRISM_FISHEYE": Model.THIN_PRISM_FISHEYE,
    "FOV": Model.FOV,
}


def ring_cameras(lens: str = "PINHOLE", n: int = N, focal: float = 20.0) -> Cameras:
    """n cameras around (1, 2, 3) in the source frame, whose up is an odd direction."""
    angle = torch.arange(n, dtype=torch.float64) * (2 * torch.pi / n)
    height = 0.8 + 0.1 * (torch.arange(n) % 3)
    ring = torch.stack([2 * angle.cos(), 2 * angle.sin(), height.double()], dim=1)
    q, _ = torch.linalg.qr(
        torch.randn(3, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    )
    rotation = q * torch.linalg.det(q)
    center = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    poses = look_at(ring @ rotation.T + center, center[None], rotation[:, 2])
    fy = focal if DISTORTIONS[lens] == [] or lens == "SIMPLE_RADIAL" else 1.05 * focal
    return Cameras(
        poses,
        torch.tensor([[focal, fy, WIDTH / 2, HEIGHT / 2]], dtype=torch.float64).repeat(n, 1),
        torch.tensor([[*DISTORTIONS[lens], 0.0]], dtype=torch.float64).repeat(n, 1),
        torch.full((n,), int(MODEL_OF[lens])),
        torch.tensor([[WIDTH, HEIGHT]]).repeat(n, 1),
    )


def photo(cameras: Cameras, i: int) -> np.ndarray:
    """[h,w,3] uint8: the direction in which each pixel looks, as a colour."""
    width, height = cameras.size[i].tolist()
    directions = cameras.image_rays(i).directions.reshape(height, width, 3).numpy()
    return np.round((0.5 + 0.5 * directions) * 255).astype(np.uint8)


def z_depth(cameras: Cameras, i: int) -> np.ndarray:
    """[h,w] float32: to the sphere of radius FAR_AWAY, along the optical axis."""
    width, height = cameras.size[i].tolist()
    rays = cameras.image_rays(i)
    toward = (rays.origins * rays.directions).sum(dim=1)
    inside = FAR_AWAY**2 - (rays.origins**2).sum(dim=1)
    depth = -toward + (toward**2 + inside).sqrt()
    assert rays.axis_cosine is not None
    return (depth * rays.axis_cosine).reshape(height, width).numpy()


def mask(cameras: Cameras, i: int) -> np.ndarray:
    """[h,w] uint8: valid but for a corner that depends on the image."""
    width, height = cameras.size[i].tolist()
    valid = np.full((height, width), 255, dtype=np.uint8)
    valid[: 4 + i % 3, : 6 + i % 2] = 0
    return valid


def opengl(cameras: Cameras, i: int) -> list[list[float]]:
    """The pose as `transform_matrix` has it."""
    pose = np.concatenate([cameras.world_from_camera[i].numpy(), [[0, 0, 0, 1.0]]])
    return (pose @ FLIP_YZ).tolist()


def save(path: Path, pixels: np.ndarray) -> None:
    """Write an image, and the folder that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def save_photos(folder: Path, cameras: Cameras, alpha: bool = False) -> list[str]:
    """Photos 000.png, 001.png, ... in a folder; transparent where `mask` is 0."""
    names = [f"{i:03d}.png" for i in range(len(cameras))]
    for i, name in enumerate(names):
        pixels = photo(cameras, i)
        if alpha:
            pixels = np.concatenate([pixels, mask(cameras, i)[..., None]], axis=2)
        save(folder / name, pixels)
    return names


def write_blender(folder: Path, cameras: Cameras) -> Path:
    """7 frames to train, 2 to test, 1 to validate, with alpha."""
    angle = 2 * np.arctan(WIDTH / 2 / float(cameras.intrinsics[0, 0]))
    parts = {"train": range(7), "test": range(7, 9), "val": range(9, len(cameras))}
    for split, part in parts.items():
        frames = []
        for i in part:
            pixels = np.concatenate([photo(cameras, i), mask(cameras, i)[..., None]], axis=2)
            save(folder / split / f"r_{i}.png", pixels)
            frames.append({"file_path": f"./{split}/r_{i}", "transform_matrix": opengl(cameras, i)})
        data = {"camera_angle_x": angle, "frames": frames}
        (folder / f"transforms_{split}.json").write_text(json.dumps(data, indent=1))
    return folder


def write_transforms(
    folder: Path, cameras: Cameras, lens: str = "PINHOLE", masks: bool = False, depths: bool = False
) -> Path:
    """A `transforms.json`, shared intrinsics; depths as 16-bit PNG in thousandths."""
    names = save_photos(folder / "images", cameras)
    fx, fy, cx, cy = cameras.intrinsics[0].tolist()
    data: dict[str, Any] = {
        **dict(zip(("w", "h"), cameras.size[0].tolist())),
        **{"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "camera_model": lens, "frames": []},
    }
    keys = (
        ("k1", "k2", "k3", "k4")
        if "FISHEYE" in lens
        else ["k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"]
    )
    data |= dict(zip(keys, DISTORTIONS[lens]))
    for i, name in enumerate(names):
        frame = {"file_path": f"images/{name}", "transform_matrix": opengl(cameras, i)}
        if masks:
            save(folder / "masks" / name, mask(cameras, i))
            frame["mask_path"] = f"masks/{name}"
        if depths:
            millimetres = np.round(z_depth(cameras, i) * 1000).astype(np.uint16)
            save(folder / "depths" / name, millimetres)
            frame["depth_file_path"] = f"depths/{name}"
        data["frames"].append(frame)
    (folder / "transforms.json").write_text(json.dumps(data, indent=1))
    return folder


def write_colmap(
    folder: Path, cameras: Cameras, lens: str = "PINHOLE", text: bool = False, masks: bool = False
) -> Path:
    """A reconstruction written by pycolmap, with 40 points on the far sphere.

    Its images stand in the opposite order of their names.
    """
    pycolmap = pytest.importorskip("pycolmap")
    names = save_photos(folder / "images", cameras)
    fx, fy, cx, cy = cameras.intrinsics[0].tolist()
    focal = [fx] if lens == "SIMPLE_RADIAL" else [fx, fy]
    model = pycolmap.Reconstruction()
    model.add_camera_with_trivial_rig(
        pycolmap.Camera(
            model=lens,
            width=WIDTH,
            height=HEIGHT,
            params=[*focal, cx, cy, *DISTORTIONS[lens]],
            camera_id=5,
        )
    )
    points = np.random.default_rng(0).normal(size=(40, 3))
    points *= FAR_AWAY / np.linalg.norm(points, axis=1, keepdims=True)
    projected = [cameras.project(i, torch.from_numpy(points)) for i in range(len(names))]
    for i, (name, (pixels, _, seen)) in enumerate(zip(names, projected)):
        pose = cameras.world_from_camera[i].numpy()
        rotation = pose[:, :3].T
        image = pycolmap.Image(name=name, camera_id=5, image_id=3 * (N - i))
        image.points2D = [pycolmap.Point2D(pixel) for pixel in pixels[seen].numpy()]
        model.add_image_with_trivial_frame(
            image, pycolmap.Rigid3d(pycolmap.Rotation3d(rotation), -rotation @ pose[:, 3])
        )
    for m, point in enumerate(points):
        track = pycolmap.Track()
        for i, (_, _, seen) in enumerate(projected):
            if seen[m]:
                track.add_element(3 * (N - i), int(seen[:m].sum()))
        model.add_point3D(point, track, np.array([m, 2 * m, 3 * m], dtype=np.uint8))
    if masks:
        for i, name in enumerate(names):
            save(folder / "masks" / f"{name}.png", mask(cameras, i))
    place = folder / "sparse" / "0"
    place.mkdir(parents=True)
    (model.write_text if text else model.write_binary)(place)
    return folder


def write_llff(folder: Path, cameras: Cameras, downscale: int = 1) -> Path:
    """`poses_bounds.npy` of cameras of `downscale` times the size of the photos."""
    save_photos(folder / ("images" if downscale == 1 else f"images_{downscale}"), cameras)
    x, y, z, position = cameras.world_from_camera.numpy().transpose(2, 0, 1)
    height, width = np.full((2, len(cameras)), [[HEIGHT * downscale], [WIDTH * downscale]])
    focal = cameras.intrinsics[:, 0].numpy() * downscale
    hwf = np.stack([height, width, focal], axis=1)
    rows = np.stack([y, x, -z, position, hwf], axis=2).reshape(-1, 15)
    bounds = np.tile([[4.0, 14.0]], (len(cameras), 1))
    np.save(folder / "poses_bounds.npy", np.concatenate([rows, bounds], axis=1))
    return folder


def npz_arrays(cameras: Cameras, alpha: bool = False) -> dict[str, np.ndarray]:
    """Our own format, everything in memory."""
    n = len(cameras)
    images = np.stack([photo(cameras, i) for i in range(n)])
    masks = np.stack([mask(cameras, i) for i in range(n)])
    arrays = {
        "world_from_camera": cameras.world_from_camera.numpy(),
        "intrinsics": cameras.intrinsics.numpy(),
        "distortion": cameras.distortion.numpy(),
        "model": np.array([Model(int(model)).name for model in cameras.model]),
        "images": images,
        "depths": np.stack([z_depth(cameras, i) for i in range(n)]),
    }
    if alpha:
        arrays["images"] = np.concatenate([images, masks[..., None]], axis=3)
    else:
        arrays["masks"] = masks
    return arrays


def write_npz(folder: Path, cameras: Cameras) -> Path:
    """Our own format as one file."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "scene.npz", **npz_arrays(cameras))
    return folder


class World:
    """The cameras, and what writes their photos in each format into a folder."""

    far_away = FAR_AWAY
    blender = staticmethod(write_blender)
    transforms = staticmethod(write_transforms)
    colmap = staticmethod(write_colmap)
    llff = staticmethod(write_llff)
    folder = staticmethod(write_npz)
    arrays = staticmethod(npz_arrays)
    photo = staticmethod(photo)
    mask = staticmethod(mask)
    z_depth = staticmethod(z_depth)
    save = staticmethod(save)
    save_photos = staticmethod(save_photos)

    def __init__(self, cameras: Cameras) -> None:
        self.cameras = cameras

    def seen_through(self, lens: str) -> World:
        """The same world with another lens."""
        return World(ring_cameras(lens))


@pytest.fixture(scope="session")
def world() -> World:
    """Ten cameras around a place, each with a photo of 24x16 pixels."""
    return World(ring_cameras())


@pytest.fixture
def edit() -> Callable[[Path, Callable[[dict], object]], None]:
    """Change a JSON file in place."""

    def change(path: Path, function: Callable[[dict], object]) -> None:
        data = json.loads(path.read_text())
        function(data)
        path.write_text(json.dumps(data))

    return change
