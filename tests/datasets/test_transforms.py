"""What is particular to `transforms.json`."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from polyfield.cameras import Model
from polyfield.datasets import load_scene


@pytest.fixture
def folder(world, tmp_path):
    return world.transforms(tmp_path, world.cameras)


def test_angles_of_view_stand_for_focal_lengths(folder, edit):
    expected = load_scene(folder).cameras.intrinsics

    def to_angles(data):
        data["camera_angle_x"] = 2 * math.atan(0.5 * data["w"] / data.pop("fl_x"))
        data.pop("fl_y")

    edit(folder / "transforms.json", to_angles)
    torch.testing.assert_close(load_scene(folder).cameras.intrinsics, expected)


def test_size_and_principal_point_come_from_the_images(folder, edit):
    edit(folder / "transforms.json", lambda data: [data.pop(key) for key in ("w", "h", "cx", "cy")])
    cameras = load_scene(folder).cameras
    assert cameras.size[0].tolist() == [24, 16]
    assert cameras.intrinsics[0, 2:].tolist() == [12, 8]


def test_a_frame_may_have_a_lens_of_its_own(folder, edit):
    edit(
        folder / "transforms.json",
        lambda data: data["frames"][2].update(fl_x=30.0, fl_y=31.0, k1=0.1, camera_model="OPENCV"),
    )
    cameras = load_scene(folder).cameras
    assert cameras.intrinsics[2, :2].tolist() == [30, 31]
    assert cameras.model[:3].tolist() == [Model.PINHOLE, Model.PINHOLE, Model.OPENCV]
    assert cameras.distortion[2, 0] == 0.1


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({"camera_model": "OPENCV_FISHEYE", "k1": 0.1}, Model.FISHEYE),
        ({"is_fisheye": True, "k1": 0.1}, Model.FISHEYE),
        ({"camera_model": "EQUIRECTANGULAR"}, Model.EQUIRECTANGULAR),
        ({"camera_model": "SIMPLE_PINHOLE"}, Model.PINHOLE),
        ({"camera_model": "RADIAL", "k1": 0.1, "k2": 0.2}, Model.OPENCV),
        ({"k1": 0, "k2": 0.0}, Model.PINHOLE),
        ({"camera_model": "FULL_OPENCV", "k6": 0.1}, Model.OPENCV),
    ],
)
def test_camera_models(folder, edit, fields, model):
    edit(folder / "transforms.json", lambda data: data.update(fields))
    cameras = load_scene(folder).cameras
    assert set(cameras.model.tolist()) == {model}
    if model == Model.EQUIRECTANGULAR:
        assert cameras.intrinsics[0, 0] == pytest.approx(24 / (2 * math.pi))


def test_distortion_keys_have_their_places(folder, edit):
    keys = {"k1": 1e-3, "k2": 2e-3, "p1": 3e-3, "p2": 4e-3, "k3": 5e-3}
    edit(folder / "transforms.json", lambda data: data.update(keys, camera_model="OPENCV"))
    assert load_scene(folder).cameras.distortion[0, :6].tolist() == [*keys.values(), 0.0]


def test_applied_transform_is_undone(world, tmp_path, edit):
    """The source frame is that of the reconstruction, not the one the poses were turned to."""
    folder = world.transforms(tmp_path, world.cameras, depths=True)
    depth = load_scene(folder).depths[3]
    turn = np.array([[0, 0, 1, 5.0], [1, 0, 0, 6], [0, 1, 0, 7], [0, 0, 0, 1]])
    scale = 0.25

    def apply(data):
        data["applied_transform"] = turn[:3].tolist()
        data["applied_scale"] = scale
        data["depth_unit_scale_factor"] = 0.001 * scale
        for frame in data["frames"]:
            pose = turn @ np.array(frame["transform_matrix"])
            pose[:3, 3] *= scale
            frame["transform_matrix"] = pose.tolist()

    edit(folder / "transforms.json", apply)
    scene = load_scene(folder)
    back = scene.cameras.transformed(scene.source_from_world).world_from_camera
    torch.testing.assert_close(back, world.cameras.world_from_camera, rtol=0, atol=1e-9)
    np.testing.assert_allclose(scene.depths[3], depth, rtol=1e-6)


def test_depth_unit(world, tmp_path, edit):
    folder = world.transforms(tmp_path, world.cameras, depths=True)
    expected = load_scene(folder).depths[3]
    edit(folder / "transforms.json", lambda data: data.update(depth_unit_scale_factor=0.002))
    np.testing.assert_allclose(load_scene(folder).depths[3], 2 * expected, rtol=1e-6)


def test_depth_of_numpy_and_of_another_resolution(world, tmp_path, edit):
    folder = world.transforms(tmp_path, world.cameras, depths=True)
    expected = load_scene(folder).depths[3]
    depth = np.repeat(np.repeat(world.z_depth(world.cameras, 3), 2, axis=0), 2, axis=1) * 1000
    depth[0, :4] = [np.nan, np.nan, np.inf, -1]
    depth[1, :4] = depth[0, :4]
    np.save(folder / "depths" / "003.npy", depth.astype(np.float32))
    edit(
        folder / "transforms.json",
        lambda data: data["frames"][3].update(depth_file_path="depths/003.npy"),
    )
    scene = load_scene(folder)
    np.testing.assert_allclose(scene.depths[3][1:], expected[1:], rtol=1e-3)
    assert (scene.depths[3][0, :2] == 0).all()


def test_listed_splits(folder, edit):
    names = [f"./images/{i:03d}.png" for i in range(10)]
    edit(
        folder / "transforms.json",
        lambda data: data.update(train_filenames=names[:6], val_filenames=names[6:8]),
    )
    splits = load_scene(folder).splits
    assert splits["train"].tolist() == list(range(6))
    assert splits["test"].tolist() == [6, 7]  # what validates tests, where nothing else does


@pytest.mark.parametrize("key", ["test_filenames", "val_filenames"])
def test_what_no_listed_split_has_trains(folder, edit, key):
    edit(folder / "transforms.json", lambda data: data.update({key: ["images/003.png"]}))
    splits = load_scene(folder).splits
    assert splits["test"].tolist() == [3]
    assert splits["train"].tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_paths_as_windows_writes_them(folder, edit):
    def turn(data):
        for frame in data["frames"]:
            frame["file_path"] = frame["file_path"].replace("/", "\\")

    edit(folder / "transforms.json", turn)
    assert load_scene(folder).images.names[0] == "images/000.png"


def test_photos_beside_the_file(world, folder, edit):
    for path in (folder / "images").iterdir():
        path.rename(folder / path.name)
    edit(
        folder / "transforms.json",
        lambda data: [f.update(file_path=f["file_path"][7:]) for f in data["frames"]],
    )
    assert load_scene(folder).images.names[0] == "000.png"


def test_smaller_photos_beside(world, folder):
    for i in range(10):
        pixels = np.full((4, 6, 3), 77, dtype=np.uint8)
        world.save(folder / "images_4" / f"{i:03d}.png", pixels)
    scene = load_scene(folder, downscale=4)
    assert (scene.images[3] == 77).all()
    assert scene.images.names[3] == "images/003.png"


def test_byte_order_mark_and_file_as_path(folder):
    file = folder / "transforms.json"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert len(load_scene(file)) == 10


def test_odd_folder_name(world, tmp_path):
    folder = world.transforms(tmp_path / "a b, [1] (2)=é", world.cameras)
    assert len(load_scene(str(folder), downscale=2)) == 10


def test_alpha_means_an_object_in_a_box(world, folder):
    for i in range(10):
        rgba = np.concatenate(
            [world.photo(world.cameras, i), world.mask(world.cameras, i)[..., None]], axis=2
        )
        world.save(folder / "images" / f"{i:03d}.png", rgba)
    scene = load_scene(folder)
    assert not scene.unbounded
    assert scene.background == "white"
    near, far = scene.near_far
    distance = scene.cameras.positions.norm(dim=1)
    assert near < distance.min()
    assert far > distance.max() + 1
    assert load_scene(folder, background="random").background == "random"
    ignored = load_scene(folder, background="ignore")
    assert not ignored.unbounded
    assert ignored.masks is not None
    assert load_scene(folder, background="none").unbounded


def test_frames_of_several_sizes(world, folder, edit):
    world.save(folder / "images" / "004.png", np.zeros((10, 30, 3), dtype=np.uint8))
    edit(
        folder / "transforms.json",
        lambda data: data["frames"][4].update(w=30, h=10, cx=15, cy=5),
    )
    scene = load_scene(folder)
    assert scene.cameras.size[4].tolist() == [30, 10]
    assert json.dumps(scene.images.sizes[4].tolist()) == "[30, 10]"
