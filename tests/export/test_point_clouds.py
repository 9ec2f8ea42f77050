"""Points on surfaces: in the frame of the data, with what is known of each, and their files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from polyfield.errors import InputError
from polyfield.export import point_clouds
from polyfield.export.point_clouds import agreement_of, seen_points, strays, thinned
from polyfield.export.point_files import write_points
from polyfield.export.shape_points import shape_points


def test_points_land_on_the_surface_of_the_data(make_ball: Callable, off_ball: Callable) -> None:
    task = make_ball()
    cloud = seen_points(task, 3000).transformed(task.scene.source_from_world.numpy())
    assert len(cloud) == 3000
    assert np.abs(off_ball(cloud.positions)).max() < 1e-4
    outward = (cloud.positions - [20, -7, 3]) / 5
    np.testing.assert_allclose(cloud.normals, outward, atol=1e-3)
    assert cloud.colors is not None
    np.testing.assert_allclose(cloud.colors / 255, 0.5 + 0.5 * outward, atol=0.01)
    assert cloud.confidence.min() > 0.9
    spread = cloud.positions.min(axis=0), cloud.positions.max(axis=0)
    np.testing.assert_allclose(spread, [[15, -12, -2], [25, -2, 8]], atol=0.3)


def test_one_point_a_voxel(make_ball: Callable, off_ball: Callable) -> None:
    task = make_ball()
    cloud = seen_points(task, voxel=0.05)
    cells = np.floor(cloud.positions / 0.05)
    assert len(np.unique(cells, axis=0)) > 0.97 * len(cloud)  # means may round to a face
    source = cloud.transformed(task.scene.source_from_world.numpy())
    assert np.abs(off_ball(source.positions)).max() < 0.02
    np.testing.assert_allclose(np.linalg.norm(cloud.normals, axis=1), 1, atol=1e-4)


def test_what_views_look_past_has_no_confidence(make_ball: Callable) -> None:
    task = make_ball()
    seen = list(point_clouds.depth_maps(task, task.scene.cameras[:8], normals=True))
    on = seen[0].points()[:5].numpy()
    middle = task.scene.bounds.mean(dim=0).numpy()
    floating = middle + 1.25 * (on - middle)
    within = middle + 0.5 * (on - middle)
    pixel = np.full(15, 0.01, np.float32)
    found = agreement_of(np.concatenate([on, floating, within]).astype(np.float32), pixel, seen)
    assert found[:5].min() > 0.9
    assert found[5:10].max() == 0
    assert found[10:].min() == 1  # hidden from all: nobody speaks against it


def test_what_lies_apart_is_found() -> None:
    plane = np.random.default_rng(0).random((2000, 3)) * [1, 1, 0]
    apart = np.array([[0.5, 0.5, 0.8], [3, 0, 0]])
    found = strays(np.concatenate([plane, apart]))
    assert found[-2:].all()
    assert found[:-2].mean() < 0.02


def test_a_voxel_holds_the_mean_by_confidence() -> None:
    cloud = point_clouds.PointCloud(
        np.array([[0.1, 0.1, 0.1], [0.4, 0.1, 0.1], [1.5, 0, 0]], np.float32),
        np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], np.float32),
        np.array([[0, 0, 0], [200, 0, 0], [7, 8, 9]], np.uint8),
        np.array([0.25, 0.75, 0.5], np.float32),
    )
    found = thinned(cloud, 1.0)
    np.testing.assert_allclose(found.positions, [[0.325, 0.1, 0.1], [1.5, 0, 0]], rtol=1e-5)
    np.testing.assert_allclose(found.normals[0], np.array([0, 0.75, 0.25]) / 0.625**0.5, 1e-4)
    assert found.colors is not None
    assert found.colors.tolist() == [[150, 0, 0], [7, 8, 9]]
    np.testing.assert_allclose(found.confidence, [0.5, 0.5])
    grey = thinned(replace(cloud, colors=None), 1.0)
    assert grey.colors is None


def test_what_is_refused(make_ball: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no surface"):
        seen_points(make_ball(opacity=0.2), 100)
    with pytest.raises(InputError, match="diverged"):
        seen_points(make_ball(opacity=float("nan")), 100)
    with pytest.raises(InputError, match="points: found 0"):
        seen_points(make_ball(), 0)
    with pytest.raises(InputError, match="voxel"):
        seen_points(make_ball(), voxel=-1.0)
    monkeypatch.setattr(point_clouds, "free_memory", lambda: 100_000)
    task = make_ball()
    with pytest.raises(InputError, match="does not fit in memory"):
        seen_points(task, 5000)
    assert not task.renderer.asked


def test_points_of_a_shape_are_spread_evenly_over_it() -> None:
    cloud = shape_points(lambda x: x.norm(dim=1) - 0.7, 4000)
    assert len(cloud) == 4000
    length = np.linalg.norm(cloud.positions, axis=1)
    np.testing.assert_allclose(length, 0.7, atol=1e-4)
    np.testing.assert_allclose(cloud.normals, cloud.positions / 0.7, atol=2e-3)
    # By Archimedes heights on a sphere are uniform, along any axis.
    for axis in range(3):
        counts, _ = np.histogram(cloud.positions[:, axis], 8, (-0.7, 0.7))
        assert counts.min() > 400
        assert counts.max() < 600


def test_shapes_that_are_not_there() -> None:
    with pytest.raises(InputError, match="no surface"):
        shape_points(lambda x: x.new_ones(len(x)), 10)
    with pytest.raises(InputError, match="diverged"):
        shape_points(lambda x: x.new_full((len(x),), torch.nan), 10)


@pytest.mark.parametrize("suffix", [".ply", ".pcd", ".xyz", ".npz"])
@pytest.mark.parametrize("colored", [True, False])
def test_files_hold_what_is_written(tmp_path: Path, suffix: str, colored: bool) -> None:
    random = np.random.default_rng(0)
    cloud = point_clouds.PointCloud(
        random.normal(size=(7, 3)).astype(np.float32),
        random.normal(size=(7, 3)).astype(np.float32),
        random.integers(0, 256, (7, 3)).astype(np.uint8) if colored else None,
        random.random(7).astype(np.float32),
    )
    file = tmp_path / f"points{suffix}"
    write_points(cloud, file)
    if suffix == ".npz":
        found = np.load(file)
        np.testing.assert_array_equal(found["confidence"], cloud.confidence)
        assert ("colors" in found) == colored
        positions = found["positions"]
    elif suffix == ".ply":
        read = trimesh.load(file)
        positions = np.asarray(read.vertices)
        row = read.metadata["_ply_raw"]["vertex"]["data"]
        np.testing.assert_array_equal(np.ravel(row["confidence"]), cloud.confidence)
        np.testing.assert_array_equal(np.ravel(row["nz"]), cloud.normals[:, 2])
        if colored:
            np.testing.assert_array_equal(np.asarray(read.colors)[:, :3], cloud.colors)
    elif suffix == ".xyz":
        rows = np.loadtxt(file)
        positions = rows[:, :3]
        if colored:
            np.testing.assert_array_equal(rows[:, 3:6], cloud.colors)
    else:
        head, _, body = file.read_bytes().partition(b"DATA binary\n")
        columns = 8 if colored else 7
        values = np.frombuffer(body, "<f4").reshape(7, columns)
        positions = values[:, :3]
        assert f"FIELDS x y z normal_x normal_y normal_z {'rgb ' * colored}confidence" in (
            head.decode()
        )
        np.testing.assert_array_equal(values[:, -1], cloud.confidence)
        if colored:
            packed = values[:, 6].copy().view("<u4")
            np.testing.assert_array_equal(packed >> 8 & 255, cloud.colors[:, 1])
    np.testing.assert_allclose(positions, cloud.positions, rtol=1e-6)
    with pytest.raises(InputError, match="ends in one of"):
        write_points(cloud, tmp_path / "a.las")
