"""Each kind of bad input gives one line with file, field, found and expected."""

from __future__ import annotations

import json
import os
import struct

import numpy as np
import pytest
from PIL import Image

from polyfield.datasets import PixelSampler, load_scene
from polyfield.errors import InputError


@pytest.fixture
def transforms(world, tmp_path):
    return world.transforms(tmp_path, world.cameras)


@pytest.fixture
def colmap(world, tmp_path):
    return world.colmap(tmp_path, world.cameras)


def refuse(path, *parts, **options):
    """Loading raises InputError; its one line holds all the parts."""
    with pytest.raises(InputError) as error:
        load_scene(path, **options)
    line = str(error.value)
    assert "\n" not in line
    for part in parts:
        assert str(part) in line, line
    return line


def test_no_such_path(tmp_path):
    refuse(tmp_path / "nowhere", "nowhere", "No such file")


def test_folder_without_data(tmp_path):
    (tmp_path / "notes.md").write_text("")
    refuse(tmp_path, "no known data set", "notes.md", "transforms.json")


def test_file_that_is_no_data(tmp_path):
    (tmp_path / "a.zip").write_text("")
    refuse(tmp_path / "a.zip", "a.zip", ".json or .npz")


def test_unreadable_folder(transforms, monkeypatch):
    """What root cannot have by permissions: the system refuses to list the folder."""

    def refused(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", refused)
    monkeypatch.setattr(os, "scandir", refused)
    refuse(transforms, transforms, "Permission denied")


def test_unreadable_file(transforms, monkeypatch):
    """What root cannot have by permissions: the system refuses to read the file."""
    from pathlib import Path

    def refused(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_text", refused)
    refuse(transforms, "transforms.json", "Permission denied")


def test_json_syntax(transforms):
    (transforms / "transforms.json").write_text('{"w": 24,\n "h" 16}')
    refuse(transforms, "transforms.json", "line 2 column 6")


@pytest.mark.parametrize(
    "text", ["[]", "3", "{}", '{"frames": []}', '{"frames": 3}', '{"frames": [1]}', "", "\xff"]
)
def test_json_of_another_shape(transforms, text):
    (transforms / "transforms.json").write_bytes(text.encode("latin1"))
    refuse(transforms, "transforms.json")


def test_json_that_nests_without_end(transforms):
    (transforms / "transforms.json").write_text("[" * 100_000)
    refuse(transforms, "transforms.json", "JSON")


def test_json_with_a_number_that_is_too_long(transforms):
    (transforms / "transforms.json").write_text('{"w": ' + "9" * 5000 + "}")
    refuse(transforms, "transforms.json")


def test_missing_images(transforms):
    for i in (2, 4, 5, 8):
        (transforms / "images" / f"{i:03d}.png").unlink()
    refuse(transforms, "4 of 10 missing", "002.png, 004.png, 005.png, ...")


def test_all_images_missing(transforms):
    for path in (transforms / "images").iterdir():
        path.unlink()
    refuse(transforms, "10 of 10 missing")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("part", [0.0, 0.5, 0.98])
def test_truncated_image(world, tmp_path, edit, suffix, part):
    folder = world.transforms(tmp_path, world.cameras)
    path = folder / "images" / f"003{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (16, 24, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path)
    edit(
        folder / "transforms.json",
        lambda data: data["frames"][3].update(file_path=f"images/003{suffix}"),
    )
    load_scene(folder)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    refuse(folder, path)


def test_image_broken_in_the_middle(transforms):
    """Found when the pixels are decoded, before training starts."""
    path = transforms / "images" / "003.png"
    data = bytearray(path.read_bytes())
    middle = data.index(b"IDAT") + 20
    data[middle : middle + 20] = bytes(20)
    path.write_bytes(data)
    scene = load_scene(transforms)
    with pytest.raises(InputError, match=r"003\.png"):
        PixelSampler(scene)


def test_no_image_at_all(transforms):
    (transforms / "images" / "003.png").write_text("not an image")
    refuse(transforms, "003.png", "cannot be read as an image")


def test_image_of_another_size(world, transforms):
    world.save(transforms / "images" / "003.png", np.zeros((16, 23, 3), dtype=np.uint8))
    refuse(transforms, "003.png", "size", "23x16", "24x16")


def test_one_image_smaller_by_a_whole_factor(world, transforms):
    """That is fine for all of them, and an error for one."""
    world.save(transforms / "images" / "003.png", np.zeros((8, 12, 3), dtype=np.uint8))
    refuse(transforms, "003.png", "12x8", "24x16")


def test_larger_image(world, transforms):
    for i in range(10):
        world.save(transforms / "images" / f"{i:03d}.png", np.zeros((32, 48, 3), dtype=np.uint8))
    refuse(transforms, "000.png", "48x32", "24x16")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda pose: pose[0].__setitem__(1, float("nan")), ["finite"]),
        (lambda pose: pose[0].__setitem__(1, 1e300), ["finite"]),
        (lambda pose: pose[0].__setitem__(1, "0.5"), ["4x4"]),
        (lambda pose: pose.pop(), []),
        (lambda pose: pose[1].pop(), ["4x4"]),
        (lambda pose: pose.__setitem__(1, pose[0]), ["not rigid", "determinant"]),
        (lambda pose: pose.__setitem__(1, [0, 0, 0, 0]), ["not rigid"]),
        (lambda pose: pose.__setitem__(0, [-value for value in pose[0]]), ["mirrored"]),
        (lambda pose: pose.__setitem__(3, [0, 0, 1, 1]), ["last row"]),
        (
            lambda pose: [pose.__setitem__(r, [2 * v for v in pose[r]]) for r in range(3)],
            ["not rigid"],
        ),
    ],
    ids=[
        "nan",
        "huge",
        "text",
        "short",
        "ragged",
        "singular",
        "zero",
        "mirrored",
        "projective",
        "scaled",
    ],
)
def test_pose(transforms, edit, change, parts, request):
    edit(transforms / "transforms.json", lambda data: change(data["frames"][4]["transform_matrix"]))
    if "short" in request.node.name:  # three rows are a pose as well
        load_scene(transforms)
    else:
        refuse(transforms, "transforms.json", "frames[4].transform_matrix", *parts)


