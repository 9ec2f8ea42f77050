"""What is particular to COLMAP."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from polyfield.cameras import Model
from polyfield.cameras.similarity import apply_similarity
from polyfield.datasets import load_scene
from polyfield.datasets.colmap_binary import read_binary
from polyfield.datasets.colmap_text import read_text


@pytest.fixture
def folder(world, tmp_path):
    return world.colmap(tmp_path, world.cameras)


def test_text_and_binary_say_the_same(world, tmp_path):
    a = load_scene(world.colmap(tmp_path / "a", world.cameras))
    b = load_scene(world.colmap(tmp_path / "b", world.cameras, text=True))
    for field in ("world_from_camera", "intrinsics", "distortion", "model", "size"):
        torch.testing.assert_close(getattr(a.cameras, field), getattr(b.cameras, field))
    torch.testing.assert_close(a.points, b.points)
    assert torch.equal(a.point_colors, b.point_colors)
    assert torch.equal(a.point_views, b.point_views)
    assert a.images.names == b.images.names


def test_points(world, folder):
    scene = load_scene(folder)
    source = scene.points.double() @ scene.source_from_world[:3, :3].T
    source += scene.source_from_world[:3, 3]
    torch.testing.assert_close(
        source.norm(dim=1), torch.full((40,), world.far_away).double(), rtol=0, atol=1e-4
    )
    assert scene.point_colors[7].tolist() == [7, 14, 21]
    for i in range(len(scene)):
        viewed = scene.point_views[scene.point_views[:, 1] == i, 0]
        _, _, seen = scene.cameras.project(i, scene.points)
        assert viewed.tolist() == seen.nonzero()[:, 0].tolist()


def test_model_without_points(folder):
    (folder / "sparse" / "0" / "points3D.bin").unlink()
    scene = load_scene(folder)
    assert scene.points is None
    assert scene.point_views is None


@pytest.mark.parametrize("place", ["sparse", "colmap/sparse/0", "sparse/3"])
def test_places_of_the_model(folder, place):
    shutil.move(folder / "sparse" / "0", folder / "elsewhere")
    shutil.rmtree(folder / "sparse")
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(folder / "elsewhere", folder / place)
    assert len(load_scene(folder)) == 10


def test_path_of_the_model_itself(folder):
    assert len(load_scene(folder / "sparse" / "0")) == 10


def test_smaller_photos_beside(world, folder):
    """`images_2` is taken for downscale=2, and shrunk further for 4."""
    marked = np.full((8, 12, 3), 77, dtype=np.uint8)
    for i in range(10):
        world.save(folder / "images_2" / f"{i:03d}.png", marked)
    assert load_scene(folder).images[3].shape == (16, 24, 3)
    half = load_scene(folder, downscale=2)
    assert (half.images[3] == marked).all()
    quarter = load_scene(folder, downscale=4)
    assert quarter.images[3].shape == (4, 6, 3)
    assert (quarter.images[3] == 77).all()
    assert quarter.cameras.intrinsics[0].tolist() == [5, 5, 3, 2]


@pytest.mark.parametrize("size", [(5, 3), (5, 4)], ids=["rounded", "rounded up"])
def test_files_of_the_wanted_factor_are_not_resampled(world, folder, size):
    """24 x 16 by 5 is 4.8 x 3.2; whoever made the files has chosen how to round."""
    width, height = size
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)
    for i in range(10):
        world.save(folder / "images_5" / f"{i:03d}.png", noise)
    scene = load_scene(folder, downscale=5)
    assert (scene.images[3] == noise).all()
    expected = [20 * width / 24, 20 * height / 16, width / 2, height / 2]
    np.testing.assert_allclose(scene.cameras.intrinsics[0], expected)


def test_only_smaller_photos(world, folder):
    shutil.rmtree(folder / "images")
    for i in range(10):
        world.save(folder / "images_2" / f"{i:03d}.png", np.zeros((8, 12, 3), dtype=np.uint8))
    scene = load_scene(folder)
    assert scene.images[0].shape == (8, 12, 3)
    assert scene.cameras.intrinsics[0].tolist() == [10, 10, 6, 4]


def test_photos_with_another_extension(folder):
    """The smaller copies of mip-NeRF 360 scenes are other files than the model names."""
    for path in (folder / "images").iterdir():
        path.rename(path.with_suffix(".png.PNG"))
    assert len(load_scene(folder)) == 10


def test_every_model_of_colmap(tmp_path):
    """Each camera model, written by COLMAP itself, sees points where COLMAP does."""
    pycolmap = pytest.importorskip("pycolmap")
    from PIL import Image

    reconstruction = pycolmap.Reconstruction()
    names = [name for name in pycolmap.CameraModelId.__members__ if name != "INVALID"]
    (tmp_path / "images").mkdir()
    for k, name in enumerate(names, start=1):
        model = pycolmap.CameraModelId.__members__[name]
        camera = pycolmap.Camera.create_from_model_id(k, model, 90.0, 80, 60)
        parameters = np.array(camera.params)
        count = len(parameters) - len(camera.extra_params_idxs())
        if name != "EUCM":
            parameters[count:] = 0.01 * np.cos(np.arange(len(parameters) - count))
        camera.params = parameters
        reconstruction.add_camera_with_trivial_rig(camera)
        image = pycolmap.Image(name=f"{k:02d}.png", camera_id=k, image_id=k)
        angle = 0.3 * k
        rotation = pycolmap.Rotation3d(np.array([0, np.sin(angle / 2), 0, np.cos(angle / 2)]))
        reconstruction.add_image_with_trivial_frame(
            image, pycolmap.Rigid3d(rotation, np.array([0.1 * k, 0.2, 2.0]))
        )
        Image.new("RGB", (80, 60)).save(tmp_path / "images" / image.name)
    for folder, write in (("a", reconstruction.write_binary), ("b", reconstruction.write_text)):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder)
    binary, text = read_binary(tmp_path / "a"), read_text(tmp_path / "b")
    assert [camera.model for camera in binary.cameras.values()] == names
    assert [camera.model for camera in text.cameras.values()] == names
    scene = load_scene(tmp_path / "a")
    assert set(scene.cameras.model.tolist()) == set(Model)
    points = np.random.default_rng(1).normal(size=(200, 3))
    world = apply_similarity(torch.linalg.inv(scene.source_from_world), torch.from_numpy(points))
    for k in range(len(names)):
        image = reconstruction.image(k + 1)
        pixels, _, seen = scene.cameras.project(k, world)
        assert seen.sum() > 3, names[k]
        theirs = [image.project_point(point) for point in points[seen.numpy()]]
        np.testing.assert_allclose(pixels[seen].numpy(), np.array(theirs), atol=1e-3)


def test_masks_beside_the_photos(world, tmp_path):
    folder = world.colmap(tmp_path, world.cameras, masks=True)
    scene = load_scene(folder)
    assert (scene.masks[4][..., 0] == world.mask(world.cameras, 4)).all()
    for path in (folder / "masks").iterdir():  # a folder of other things is none of ours
        path.rename(path.with_name(f"other_{path.name}"))
    assert load_scene(folder).masks is None
