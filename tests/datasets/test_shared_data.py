"""The evaluation data: real cameras, real photos."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from polyfield.cameras.poses import meeting_point
from polyfield.cameras.similarity import apply_similarity
from polyfield.datasets import PixelSampler, describe, load_scene
from polyfield.datasets.colmap_binary import read_binary

SETS = ["nerf_synthetic/lego_200", "fox", "colmap_cup", "llff_fern"]


@pytest.mark.parametrize("name", SETS)
def test_every_set_loads_and_gives_rays(shared_data, name):
    scene = load_scene(shared_data(name))
    batch = PixelSampler(scene).sample(2000, torch.Generator().manual_seed(0))
    for tensor in (batch.rays.origins, batch.rays.directions, batch.rgb):
        assert tensor.isfinite().all()
    torch.testing.assert_close(batch.rays.directions.norm(dim=1), torch.ones(2000))
    assert (batch.rays.axis_cosine > 0.5).all()
    pixels = [
        scene.images[int(i)][int(y), int(x), :3]
        for i, (x, y) in zip(batch.image_index[:50], batch.pixels[:50])
    ]
    np.testing.assert_allclose(batch.rgb[:50].numpy() * 255, np.stack(pixels), atol=1e-4)
    json.dumps(describe(scene))
    back = scene.cameras.transformed(scene.source_from_world)
    again = back.transformed(torch.linalg.inv(scene.source_from_world))
    torch.testing.assert_close(again.world_from_camera, scene.cameras.world_from_camera)


@pytest.mark.parametrize("name", SETS)
def test_the_middle_of_the_world_is_in_every_picture(shared_data, name):
    """Contents of interest lie around the origin: the cameras see it before them."""
    scene = load_scene(shared_data(name))
    seen = [bool(scene.cameras.project(i, torch.zeros(1, 3))[2]) for i in range(len(scene))]
    assert np.mean(seen) > 0.95
    above = -scene.cameras.world_from_camera[:, 2, 1]  # how far images have up upwards
    if name != "colmap_cup":  # its photos are stored sideways
        assert above.mean() > 0.5


def test_lego(shared_data):
    scene = load_scene(shared_data("nerf_synthetic/lego_200"))
    assert {name: len(part) for name, part in scene.splits.items()} == {
        "train": 100,
        "test": 25,
        "val": 10,
    }
    assert scene.images.names[scene.splits["test"][1]] == "test/r_8.png"
    assert scene.background == "white"
    assert not scene.unbounded
    assert torch.equal(scene.source_from_world, torch.eye(4).double())
    # The object is in the box: the rays of opaque pixels meet it.
    sampler = PixelSampler(scene)
    batch = sampler.sample(20000, torch.Generator().manual_seed(0))
    opaque = batch.alpha > 0.5
    inverse = 1 / batch.rays.directions
    low = (scene.bounds[0] - batch.rays.origins) * inverse
    high = (scene.bounds[1] - batch.rays.origins) * inverse
    enter = torch.minimum(low, high).amax(dim=1)
    leave = torch.maximum(low, high).amin(dim=1)
    assert (enter < leave)[opaque].all()
    assert (enter >= scene.near_far[0] - 1e-4)[opaque].all()
    assert (leave <= scene.near_far[1] + 1e-4)[opaque].all()
    # Their hull, by how many cameras see a point as opaque, is where the bulldozer stands.
    grid = torch.linspace(-1.4, 1.4, 15)
    points = torch.stack(torch.meshgrid(grid, grid, grid, indexing="ij"), dim=-1).reshape(-1, 3)
    missed, views = torch.zeros(2, len(points))
    for i in range(0, 100, 4):
        pixels, _, seen = scene.cameras.project(i, points)
        x, y = pixels[seen].long().clamp(0, 199).T
        alpha = torch.from_numpy(scene.images[i][..., 3].copy())
        missed[seen] += (alpha[y, x] == 0).float()
        views += seen
    hull = points[(missed == 0) & (views > 10)]
    assert 30 < len(hull) < 1200
    assert hull.mean(dim=0).abs().max() < 0.4
    assert hull.abs().max() < 1.3


def test_fox(shared_data):
    scene = load_scene(shared_data("fox"))
    assert len(scene) == 50
    assert scene.splits["test"].tolist() == list(range(0, 50, 8))
    assert scene.unbounded
    point, in_front = meeting_point(scene.cameras)
    assert in_front == 1
    assert point.norm() < 1e-6
    # The file's numbers come back.
    frames = json.loads((shared_data("fox") / "transforms.json").read_text())["frames"]
    back = scene.cameras.transformed(scene.source_from_world).world_from_camera
    expected = np.array([frame["transform_matrix"] for frame in frames])[:, :3]
    expected[:, :, 1:3] *= -1
    np.testing.assert_allclose(back.numpy(), expected, atol=1e-5)
    assert scene.cameras.distortion[0, :4].tolist() == [
        *(0.0578421, -0.0805099, -0.000980296, 0.00015575)
    ]


def test_cup_points_are_where_the_photos_have_them(shared_data):
    """The mean reprojection error that COLMAP states, under our cameras."""
    folder = shared_data("colmap_cup")
    scene = load_scene(folder)
    pycolmap = pytest.importorskip("pycolmap")
    model = pycolmap.Reconstruction(folder / "sparse" / "0")
    order = {image.name: image for image in model.images.values()}
    world_from_source = torch.linalg.inv(scene.source_from_world)
    errors: dict[int, list[float]] = {}
    for i, name in enumerate(scene.images.names):
        observed = [p for p in order[name].points2D if p.has_point3D()]
        source = np.stack([model.points3D[p.point3D_id].xyz for p in observed])
        world = apply_similarity(world_from_source, torch.from_numpy(source))
        pixels, z_depth, _ = scene.cameras.project(i, world)
        assert (z_depth > 0).all()
        distances = np.linalg.norm(pixels.numpy() - [p.xy for p in observed], axis=1)
        for p, distance in zip(observed, distances):
            errors.setdefault(p.point3D_id, []).append(distance)
    stated = model.compute_mean_reprojection_error()  # the mean over points of their means
    assert np.mean([np.mean(values) for values in errors.values()]) == pytest.approx(
        stated, rel=1e-3
    )
    assert stated == pytest.approx(0.59, abs=0.01)
    assert len(scene.points) == len(errors) == 9262
    assert len(scene.point_views) > 0.98 * sum(map(len, errors.values()))


def test_cup_colours_are_those_of_the_points(shared_data):
    """Photos and cameras belong together: points have the colours that the photos show there."""
    scene = load_scene(shared_data("colmap_cup"))
    differences, shuffled = [], []
    for i in range(0, len(scene), 6):
        viewed = scene.point_views[scene.point_views[:, 1] == i, 0]
        pixels, _, seen = scene.cameras.project(i, scene.points[viewed])
        x, y = pixels[seen].long().T
        shown = torch.from_numpy(scene.images[i][y.numpy(), x.numpy()].astype(np.float32))
        color = scene.point_colors[viewed[seen]].float()
        differences.append((shown - color).abs().mean())
        shuffled.append((shown - color.roll(len(color) // 2, dims=0)).abs().mean())
    assert np.mean(differences) < 0.5 * np.mean(shuffled)


def test_cup_as_llff_and_as_colmap_agree(shared_data):
    """Two files of the same cameras; LLFF keeps one focal length per photo as well."""
    colmap = load_scene(shared_data("colmap_cup"))
    llff = load_scene(shared_data("colmap_cup"), format="llff")
    by_name = {name: i for i, name in enumerate(colmap.images.names)}
    a = colmap.cameras.transformed(colmap.source_from_world)
    b = llff.cameras.transformed(llff.source_from_world)
    assert sorted(by_name) == sorted(llff.images.names)
    order = torch.tensor([by_name[name] for name in llff.images.names])
    distance = (a[order].positions - b.positions).norm(dim=1).median()
    assert distance < 0.05 * a.positions.std(dim=0).norm()


def test_cup_through_text(shared_data, tmp_path):
    pycolmap = pytest.importorskip("pycolmap")
    folder = shared_data("colmap_cup")
    (tmp_path / "sparse" / "0").mkdir(parents=True)
    (tmp_path / "images").symlink_to(folder / "images")
    pycolmap.Reconstruction(folder / "sparse" / "0").write_text(tmp_path / "sparse" / "0")
    text, binary = load_scene(tmp_path), load_scene(folder)
    torch.testing.assert_close(text.cameras.world_from_camera, binary.cameras.world_from_camera)
    torch.testing.assert_close(text.cameras.intrinsics, binary.cameras.intrinsics)
    assert len(text.points) == len(binary.points)
    assert len(text.point_views) == len(binary.point_views)
    assert len(read_binary(folder / "sparse" / "0").images) == 77


def test_fern(shared_data):
    scene = load_scene(shared_data("llff_fern"))
    assert scene.cameras.size[0].tolist() == [504, 378]
    assert scene.cameras.intrinsics[0, 0] == pytest.approx(3260.526 / 8, rel=1e-4)
    assert scene.splits["test"].tolist() == [0, 8, 16]
    near, far = scene.near_far
    assert 0.3 < near < 1
    assert far > 5
    assert scene.cameras.positions[:, 1].max() < -1  # before the box, looking along +y
    assert scene.cameras.world_from_camera[:, 1, 2].min() > 0.9
    assert load_scene(shared_data("llff_fern"), downscale=16).images[0].shape == (189, 252, 3)