@pytest.mark.parametrize(
    ("key", "value", "parts"),
    [
        ("camera_model", "PERISCOPE", ["PERISCOPE", "OPENCV_FISHEYE"]),
        ("camera_model", 3, ["camera_model"]),
        ("fl_x", 0, ["fl_x", "above 0"]),
        ("fl_x", -4, ["fl_x"]),
        ("fl_x", 1e9, ["focal"]),
        ("fl_x", None, []),
        ("cx", 1e9, ["principal point"]),
        ("cx", "12", ["cx"]),
        ("w", 24.5, ["w", "whole"]),
        ("w", 0, ["w"]),
        ("w", True, ["w"]),
        ("h", None, ["h", "nothing"]),
        ("k1", 1e6, ["distortion"]),
        ("k4", 0.1, ["k4", "FULL_OPENCV"]),
        ("k1", [0.1], ["k1"]),
        ("ftheta_p0", 1.0, ["ftheta_p0"]),
        ("applied_scale", 0, ["applied_scale"]),
        ("applied_transform", [[1, 0, 0, 0]], ["applied_transform"]),
        ("train_filenames", ["images/xyz.png"], ["train_filenames", "xyz.png"]),
        ("train_filenames", 3, ["train_filenames"]),
    ],
)
def test_field_of_transforms(transforms, edit, key, value, parts):
    edit(transforms / "transforms.json", lambda data: data.update({key: value}))
    if parts:
        refuse(transforms, "transforms.json", *parts)
    else:
        load_scene(transforms)


def test_no_focal_length(transforms, edit):
    edit(transforms / "transforms.json", lambda data: [data.pop("fl_x"), data.pop("fl_y")])
    refuse(transforms, "fl_x", "camera_angle_x")


@pytest.mark.parametrize("angle", [0, -1, 3.2, 60.0])
def test_angle_of_view(world, tmp_path, edit, angle):
    folder = world.blender(tmp_path, world.cameras)
    edit(folder / "transforms_test.json", lambda data: data.update(camera_angle_x=angle))
    refuse(folder, "transforms_test.json", "camera_angle_x", "radians")


def test_duplicate_frame(transforms, edit):
    edit(transforms / "transforms.json", lambda data: data["frames"].append(data["frames"][2]))
    refuse(transforms, "duplicate", "images/002.png", "at 2 and 10")


def test_one_camera_only(transforms, edit):
    edit(transforms / "transforms.json", lambda data: data.update(frames=data["frames"][:1]))
    refuse(transforms, "too few images", "found 1", "at least 2")
    scene = load_scene(transforms, min_images=1)
    assert scene.splits["train"].tolist() == [0]
    assert np.isfinite(scene.source_from_world.numpy()).all()


