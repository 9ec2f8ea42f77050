"""`polyfield export format=web`: pages of runs and of files, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polyfield.splats import Splats
from polyfield.splats.formats import write_splats
from polyfield.training.runs import open_run


def scene_of(page: str) -> dict[str, Any]:
    """What the scripts of a page are told."""
    text = Path(page).read_text(encoding="utf-8")
    (found,) = re.findall(r'<script type="application/json" id="scene">(.*?)</script>', text)
    return json.loads(found)


def faint(n: int) -> Splats:
    shapes = ((n, 3), (n, 4), (n, 3), (n,), (n, 3), (n, 0, 3))
    return Splats(*(np.full(shape, -9 if shape == (n,) else 1) for shape in shapes))


def test_a_run_becomes_a_page_with_its_cameras(line: Callable, splatted: Path) -> None:
    words = [f"run={splatted}", "format=web"]
    status, said, err = line("export", *words, "out=a page.html")
    assert (status, err) == (0, "")
    lines = dict(row.split(maxsplit=1) for row in said.splitlines())
    found, scene = scene_of("a page.html"), open_run(splatted)[1]
    size = Path("a page.html").stat().st_size
    assert f"a page.html: {found['count']:,} Gaussians of degree 1" in lines["written"]
    assert f"{size / 1000:.3g} kB" in lines["written"]
    assert "12 cameras" in lines["read"]
    assert found["up"] == [0, 0, 1]
    assert found["background"] == [1, 1, 1]
    cameras = scene.cameras[scene.splits["train"]]
    poses = cameras.transformed(scene.source_from_world).world_from_camera.flatten(1)
    np.testing.assert_allclose([each["pose"] for each in found["cameras"]], poses, atol=1e-5)
    assert "<title>gaussians</title>" in Path("a page.html").read_text(encoding="utf-8")

    more = ["frame=world", "degree=0", "background=black", "title=<b>&", "overwrite=true"]
    assert line("export", *words, "out=a page.html", *more)[0] == 0
    own = scene_of("a page.html")
    poses = cameras.world_from_camera.flatten(1)
    np.testing.assert_allclose([each["pose"] for each in own["cameras"]], poses, atol=1e-5)
    assert (own["harmonics"], own["background"]) == (0, [0, 0, 0])
    scale = np.cbrt(np.linalg.det(scene.source_from_world[:3, :3].numpy()))
    assert found["near"] == pytest.approx(own["near"] * scale)
    assert found["radius"] == pytest.approx(own["radius"] * scale, rel=0.02)
    assert "<title>&lt;b&gt;&amp;</title>" in Path("a page.html").read_text(encoding="utf-8")
    assert [file.name for file in Path().iterdir()] == ["a page.html"]


def test_the_photos_need_not_be_there(line: Callable, splatted: Path, tmp_path: Path) -> None:
    shutil.copytree(splatted, tmp_path / "moved")
    text = (tmp_path / "moved" / "config.yaml").read_text()
    (tmp_path / "moved" / "config.yaml").write_text(re.sub(r"/\S.*\.npz", "gone.npz", text))
    status, _, err = line("export", "run=moved", "format=web", "out=a.html")
    assert status == 0, err


def test_a_file_becomes_a_page_with_cameras_around_it(line: Callable, splatted: Path) -> None:
    assert line("export", f"run={splatted}", "format=splat", "out=a (1).ply")[0] == 0
    words = ["run=a (1).ply", "format=web", "out=a.html"]
    status, _, err = line("export", *words, "up=z")
    assert (status, err) == (0, "")
    found = scene_of("a.html")
    assert (found["up"], found["view_name"], found["background"]) == ([0, 0, 1], "view", [0, 0, 0])
    poses = np.array([each["pose"] for each in found["cameras"]]).reshape(-1, 3, 4)
    arms = found["center"] - poses[:, :, 3]
    ahead = (arms * poses[:, :, 2]).sum(axis=1) / np.linalg.norm(arms, axis=1)
    assert len(poses) == 8
    assert (ahead > 0.999).all()
    assert (poses[:, 2, 1] < -0.9).all()  # the picture's down is down
    assert line("export", *words, "overwrite=true", "background=white")[0] == 0
    assert scene_of("a.html")["background"] == [1, 1, 1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["out=b.ply"], "b.ply: expected a name that ends in .html"),
        (["out=there.html"], "there.html: is there already (overwrite=true"),
        (["out=gone/b.html"], "gone: no such folder"),
        (["out=/proc/b.html"], "/proc/"),  # where nobody may write
        (["degree=4"], "degree: found 4, expected 0, 1, 2 or 3"),
        (["background=red"], "background: found red, expected auto, white or black"),
        (["frame=file"], "frame: found file, expected source or world"),
        (["up=w", "run=faint.ply"], "up: found"),
        (["up=z"], "up: does not fit, found a run"),
        (["run=faint.ply", "frame=world"], "frame: does not fit, found a file of Gaussians"),
        (["run=faint.ply"], "faint.ply: no Gaussian is left, found 5: 5 nearly transparent"),
        (["run=gone.ply"], "gone.ply: run: found no such file"),
        (["format=splat", "out=b.spz", "title=a"], "title: does not fit, found format=splat"),
    ],
)
def test_mistakes_are_one_line(
    line: Callable, splatted: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "there.html").write_text("mine")
    write_splats(faint(5), tmp_path / "faint.ply")
    before = sorted(path.name for path in tmp_path.iterdir())
    defaults = {"run": str(splatted), "format": "web", "out": "b.html"}
    given = {**defaults, **dict(word.split("=", 1) for word in words)}
    status, said, err = line("export", *(f"{key}={value}" for key, value in given.items()))
    assert (status, said, err.count("\n")) == (2, "", 1), err
    assert message in err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_anything_but_gaussians_becomes_a_page_of_its_mesh(line: Callable, trained: Path) -> None:
    words = [f"run={trained}", "format=web", "resolution=24", "texture=none"]
    status, said, err = line("export", *words, "out=mesh.html")
    assert status == 0, err
    scene = scene_of("mesh.html")
    assert scene["kind"] == "mesh"
    assert 0 < scene["count"] <= 200_000
    assert f"{scene['count']:,} triangles" in said
    status, _, err = line("export", *words, "out=b.html", "degree=1")
    assert status != 0
    assert "degree: does not fit" in err
