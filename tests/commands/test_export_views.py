"""`polyfield export` of points, cameras, depths, normals and videos, in the frame of the data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import trimesh

from polyfield.datasets import load_scene
from polyfield.training.runs import open_run


def test_points_of_a_run_lie_where_its_data_is(line: Callable, trained: Path) -> None:
    words = [f"run={trained}", "format=pointcloud", "points=500"]
    status, said, err = line("export", *words, "out=a.ply")
    assert (status, err) == (0, "")
    assert line("export", *words, "out=b.ply", "frame=world")[0] == 0
    ours, theirs = (np.asarray(trimesh.load(name).vertices) for name in ("a.ply", "b.ply"))
    matrix = open_run(trained)[1].source_from_world.numpy()
    np.testing.assert_allclose(ours, theirs @ matrix[:3, :3].T + matrix[:3, 3], atol=1e-3)
    assert said.startswith(f"points   {len(ours)}, of confidence 0.")
    # The built-in scene, times ten, lies within a ball of 12 around the origin.
    assert np.linalg.norm(np.median(ours, axis=0)) < 12


def test_depths_are_those_that_renders_have(line: Callable, trained: Path) -> None:
    words = [f"run={trained}", "format=depth", "split=test"]
    status, _, err = line("export", *words, "out=png")
    assert (status, err) == (0, "")
    assert line("export", *words, "out=npy", "encoding=npy")[0] == 0
    assert line("export", *words, "out=tif", "encoding=tif", "scale=0.5")[0] == 0
    frames = json.loads(Path("png/transforms.json").read_text())["frames"]
    assert len(frames) == 3
    step = frames[0]["depth_unit_scale_factor"]
    for frame in frames:
        name = Path(frame["depth_file_path"])
        counts, exact = iio.imread(Path("png") / name), np.load(f"npy/{name.stem}.npy")
        assert counts.dtype == np.uint16
        np.testing.assert_allclose(counts * step, exact, atol=0.51 * step)
        assert counts.max() > 10_000  # most of the 16 bits are of use
        assert iio.imread(f"tif/{name.stem}.tif").shape == (16, 16)
    views = [f"run={trained}", "path=test", "modes=[median]", "raw=true", "out=seen"]
    assert line("render", *views)[0] == 0
    scene = open_run(trained)[1]
    for k, i in enumerate(scene.splits["test"].tolist()):
        along = np.load(f"seen/median_{k:04}.npy")
        cosine = scene.cameras.image_rays(i).axis_cosine.view(32, 32).numpy()
        exact = np.load(f"npy/{Path(scene.images.names[i]).stem}.npy")
        np.testing.assert_allclose(exact, np.nan_to_num(along * cosine), rtol=1e-4, atol=1e-4)


def test_normals_turn_with_the_frame(line: Callable, trained: Path) -> None:
    words = [f"run={trained}", "format=normal", "encoding=npy"]
    assert line("export", *words, "out=a")[0] == 0
    assert line("export", *words, "out=b", "frame=world")[0] == 0
    assert line("export", *words[:2], "out=c")[0] == 0
    matrix = open_run(trained)[1].source_from_world.numpy()[:3, :3]
    turn = matrix / np.cbrt(np.linalg.det(matrix))
    for file in sorted(Path("a").glob("*.npy")):
        ours, theirs = np.load(file), np.load(Path("b") / file.name)
        np.testing.assert_allclose(ours, theirs @ turn.T, atol=1e-5)
        lengths = np.linalg.norm(ours, axis=-1)
        assert ((lengths < 1e-6) | (np.abs(lengths - 1) < 1e-4)).all()
        shown = (iio.imread(Path("c") / f"{file.stem}.png").astype(float) - 128) / 127
        np.testing.assert_allclose(shown, ours, atol=0.5 / 127 + 1e-6)


def test_cameras_come_back_through_our_loaders(line: Callable, trained: Path) -> None:
    scene = open_run(trained)[1]
    status, said, err = line("export", f"run={trained}", "format=cameras", "out=data/t.json")
    assert status == 2
    assert "no such folder" in err
    Path("photos").mkdir()
    for name, image in zip(scene.images.names, scene.images):
        iio.imwrite(Path("photos") / name, image, extension=".png")
    status, said, err = line("export", f"run={trained}", "format=cameras", "out=photos/t.json")
    assert (status, err) == (0, "")
    assert "cameras  15, PINHOLE" in said
    found = load_scene("photos/t.json", "transforms")
    right = scene.cameras.transformed(scene.source_from_world)
    ours = found.cameras.transformed(found.source_from_world)
    order = [scene.images.names.index(name) for name in found.images.names]
    np.testing.assert_allclose(ours.world_from_camera, right.world_from_camera[order], atol=1e-9)
    assert {k: len(v) for k, v in found.splits.items()} == {"train": 12, "test": 3}
    shutil.copytree("photos", "data/images")
    assert line("export", f"run={trained}", "format=cameras", "out=data/sparse/0")[0] == 0
    model = load_scene("data", "colmap")
    ours = model.cameras.transformed(model.source_from_world)
    order = [scene.images.names.index(name) for name in model.images.names]
    np.testing.assert_allclose(ours.world_from_camera, right.world_from_camera[order], atol=1e-9)


def test_a_video_is_what_render_makes(line: Callable, trained: Path) -> None:
    words = [f"run={trained}", "frames=3", "scale=0.5"]
    status, said, err = line("export", *words, "format=video", "out=a.mp4", "modes=[rgb,median]")
    assert (status, err) == (0, "")
    assert "3 views of 16x16" in said
    frames = iio.imread("a.mp4", plugin="FFMPEG")
    assert frames.shape[:3] == (3, 16, 32)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["format=pointcloud", "out=a.txt"], r"a\.txt.*ends in one of \.ply"),
        (["format=pointcloud", "out=a.ply", "points=0"], "points: found 0"),
        (["format=pointcloud", "out=a.ply", "voxel=-1"], "voxel: found -1"),
        (["format=pointcloud", "out=a.ply", "time=0.5"], "time.*stands still"),
        (["format=pointcloud", "out=a.ply", "degree=1"], "degree.*does not fit"),
        (["format=depth", "out=a", "split=val"], "split: found val, expected train or test or all"),
        (["format=depth", "out=a", "encoding=bmp"], "encoding: found bmp, expected png or npy"),
        (["format=depth", "out=a.png"], "out: found a.png, expected a folder"),
        (["format=normal", "out=a", "scale=0"], "scale: found 0"),
        (["format=video", "out=a.gif"], r"ends in one of \.mp4"),
        (["format=video", "out=a.mp4", "frame=world"], "frame.*does not fit"),
        (["format=cameras", "out=a.csv"], r"expected a name that ends in \.json"),
        (["format=cameras", "out=a/points.txt"], r"cameras\.txt or cameras\.bin"),
    ],
)
def test_what_is_refused(line: Callable, trained: Path, words: list[str], message: str) -> None:
    import re

    status, out, err = line("export", f"run={trained}", *words)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert re.search(message, err), err
    assert not [path for path in Path().rglob("*") if path.is_file()]


def test_what_is_there_already_is_left(line: Callable, trained: Path) -> None:
    Path("d").mkdir()
    Path("d/mine.txt").write_text("x")
    status, _, err = line("export", f"run={trained}", "format=depth", "out=d")
    assert status == 2
    assert "is not empty" in err
    assert line("export", f"run={trained}", "format=depth", "out=d", "overwrite=true")[0] == 0
    assert Path("d/mine.txt").read_text() == "x"