def test_alpha_in_some_images(world, transforms):
    rgba = np.full((16, 24, 4), 200, dtype=np.uint8)
    world.save(transforms / "images" / "003.png", rgba)
    refuse(transforms, "alpha", "1 with (003.png)", "9 without", "background=none")
    assert load_scene(transforms, background="none").images.channels == 3


def test_mask_of_another_size(world, tmp_path):
    folder = world.transforms(tmp_path, world.cameras, masks=True)
    world.save(folder / "masks" / "003.png", np.full((8, 24), 255, dtype=np.uint8))
    refuse(folder, "masks/003.png", "24x8", "24x16")


def test_masks_for_some_frames(world, tmp_path, edit):
    folder = world.transforms(tmp_path, world.cameras, masks=True)
    edit(folder / "transforms.json", lambda data: data["frames"][3].pop("mask_path"))
    refuse(folder, "frames[3].mask_path", "9 of 10")


def test_masks_that_exclude_everything(world, tmp_path):
    folder = world.transforms(tmp_path, world.cameras, masks=True)
    for i in range(10):
        world.save(folder / "masks" / f"{i:03d}.png", np.zeros((16, 24), dtype=np.uint8))
    with pytest.raises(InputError, match="exclude every pixel"):
        PixelSampler(load_scene(folder))


def test_depth_of_another_shape(world, tmp_path):
    folder = world.transforms(tmp_path, world.cameras, depths=True)
    world.save(folder / "depths" / "003.png", np.ones((24, 24), dtype=np.uint16))
    refuse(folder, "depths/003.png", "24x24")


def test_missing_depth(world, tmp_path):
    folder = world.transforms(tmp_path, world.cameras, depths=True)
    (folder / "depths" / "003.png").unlink()
    refuse(folder, "depth maps without a file", "1 of 10", "003.png")


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_truncated_colmap(colmap, name, part):
    path = colmap / "sparse" / "0" / f"{name}.bin"
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    refuse(colmap, f"{name}.bin", "ends too early")


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
def test_huge_count_in_colmap(colmap, name):
    """Nothing is allocated for a count that the file cannot hold."""
    path = colmap / "sparse" / "0" / f"{name}.bin"
    path.write_bytes(struct.pack("<Q", 1 << 60) + path.read_bytes()[8:])
    refuse(colmap, f"{name}.bin", str(1 << 60))


def test_unknown_colmap_model(colmap):
    path = colmap / "sparse" / "0" / "cameras.bin"
    data = bytearray(path.read_bytes())
    data[12:16] = struct.pack("<i", 99)
    path.write_bytes(data)
    refuse(colmap, "cameras.bin", "camera 5", "99", "SIMPLE_PINHOLE")


def test_colmap_image_of_an_unknown_camera(colmap):
    path = colmap / "sparse" / "0" / "cameras.bin"
    data = bytearray(path.read_bytes())
    data[8:12] = struct.pack("<i", 6)
    path.write_bytes(data)
    refuse(colmap, "images.bin", "000.png", "unknown camera", "found 5")


def test_colmap_without_images(colmap):
    (colmap / "sparse" / "0" / "images.bin").write_bytes(bytes(8))
    refuse(colmap, "images.bin", "no registered images")


def test_colmap_without_photos(colmap):
    (colmap / "images").rename(colmap / "photos")
    refuse(colmap, "no photos", "'images'")


def test_colmap_text_with_a_word_for_a_number(world, tmp_path):
    folder = world.colmap(tmp_path, world.cameras, text=True)
    path = folder / "sparse" / "0" / "images.txt"
    lines = path.read_text().split("\n")
    lines[6] = lines[6].replace(" 5 ", " five ")
    path.write_text("\n".join(lines))
    refuse(folder, "images.txt", "line 7", "'five'")


@pytest.mark.parametrize(
    ("column", "value", "part"),
    [
        (0, np.nan, "finite"),
        (4, -1, "size"),
        (15, 0, "depths"),
        (16, 1, "depths"),
        (14, 0, "focal"),
    ],
)
def test_llff_row(world, tmp_path, column, value, part):
    folder = world.llff(tmp_path, world.cameras)
    rows = np.load(folder / "poses_bounds.npy")
    rows[3, column] = value
    np.save(folder / "poses_bounds.npy", rows)
    refuse(folder, "poses_bounds.npy", "row 3", part)


