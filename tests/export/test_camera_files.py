"""Cameras that are written are those that our own loaders read, lenses and frames and all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from polyfield.cameras import Cameras, Model
from polyfield.datasets import load_scene
from polyfield.errors import InputError
from polyfield.export.camera_files import at_photo_size, paths_of, photo_folder, write_transforms
from polyfield.export.colmap_files import Sparse, write_model

LENSES = {
    Model.PINHOLE: [],
    Model.OPENCV: [0.06, -0.03, 0.002, -0.001],
    Model.FISHEYE: [0.02, -0.01, 0.003, 0.001],
    Model.FOV: [0.3],
    Model.THIN_PRISM_FISHEYE: [0.02, -0.01, 0.001, 0.002, 0.003, 0.001, 0.002, -0.001],
}
RATIONAL = [0.06, -0.03, 0.002, -0.001, 0.01, 0.02, 0.01, 0.005]


def with_lens(cameras: Cameras, model: Model, distortion: list[float]) -> Cameras:
    n = len(cameras)
    columns = torch.tensor([[*distortion, 0.0]], dtype=torch.float64).repeat(n, 1)
    return replace(cameras, model=torch.full((n,), int(model)), distortion=columns)


def photos(folder: Path, names: list[str], size: tuple[int, int]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, "teal").save(folder / name)


def same(found: Cameras, right: Cameras, order: list[int]) -> None:
    for name in ("world_from_camera", "intrinsics", "distortion"):
        a, b = getattr(found, name), getattr(right, name)[order]
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    assert torch.equal(found.model, right.model[order])
    assert torch.equal(found.size, right.size[order])


def source_cameras(path: Path, format: str) -> tuple[Cameras, list[str], dict[str, list[str]]]:
    """What our loader makes of a file, back in its own frame."""
    scene = load_scene(path, format)
    names = list(scene.images.names)
    splits = {k: [names[int(i)] for i in part] for k, part in scene.splits.items()}
    return scene.cameras.transformed(scene.source_from_world), names, splits


@pytest.mark.parametrize(
    ("model", "distortion"),
    [*list(LENSES.items())[:3], (Model.OPENCV, RATIONAL)],
)
def test_transforms_come_back(
    make_ball: Callable, tmp_path: Path, model: Model, distortion: list[float]
) -> None:
    scene = make_ball(n=10).scene
    cameras = with_lens(scene.cameras.transformed(scene.source_from_world), model, distortion)
    names = list(scene.images.names)
    photos(tmp_path, names, (64, 64))
    write_transforms(tmp_path / "transforms.json", cameras, names, scene.splits)
    found, order, splits = source_cameras(tmp_path, "transforms")
    same(found, cameras, [names.index(name) for name in order])
    assert {k: len(v) for k, v in splits.items()} == {"train": 8, "test": 2}
    assert sorted(splits["test"]) == names[8:]


def test_frames_of_their_own_lens_and_time(make_ball: Callable, tmp_path: Path) -> None:
    scene = make_ball(n=6).scene
    intrinsics = scene.cameras.intrinsics.clone()
    intrinsics[2, 0] *= 1.5
    times = torch.linspace(0, 1, 6, dtype=torch.float64)
    cameras = replace(
        scene.cameras.transformed(scene.source_from_world), intrinsics=intrinsics, times=times
    )
    names = list(scene.images.names)
    photos(tmp_path, names, (64, 64))
    write_transforms(tmp_path / "transforms.json", cameras, names)
    scene = load_scene(tmp_path)
    order = [names.index(name) for name in scene.images.names]
    torch.testing.assert_close(scene.cameras.intrinsics, intrinsics[order])
    assert scene.times is not None
    torch.testing.assert_close(scene.times, times[order])


@pytest.mark.parametrize("ending", [".txt", ".bin"])
@pytest.mark.parametrize(("model", "distortion"), [*LENSES.items(), (Model.OPENCV, RATIONAL)])
def test_colmap_models_come_back(
    make_ball: Callable, tmp_path: Path, model: Model, distortion: list[float], ending: str
) -> None:
    scene = make_ball(n=10).scene
    cameras = with_lens(scene.cameras.transformed(scene.source_from_world), model, distortion)
    names = [Path(name).name for name in scene.images.names]
    photos(tmp_path / "images", names, (64, 64))
    positions = torch.tensor([[20.0, -7, 3], [21, -7, 3], [20, -6, 2]]).double()
    colors = torch.tensor([[1, 2, 3], [40, 50, 60], [255, 0, 9]], dtype=torch.uint8)
    views = torch.tensor([[0, 0], [0, 3], [1, 3], [2, 9]])
    (tmp_path / "sparse" / "0").mkdir(parents=True)
    folder = tmp_path / "sparse" / "0"
    write_model(folder, cameras, names, Sparse(positions, colors, views), ending)
    found, order, _ = source_cameras(tmp_path, "colmap")
    same(found, cameras, [names.index(name) for name in order])
    read = load_scene(tmp_path, "colmap")
    assert read.points is not None
    matrix = read.source_from_world
    source = read.points.double() @ matrix[:3, :3].T + matrix[:3, 3]
    torch.testing.assert_close(source, positions, atol=1e-5, rtol=0)
    assert read.point_colors is not None
    assert torch.equal(read.point_colors, colors)
    assert read.point_views is not None
    numbers = [names.index(name) for name in read.images.names]
    pairs = sorted([int(point), numbers[int(image)]] for point, image in read.point_views)
    assert pairs == sorted(views.tolist())


def test_cameras_are_those_of_photos_as_they_lie(make_ball: Callable, tmp_path: Path) -> None:
    scene = make_ball(n=4).scene
    assert photo_folder(scene) is None
    assert paths_of(scene, None, tmp_path) == list(scene.images.names)
    scene.path = tmp_path / "data"
    photos(tmp_path / "data" / "images", list(scene.images.names), (128, 128))
    folder = photo_folder(scene)
    assert folder == tmp_path / "data" / "images"
    cameras = at_photo_size(scene, folder)
    assert cameras.size.tolist() == [[128, 128]] * 4
    torch.testing.assert_close(cameras.intrinsics, 2 * scene.cameras.intrinsics)
    (tmp_path / "out").mkdir()
    assert paths_of(scene, folder, tmp_path / "out")[1] == "../data/images/photos/01.png"


def test_a_lens_that_the_format_does_not_know(make_ball: Callable, tmp_path: Path) -> None:
    cameras = with_lens(make_ball(n=2).scene.cameras, Model.FOV, [0.3])
    with pytest.raises(InputError, match=r"a: .*found FOV.*COLMAP"):
        write_transforms(tmp_path / "transforms.json", cameras, ["a", "b"])
    assert not list(tmp_path.iterdir())


def test_poses_have_the_axes_of_opengl(make_ball: Callable, tmp_path: Path) -> None:
    cameras = make_ball(n=3).scene.cameras[:1]
    write_transforms(tmp_path / "t.json", cameras, ["a.png"])
    frame = json.loads((tmp_path / "t.json").read_text())["frames"][0]
    pose = np.array(frame["transform_matrix"])
    ours = cameras.world_from_camera[0].numpy()
    np.testing.assert_allclose(pose[:3, [0, 3]], ours[:, [0, 3]])
    np.testing.assert_allclose(pose[:3, 1:3], -ours[:, 1:3])
    assert json.loads((tmp_path / "t.json").read_text())["camera_model"] == "PINHOLE"
