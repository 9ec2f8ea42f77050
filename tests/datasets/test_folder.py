"""Our own format."""

from __future__ import annotations

import numpy as np
import torch

from polyfield.datasets import describe, load_scene


def save(path, **arrays):
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})


def test_folder_with_photos_as_files(world, tmp_path):
    arrays = world.arrays(world.cameras)
    names = world.save_photos(tmp_path / "images", world.cameras)
    arrays |= {"images": None, "names": np.array(names)}
    save(tmp_path / "cameras.npz", **arrays)
    scene = load_scene(tmp_path)
    assert scene.images.names == names
    assert (scene.images[3] == world.photo(world.cameras, 3)).all()
    assert (scene.masks[3][..., 0] == world.mask(world.cameras, 3)).all()
    save(tmp_path / "cameras.npz", **(arrays | {"names": None}))
    assert load_scene(tmp_path).images.names == names


def test_bounds_keep_the_frame(world, tmp_path):
    bounds = np.array([[-4.0, -3, -2], [5, 6, 7]])
    save(
        tmp_path / "a.npz", **world.arrays(world.cameras), bounds=bounds, unbounded=np.array(False)
    )
    scene = load_scene(tmp_path / "a.npz")
    assert torch.equal(scene.source_from_world, torch.eye(4).double())
    assert scene.bounds.tolist() == bounds.tolist()
    assert not scene.unbounded
    torch.testing.assert_close(
        scene.cameras.world_from_camera, world.cameras.world_from_camera, rtol=0, atol=1e-12
    )


def test_shared_intrinsics_and_matrices(world, tmp_path):
    arrays = world.arrays(world.cameras)
    fx, fy, cx, cy = arrays["intrinsics"][0]
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    for k, intrinsics in enumerate((arrays["intrinsics"][0], matrix, np.stack([matrix] * 10))):
        save(tmp_path / f"{k}.npz", **(arrays | {"intrinsics": intrinsics, "model": None}))
        cameras = load_scene(tmp_path / f"{k}.npz").cameras
        torch.testing.assert_close(cameras.intrinsics, world.cameras.intrinsics)


def test_alpha_splits_points(world, tmp_path):
    arrays = world.arrays(world.cameras, alpha=True)
    arrays |= {"train": np.arange(4), "test": np.array([8], dtype=np.uint8)}
    arrays |= {"points": np.ones((5, 3)), "point_colors": np.full((5, 3), 9, dtype=np.uint8)}
    save(tmp_path / "scene.npz", **arrays)
    scene = load_scene(tmp_path, background="black")
    assert scene.background == "black"
    assert scene.images.channels == 4
    assert scene.splits["train"].tolist() == [0, 1, 2, 3]
    assert scene.splits["test"].tolist() == [8]
    assert len(scene.points) == len(scene.point_colors) == 5
    ignored = load_scene(tmp_path, background="ignore", downscale=2)
    assert ignored.masks[0].shape == (8, 12, 1)
    assert ignored.masks[0][0, 0] == 0
    assert ignored.masks[0][-1, -1] == 255
    about = describe(scene)
    assert about["alpha"]
    assert about["splits"] == {"test": 1, "train": 4}
    assert about["resolution"] == {"smallest": [24, 16], "largest": [24, 16]}


def test_what_no_listed_split_has_trains(world, tmp_path):
    save(tmp_path / "a.npz", **world.arrays(world.cameras), test=np.array([2, 5]))
    splits = load_scene(tmp_path / "a.npz").splits
    assert splits["test"].tolist() == [2, 5]
    assert splits["train"].tolist() == [0, 1, 3, 4, 6, 7, 8, 9]


def test_views_of_points_are_kept(world, tmp_path):
    views = np.array([[0, 3], [1, 3], [1, 9]], dtype=np.uint8)
    points = np.ones((2, 3))
    save(tmp_path / "a.npz", **world.arrays(world.cameras), points=points, point_views=views)
    scene = load_scene(tmp_path / "a.npz")
    assert scene.point_views.tolist() == views.tolist()


def test_normals_turn_with_the_world(world, tmp_path):
    """Normals that point back along the optical axis of each image do so in any frame."""
    arrays = world.arrays(world.cameras)
    back = -world.cameras.world_from_camera[:, None, None, :, 2].numpy()
    normals = np.broadcast_to(3 * back, (10, 16, 24, 3)).copy()
    normals[:, 0, 0], normals[:, 0, 1] = 0, np.nan
    save(tmp_path / "a.npz", **arrays, normals=normals)
    for downscale in (1, 2):
        scene = load_scene(tmp_path / "a.npz", downscale=downscale)
        assert not torch.allclose(scene.source_from_world, torch.eye(4).double())
        for i in (0, 7):
            expected = -scene.cameras.world_from_camera[i, :, 2].numpy()
            shown = scene.normals[i][2:]
            np.testing.assert_allclose(shown, np.broadcast_to(expected, shown.shape), atol=1e-6)
            assert np.isfinite(scene.normals[i]).all()
    assert (load_scene(tmp_path / "a.npz").normals[0][0, :2] == 0).all()
    assert describe(scene)["normals"]