def test_llff_with_another_number_of_photos(world, tmp_path):
    folder = world.llff(tmp_path, world.cameras)
    (folder / "images" / "003.png").unlink()
    refuse(folder, "9 in images", "10")


def test_pickled_numpy(world, tmp_path):
    folder = world.llff(tmp_path, world.cameras)
    np.save(folder / "poses_bounds.npy", np.array([{"a": 1}]), allow_pickle=True)
    refuse(folder, "poses_bounds.npy", "pickled")


def test_numpy_that_claims_more_than_it_has(world, tmp_path):
    folder = world.llff(tmp_path, world.cameras)
    path = folder / "poses_bounds.npy"
    path.write_bytes(path.read_bytes().replace(b"(10, 17), }       ", b"(10000000000, 17), }"[:18]))
    refuse(folder, "poses_bounds.npy")


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("intrinsics", np.ones((10, 5)), "[10, 4]"),
        ("world_from_camera", None, "nothing"),
        ("model", np.array("PERISCOPE"), "PERISCOPE"),
        ("images", np.zeros((10, 16, 24, 3)), "uint8"),
        ("masks", np.ones((10, 8, 24), dtype=bool), "[10, 16, 24]"),
        ("depths", np.ones((9, 16, 24)), "depths"),
        ("normals", np.ones((10, 16, 24)), "[10, n, n, 3]"),
        ("normals", np.ones((10, 8, 24, 3)), "[10, 16, 24, 3]"),
        ("point_views", np.array([[0, 0]]), "below 0 and 10"),
        ("point_views", np.array([[0.0, 0.0]]), "float64"),
        ("size", np.array([24, 16, 3]), "width and height"),
        ("size", np.array([24, 17]), "another size"),
        ("train", np.array([0, 10]), "below 10"),
        ("bounds", np.zeros((2, 3)), "minimum"),
        ("point", np.zeros((4, 3)), "points"),
        ("distortion", np.zeros((10, 13)), "at most 12"),
        ("names", np.array(["a"] * 10), "duplicate"),
    ],
)
def test_array_of_our_format(world, tmp_path, key, value, part):
    arrays = {**world.arrays(world.cameras), key: value}
    np.savez(tmp_path / "scene.npz", **{k: v for k, v in arrays.items() if v is not None})
    refuse(tmp_path, "scene.npz", key, part) if key != "names" else refuse(tmp_path, part)


@pytest.mark.parametrize(
    ("option", "value", "part"),
    [
        ("downscale", 0, "1 to 64"),
        ("downscale", 1.5, "1.5"),
        ("downscale", "half", "auto"),
        ("downscale", True, "auto"),
        ("split", "every:1", "every:K"),
        ("split", "every:x", "every:x"),
        ("split", "every:inf", "every:K"),
        ("split", "every:nan", "every:K"),
        ("split", "fraction:0", "fraction:F"),
        ("split", "fraction:nan", "fraction:F"),
        ("split", "some", "every:K"),
        ("split", "file:", "file:PATH"),
        ("split", "file:/nowhere/split.txt", "/nowhere/split.txt"),
        ("background", "pink", "ignore"),
        ("format", "vrml", "colmap"),
    ],
)
def test_option(transforms, option, value, part):
    refuse(transforms, option, part, **{option: value})


def test_train_and_test_overlap(transforms, edit):
    names = [f"images/{i:03d}.png" for i in range(10)]
    edit(
        transforms / "transforms.json",
        lambda data: data.update(train_filenames=names, test_filenames=names[:3]),
    )
    refuse(transforms, "split", "3 images in both")


def test_downscale_below_what_is_there(world, tmp_path):
    folder = world.llff(tmp_path, world.cameras, downscale=8)
    refuse(folder, "images_8", "downscale", "at least 8", downscale=4)


def test_messages_stay_short(transforms, edit):
    edit(transforms / "transforms.json", lambda data: data.update(frames=[{"a": "b" * 10000}]))
    assert len(refuse(transforms)) < 400
    edit(
        transforms / "transforms.json",
        lambda data: data.update(frames=[{"file_path": ["b" * 10000]}]),
    )
    assert len(refuse(transforms)) < 400
    (transforms / "transforms.json").write_text(json.dumps({"frames": [{"file_path": "b" * 9999}]}))
    assert refuse(transforms)
