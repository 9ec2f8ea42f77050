"""A file of Gaussians in the place of a run: pictures from around it, the right side up."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from polyfield.commands.splat_scene import direction, path_around
from polyfield.splats import Splats
from polyfield.splats.activations import dc_of_colors
from polyfield.splats.formats import write_splats
from polyfield.splats.frames import transformed

COLORS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}
SETTINGS: dict[str, Any] = {"path": "orbit", "frames": 4, "size": "64x48", "fov": 50.0}


def cross() -> Splats:
    """In 3DGS's axes: red above the middle, green to the right, blue behind."""
    means = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    return Splats(
        means,
        np.tile(np.float32([1, 0, 0, 0]), (3, 1)),
        np.full((3, 3), math.log(0.15)),
        np.full(3, 6.0),
        dc_of_colors(np.float32(list(COLORS.values()))),
        np.zeros((3, 0, 3)),
    )


def centers(picture: np.ndarray) -> dict[str, np.ndarray]:
    """By colour, the mean pixel (x, y) that has it, relative to the picture's middle."""
    found = {}
    h, w = picture.shape[:2]
    for channel, name in enumerate(COLORS):
        others = [i for i in range(3) if i != channel]
        y, x = np.nonzero(picture[..., channel] > picture[..., others].max(axis=-1) + 60.0)
        found[name] = np.array([x.mean() - w / 2, y.mean() - h / 2])
    return found


@pytest.mark.parametrize("suffix", [".ply", ".compressed.ply", ".splat", ".spz", ".glb", ".sog"])
def test_the_right_side_is_up_and_nothing_mirrored(
    line: Callable, tmp_path: Path, suffix: str
) -> None:
    write_splats(cross(), tmp_path / f"a{suffix}")
    words = [f"run=a{suffix}", "frames=4", "size=64x64", "out=seen"]
    status, said, err = line("render", *words)
    assert status == 0, err
    assert "4 views of 64x64" in said
    views = [iio.imread(tmp_path / "seen" / f"rgb_{i:04d}.png").astype(float) for i in range(4)]
    front = centers(views[0])
    assert front["red"][1] < front["green"][1] - 8
    assert front["green"][0] > front["red"][0] + 8
    assert front["red"][0] < front["blue"][0] - 3  # what is farther is nearer to the middle
    back = centers(views[2])
    assert back["red"][1] < back["green"][1] - 8
    assert back["green"][0] < back["red"][0] - 8
    assert back["blue"][0] > back["red"][0] + 3


def test_another_axis_may_be_up(line: Callable, tmp_path: Path) -> None:
    z_up = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
    write_splats(transformed(cross(), z_up), tmp_path / "z.ply")
    write_splats(cross(), tmp_path / "y.ply")
    small = ["frames=2", "size=48x48", "background=white"]
    assert line("render", "run=z.ply", "out=z", "up=z", *small)[0] == 0
    assert line("render", "run=z.ply", "out=v", "up=[0,0,2]", *small)[0] == 0
    assert line("render", "run=y.ply", "out=y", *small)[0] == 0
    for name in ("rgb_0000.png", "rgb_0001.png"):
        z, v, y = (iio.imread(tmp_path / folder / name).astype(float) for folder in "zvy")
        np.testing.assert_array_equal(z, v)
        assert np.abs(z - y).mean() < 1
        assert z[0, 0].min() == 255


def test_paths_look_at_the_middle_from_a_little_above() -> None:
    splats = cross()
    middle = torch.tensor([0.5, -0.5, 0.5], dtype=torch.float64)
    for path in ("orbit", "spiral"):
        cameras = path_around(splats, {**SETTINGS, "path": path, "frames": 12, "up": ["auto"]})
        assert cameras.size.tolist() == [[64, 48]] * 12
        arms = middle - cameras.positions
        turned = torch.einsum("ni,ni->n", arms, cameras.world_from_camera[:, :, 2])
        torch.testing.assert_close(turned, arms.norm(dim=1), rtol=1e-3, atol=0)
        assert (cameras.positions[:, 1] < -0.5).all()
        assert all(bool(cameras.project(i, middle[None].float())[2]) for i in range(12))
    wide = path_around(splats, {**SETTINGS, "up": ["auto"], "fov": 90.0})
    assert float(wide.intrinsics[0, 0]) == pytest.approx(24)
    assert float((wide.positions[0] - middle).norm()) < float(arms.norm(dim=1).max())


@pytest.mark.parametrize(
    ("up", "expected"),
    [
        (["auto"], (0, -1, 0)),
        (["z"], (0, 0, 1)),
        (["-X"], (-1, 0, 0)),
        ([3, 0, -4], (0.6, 0, -0.8)),
    ],
)
def test_up(up: list[Any], expected: tuple[float, ...]) -> None:
    assert direction(up) == pytest.approx(expected)


def test_the_file_gets_its_pictures_beside_it(line: Callable, tmp_path: Path) -> None:
    (tmp_path / "my files").mkdir()
    write_splats(cross(), tmp_path / "my files" / "a.compressed.ply")
    words = ["run=my files/a.compressed.ply", "path=spiral", "frames=2", "size=32x32"]
    status, said, err = line("render", *words, "modes=[rgb,depth]")
    assert status == 0, err
    assert (tmp_path / "my files" / "a_spiral.mp4").is_file()
    assert "depth" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run=gone.spz"], "gone.spz: run: found no such file, expected the folder of a run, or"),
        (["run=notes.txt"], "notes.txt: run: found another file"),
        (["run=notes.ply"], "notes.ply: "),
        (["run=a.ply", "path=train"], "path: found train, expected orbit or spiral, or a file"),
        (["run=a.ply", "size=2x"], "size: found 2x, expected WIDTHxHEIGHT"),
        (["run=a.ply", "size=0x20"], "size: found 0x20"),
        (["run=a.ply", "fov=0"], "fov: found 0, expected degrees"),
        (["run=a.ply", "up=w"], "up: found ['w'], expected auto, x, y, z"),
        (["run=a.ply", "up=[0,0,0]"], "up: found [0, 0, 0]"),
        (["run=a.ply", "time=0.5"], "time: does not fit, found a file of Gaussians"),
        (["run=a.ply", "checkpoint=best"], "checkpoint: does not fit, found a file of Gaussians"),
        (["run=a.ply", "frames=0"], "frames: found 0, expected above 0"),
        (["run=a.ply", "modes=[rgb,colour]"], "modes: found colour"),
        (["run=a.ply", "background=grey"], "background: found grey"),
        (["run=faint.ply"], "faint.ply: no Gaussian that can be seen"),
    ],
)
def test_mistakes_are_one_line(
    line: Callable, tmp_path: Path, words: list[str], message: str
) -> None:
    splats = cross()
    write_splats(splats, tmp_path / "a.ply")
    arrays = {name: getattr(splats, name) for name in list(vars(splats))[:6]}
    faint = Splats(**{**arrays, "opacity_logits": np.full(3, -9.0)})
    write_splats(faint, tmp_path / "faint.ply")
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "notes.ply").write_text("notes")
    before = sorted(path.name for path in tmp_path.iterdir())
    status, said, err = line("render", *words)
    assert (status, said, err.count("\n")) == (2, "", 1), err
    assert message in err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_run_has_cameras_of_its_own(line: Callable, splatted: Path) -> None:
    for word in ("up=z", "fov=40", "size=20x20"):
        status, _, err = line("render", f"run={splatted}", word)
        assert status == 2
        key = word.partition("=")[0]
        assert err == f"error: {key}: does not fit, found a run of task=radiance\n"
