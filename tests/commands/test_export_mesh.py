"""`polyfield export format=mesh`: surfaces where the data has them, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import pytest
import torch
import trimesh

from polyfield import cli
from polyfield.errors import InputError
from polyfield.export.meshes.extract import extract
from polyfield.export.meshes.open3d_found import obstacle
from polyfield.training.runs import open_run

CENTRE, RADIUS = np.array([5.0, -2.0, 1.0]), 3.0
SHAPE = [
    *("task.points=20000", "task.eval_points=500", "task.batch=1024", "trainer.max_steps=300"),
    *(
        "field.base_resolution=4",
        "field.max_resolution=16",
        "field.levels=3",
        "decoder.hidden=[32]",
    ),
]


@pytest.fixture(scope="session")
def ball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mesh that is neither at the origin nor of unit size."""
    made = trimesh.creation.icosphere(subdivisions=3, radius=RADIUS)
    file = tmp_path_factory.mktemp("meshes") / "a ball.obj"
    made.apply_translation(CENTRE).export(file)
    return file


@pytest.fixture(scope="session")
def shape(ball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of distances to the ball, turned."""
    return run_of("sdf", ball, tmp_path_factory.mktemp("runs") / "sdf")


def run_of(task: str, ball: Path, run: Path) -> Path:
    before = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(1)  # tiny tensors gain nothing from threads
    numba.set_num_threads(1)
    words = [f"task={task}", "task.rotation_seed=3", f"data={ball}", f"run={run}", *SHAPE]
    assert cli.main(["train", *words]) == 0
    torch.set_num_threads(before[0])
    numba.set_num_threads(before[1])
    return run


def read(file: str | Path) -> trimesh.Trimesh:
    made = trimesh.load_mesh(str(file), process=False)
    assert isinstance(made, trimesh.Trimesh)
    return made


@pytest.mark.parametrize("task", ["sdf", "occupancy"])
def test_a_shape_comes_back_to_where_it_was(
    line: Callable, shape: Path, ball: Path, tmp_path: Path, task: str
) -> None:
    run = shape if task == "sdf" else run_of(task, ball, tmp_path / "r")
    words = [f"run={run}", "format=mesh", "resolution=48"]
    status, said, err = line("export", *words, "out=a.ply")
    assert (status, err) == (0, "")
    assert "watertight  yes" in said
    made = read("a.ply")
    assert made.is_watertight
    assert made.volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.1)
    away = np.linalg.norm(made.vertices - CENTRE, axis=1)
    assert np.abs(away - RADIUS).mean() < 0.1
    # In the world it lies around the origin, 1.9 from corner to corner of its box.
    assert line("export", *words, "out=w.ply", "frame=world")[0] == 0
    assert np.linalg.norm(np.ptp(read("w.ply").vertices, axis=0)) == pytest.approx(1.9, rel=0.05)


def test_photos_become_a_coloured_surface(line: Callable, trained: Path, tmp_path: Path) -> None:
    words = [f"run={trained}", "format=mesh", "resolution=64", "components=0.01"]
    status, said, err = line("export", *words, "out=a.ply")
    assert (status, err) == (0, "")
    made = read("a.ply")
    # The photos are of a scene ten times as large as the built-in one.
    assert 12 < np.ptp(made.vertices, axis=0).max() < 25
    colors = np.asarray(made.visual.vertex_colors)[:, :3]
    assert colors.std(axis=0).min() > 5
    assert "small parts" in said
    status, said, err = line("export", *words, "out=c.ply", "crop=[-20,-20,-20,20,20,0]")
    assert status == 0, err
    assert read("c.ply").vertices[:, 2].max() <= 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.ply", "c.ply"]


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_a_texture_is_baked_in_the_frame_of_the_data(
    line: Callable, trained: Path, tmp_path: Path, suffix: str
) -> None:
    pytest.importorskip("xatlas", reason="needs xatlas")
    words = [f"run={trained}", "format=mesh", "resolution=24", "level=5"]
    assert line("export", *words, "out=plain.ply")[0] == 0
    status, said, err = line("export", *words, f"out=a{suffix}", "texture=64")
    assert status == 0, err
    assert "64 texels" in said
    made = trimesh.load_scene(str(tmp_path / f"a{suffix}"), process=False).to_geometry()
    assert made.visual.uv is not None
    plain = np.sort(np.ptp(read("plain.ply").vertices, axis=0))
    np.testing.assert_allclose(np.sort(np.ptp(made.vertices, axis=0)), plain, rtol=1e-3)
    status, _, err = line("export", *words, f"out=a{suffix}", "texture=64")
    assert status != 0
    assert "is there already" in err


def test_a_cut_surface_can_be_closed_and_thinned(line: Callable, shape: Path) -> None:
    if (reason := obstacle()) is not None:
        pytest.skip(f"Open3D {reason}")
    half = "crop=[-100,-100,-100,100,100,1]"
    words = [f"run={shape}", "format=mesh", "resolution=32", half]
    assert "watertight  no" in line("export", *words, "out=open.stl")[1]
    assert "watertight  yes" in line("export", *words, "watertight=true", "out=closed.off")[1]
    volume = abs(read("closed.off").volume)
    assert volume == pytest.approx(2 / 3 * np.pi * RADIUS**3, rel=0.15)
    status, _, err = line("export", *words, "faces=300", "out=few.glb")
    assert status == 0, err
    assert len(read("few.glb").faces) <= 300


def test_oriented_points_make_a_surface(line: Callable, shape: Path, splatted: Path) -> None:
    if (reason := obstacle()) is not None:
        pytest.skip(f"Open3D {reason}")
    words = ["format=mesh", "method=poisson", "resolution=32"]
    assert line("export", f"run={shape}", *words, "out=a.ply", "watertight=true")[0] == 0
    made = read("a.ply")
    assert made.is_watertight
    assert made.volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.1)
    status, _, err = line("export", f"run={splatted}", *words, "out=g.obj")
    assert status == 0, err
    assert len(read("g.obj").faces) > 100


def test_nothing_and_everything_are_said(line: Callable, trained: Path) -> None:
    words = ["format=mesh", "resolution=16"]
    status, _, err = line("export", f"run={trained}", *words, "out=a.ply", "level=1e9")
    assert status != 0
    assert "level: there is no surface, found density" in err
    assert "tells full from empty" in err
    status, said, err = line("export", f"run={trained}", *words, "out=a.ply", "level=1e-6")
    assert status == 0, err
    assert "gives one blob" in said
    assert "try level=" in said


def test_a_diverged_run_is_refused(trained: Path) -> None:
    task = open_run(trained, recorded=True)[2]
    with torch.no_grad():
        for values in task.module.parameters():
            values.fill_(float("nan"))
    with pytest.raises(InputError, match="the field gives no numbers"):
        extract(task, resolution=16, method="marching")
    with pytest.raises(InputError, match="diverged"):
        extract(task, resolution=16)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["out=a.fbx"], "a.fbx: expected a name that ends in one of .ply, .obj"),
        (["out=there.ply"], "there.ply: is there already (overwrite=true"),
        (["out=gone/a.ply"], "gone: no such folder"),
        (["out=a.ply", "method=cubes"], "method: found cubes, expected auto or fusion"),
        (["out=a.ply", "resolution=4"], "resolution: found 4, expected 8 to"),
        (["out=a.ply", "components=2"], "components: found 2, expected a share"),
        (["out=a.ply", "faces=1"], "faces: found 1, expected 4 or more"),
        (["out=a.ply", "crop=[0,0,0,1,1]"], "crop: found [0, 0, 0, 1, 1], expected [x0,y0,z0"),
        (["out=a.ply", "crop=[0,0,0,1,1,-1]"], "expected [x0,y0,z0,x1,y1,z1], the lower"),
        (["out=a.ply", "crop=[90,90,90,91,91,91]", "resolution=16"], "crop: nothing is left"),
        (["out=a.ply", "level=-1"], "level: found -1"),
        (["out=a.ply", "time=0.5"], "time: does not fit, found a scene that stands still"),
        (["out=a.ply", "degree=1"], "degree: does not fit, found format=mesh"),
        (["out=a.ply", "texture=auto"], "a.ply: expected a name that ends in"),
        (["out=a.glb", "texture=none,"], "texture"),
        (["out=a.glb", "texture=3"], "texture: found 3, expected auto, none, or 16"),
        (["out=a.ply", "frame=file"], "frame: found file, expected source or world"),
    ],
)
def test_mistakes_are_one_line(
    line: Callable, trained: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "there.ply").write_text("ply\n")
    status, _, err = line("export", f"run={trained}", "format=mesh", *words)
    assert status != 0
    assert message in err
    assert len(err.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.ply"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written(line: Callable, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    status, _, err = line("export", f"run={trained}", "format=mesh", "out=locked/a.ply")
    assert status != 0
    assert "cannot be written, found Permission denied" in err


def test_a_picture_has_no_surface(line: Callable, trained: Path, tmp_path: Path) -> None:
    import imageio.v3 as iio

    iio.imwrite(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    words = ["task=image", "data=a.png", "run=r", "trainer.max_steps=1", "field.levels=2"]
    assert line("train", *words)[0] == 0
    status, _, err = line("export", "run=r", "format=mesh", "out=a.ply")
    assert status != 0
    assert "has no surface" in err
