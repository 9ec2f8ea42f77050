"""What every loader must give, whatever the format."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from polyfield.datasets import PixelSampler, load_scene
from polyfield.datasets.detect import detect_format

FORMATS = ["blender", "transforms", "colmap", "llff", "folder"]
LENSES = ["PINHOLE", "SIMPLE_RADIAL", "OPENCV", "FULL_OPENCV", "OPENCV_FISHEYE"]
ROUNDING = 1.1 / 255


def write(world, kind, folder, **options):
    return getattr(world, kind)(folder, world.cameras, **options)


def all_pixels(scene):
    """Every pixel of every split, as one batch each."""
    for split in scene.splits:
        if len(scene.splits[split]):
            sampler = PixelSampler(scene, split)
            yield sampler.gather(torch.arange(len(sampler)))


def source_directions(scene, directions):
    """Directions in the frame of the user's files."""
    matrix = scene.source_from_world[:3, :3]
    rotation = matrix / torch.linalg.det(matrix) ** (1 / 3)
    return directions.double() @ rotation.T


def source_points(scene, points):
    matrix = scene.source_from_world
    return points.double() @ matrix[:3, :3].T + matrix[:3, 3]


@pytest.mark.parametrize("kind", FORMATS)
def test_colour_is_what_the_ray_sees(world, kind, tmp_path):
    scene = load_scene(write(world, kind, tmp_path))
    assert scene.format == kind == detect_format(tmp_path)
    for batch in all_pixels(scene):
        expected = 0.5 + 0.5 * source_directions(scene, batch.rays.directions)
        opaque = slice(None) if batch.alpha is None else batch.alpha == 1
        assert (batch.rgb - expected)[opaque].abs().max() < ROUNDING


@pytest.mark.parametrize("lens", LENSES)
def test_lens_of_transforms(world, lens, tmp_path):
    seen = world.seen_through(lens)
    scene = load_scene(seen.transforms(tmp_path, seen.cameras, lens=lens))
    for batch in all_pixels(scene):
        expected = 0.5 + 0.5 * source_directions(scene, batch.rays.directions)
        assert (batch.rgb - expected).abs().max() < ROUNDING


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
@pytest.mark.parametrize("lens", [*LENSES, "THIN_PRISM_FISHEYE", "FOV"])
def test_lens_of_colmap(world, lens, text, tmp_path):
    seen = world.seen_through(lens)
    scene = load_scene(seen.colmap(tmp_path, seen.cameras, lens=lens, text=text))
    for batch in all_pixels(scene):
        expected = 0.5 + 0.5 * source_directions(scene, batch.rays.directions)
        assert (batch.rgb - expected).abs().max() < ROUNDING


@pytest.mark.parametrize("kind", FORMATS)
def test_cameras_return_to_where_the_files_have_them(world, kind, tmp_path):
    scene = load_scene(write(world, kind, tmp_path))
    back = scene.cameras.transformed(scene.source_from_world)
    torch.testing.assert_close(
        back.world_from_camera, world.cameras.world_from_camera, rtol=0, atol=1e-9
    )
    rotation = scene.cameras.world_from_camera[:, :, :3]
    torch.testing.assert_close(
        rotation @ rotation.mT, torch.eye(3).double().expand_as(rotation), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("split", ["auto", "every:3", "fraction:0.7"])
def test_splits_are_disjoint_and_leave_nothing_out(world, kind, split, tmp_path):
    scene = load_scene(write(world, kind, tmp_path), split=split)
    used = torch.cat(list(scene.splits.values()))
    assert sorted(used.tolist()) == list(range(len(scene)))
    assert len(scene.splits["train"]) > len(scene.splits["test"]) > 0


@pytest.mark.parametrize("kind", ["transforms", "folder"])
def test_depth_reaches_the_surface(world, kind, tmp_path):
    options = {"depths": True} if kind == "transforms" else {}
    scene = load_scene(write(world, kind, tmp_path, **options))
    for batch in all_pixels(scene):
        distance = batch.z_depth / batch.rays.axis_cosine
        surface = source_points(
            scene, batch.rays.origins + batch.rays.directions * distance[:, None]
        )
        torch.testing.assert_close(
            surface.norm(dim=1),
            torch.full((len(batch),), world.far_away).double(),
            rtol=0,
            atol=2e-3,
        )


@pytest.mark.parametrize("kind", ["transforms", "folder", "colmap"])
def test_masked_pixels_are_never_drawn(world, kind, tmp_path):
    options = {} if kind == "folder" else {"masks": True}
    scene = load_scene(write(world, kind, tmp_path, **options))
    sampler = PixelSampler(scene)
    train = scene.splits["train"].tolist()
    valid = sum(int((world.mask(world.cameras, i) > 0).sum()) for i in train)
    assert len(sampler) == valid
    batch = sampler.sample(5000, torch.Generator().manual_seed(0))
    for i, (x, y) in zip(batch.image_index.tolist(), batch.pixels.tolist()):
        assert world.mask(world.cameras, i)[int(y), int(x)] == 255


@pytest.mark.parametrize("kind", FORMATS)
def test_contents_lie_in_the_box(world, kind, tmp_path):
    """Cameras look at (1,2,3) of the source frame from 2 units away."""
    scene = load_scene(write(world, kind, tmp_path))
    if kind == "blender":
        assert torch.equal(scene.source_from_world, torch.eye(4).double())
        assert not scene.unbounded
        assert scene.background == "white"
    else:
        middle = scene.source_from_world[:3, 3]
        torch.testing.assert_close(middle, torch.tensor([1.0, 2, 3]).double(), rtol=0, atol=0.2)
        assert 0.8 < scene.cameras.positions.norm(dim=1).max() < 1.2
        assert scene.cameras.positions[:, 2].min() > 0  # they were above it
        assert scene.unbounded
        assert scene.background == "none"
    near, far = scene.near_far
    assert 0 < near < far < np.inf
    assert (scene.bounds[0] < scene.bounds[1]).all()


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_is_written(world, kind, tmp_path):
    write(world, kind, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    scene = load_scene(tmp_path, downscale=2)
    PixelSampler(scene)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("kind", FORMATS)
def test_half_the_size_shows_the_same(world, kind, tmp_path):
    scene = load_scene(write(world, kind, tmp_path), downscale=2)
    assert (scene.cameras.size == world.cameras.size // 2).all()
    for batch in all_pixels(scene):
        expected = 0.5 + 0.5 * source_directions(scene, batch.rays.directions)
        opaque = slice(None) if batch.alpha is None else batch.alpha == 1
        assert (batch.rgb - expected)[opaque].abs().max() < 3 / 255


def test_the_built_in_scene_takes_every_option():
    scene = load_scene("procedural", downscale=4, split="every:7", background="random")
    assert scene.format == "procedural"
    assert scene.cameras.size[0].tolist() == [50, 50]
    assert len(scene.splits["test"]) == 10
    assert scene.splits["test"][1] == 7
    assert scene.background == "random"
    assert not scene.unbounded
    assert torch.equal(scene.source_from_world, torch.eye(4).double())
    whole = load_scene("procedural")
    assert len(whole.splits["train"]) == 60
    assert whole.images.sizes[0].tolist() == [200, 200]
    assert 2 < whole.near_far[0] < whole.near_far[1] < 4.4


@pytest.mark.parametrize("format", FORMATS)
def test_a_forced_format_that_is_not_there_is_refused(format, tmp_path):
    with pytest.raises(ValueError, match=str(tmp_path)):
        load_scene(tmp_path, format=format)
