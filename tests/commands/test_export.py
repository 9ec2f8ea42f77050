"""`polyfield export`: a run as files that show what it shows, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import yaml

from polyfield.cameras.files import save_cameras
from polyfield.splats import ply
from polyfield.splats.formats import read_splats, write_splats
from polyfield.splats.splats import Splats
from polyfield.training.runs import open_run

# The least PSNR of what a file shows, of what the run does, dB; .splat has no harmonics.
LEAST = {
    ".ply": 50,
    ".glb": 50,
    ".compressed.ply": 35,
    ".spz": 35,
    ".sog": 30,
    ".splat": 20,
}


def pictures(folder: Path) -> np.ndarray:
    """[n,h,w,3] in [0, 1]."""
    files = sorted(folder.glob("rgb_*.png"))
    assert files, folder
    return np.stack([iio.imread(file) for file in files]) / 255.0


def psnr(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(-10 * np.log10(np.maximum(((ours - theirs) ** 2).mean(), 1e-12)))


@pytest.fixture
def shown(line: Callable, splatted: Path, tmp_path: Path) -> np.ndarray:
    """What the run itself shows from its test cameras; those, in the data's frame, in a file."""
    scene = open_run(splatted)[1]
    cameras = scene.cameras[scene.splits["test"]].transformed(scene.source_from_world)
    save_cameras(tmp_path / "views.json", cameras)
    assert line("render", f"run={splatted}", "path=test", "out=own", "background=white")[0] == 0
    return pictures(tmp_path / "own")


@pytest.mark.parametrize("suffix", LEAST)
def test_a_file_shows_what_the_run_shows(
    line: Callable, splatted: Path, shown: np.ndarray, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"scene{suffix}"
    status, said, err = line("export", f"run={splatted}", "format=splat", f"out={out}")
    assert (status, err) == (0, "")
    lines = dict(row.split(maxsplit=1) for row in said.splitlines())
    size = out.stat().st_size
    n = len(read_splats(out))
    assert lines["written"].startswith(f"{out}: {n:,} Gaussians of degree {suffix != '.splat':d}")
    assert f"{size / 1000:.3g} kB, {size / n:.1f} bytes each, in " in lines["written"]
    assert lines["up"] == "[0, 0, 1]"
    words = ["path=views.json", "out=its", "background=white"]
    status, said, err = line("render", f"run={out}", *words)
    assert status == 0, err
    assert psnr(pictures(tmp_path / "its"), shown) > LEAST[suffix]
    assert [file.name for file in tmp_path.glob("*scene*")] == [out.name]


def test_a_training_begins_with_what_was_exported(
    line: Callable, photos: Path, splatted: Path, shown: np.ndarray, tmp_path: Path
) -> None:
    assert line("export", f"run={splatted}", "format=splat", "out=scene.ply")[0] == 0
    words = [f"data={photos}", "run=r", "field=gaussians", "field.degree=1", "densify=none"]
    still = ["optimizer.lr=1e-9", "field.degree_every=0", "trainer.max_steps=1"]
    status, _, err = line("train", *words, *still, "task.init_from=scene.ply")
    assert status == 0, err
    assert line("render", "run=r", "path=test", "out=its", "background=white")[0] == 0
    assert psnr(pictures(tmp_path / "its"), shown) > 50


def test_frames_and_degrees(line: Callable, splatted: Path) -> None:
    words = [f"run={splatted}", "format=splat"]
    assert line("export", *words, "out=source.ply")[0] == 0
    assert line("export", *words, "out=world.ply", "frame=world", "degree=0")[0] == 0
    ours, theirs = read_splats("source.ply"), read_splats("world.ply")
    assert (ours.degree, theirs.degree) == (1, 0)
    matrix = open_run(splatted)[1].source_from_world.numpy()
    moved = theirs.means @ matrix[:3, :3].T + matrix[:3, 3]
    np.testing.assert_allclose(ours.means, moved, atol=1e-4)
    scale = np.log(np.cbrt(np.linalg.det(matrix[:3, :3])))
    assert scale > 0.5
    np.testing.assert_allclose(ours.log_scales, theirs.log_scales + scale, atol=1e-4)


def test_the_photos_need_not_be_there(line: Callable, splatted: Path, tmp_path: Path) -> None:
    shutil.copytree(splatted, tmp_path / "moved, (1)")
    file = tmp_path / "moved, (1)" / "config.yaml"
    config = yaml.safe_load(file.read_text())
    config["data"] = config["dataset"]["path"] = "elsewhere.npz"
    file.write_text(yaml.safe_dump(config))
    status, _, err = line("export", "run=moved, (1)", "format=splat", "out=a (1).ply")
    assert status == 0, err
    assert line("export", f"run={splatted}", "format=splat", "out=b.ply")[0] == 0
    assert Path("a (1).ply").read_bytes() == Path("b.ply").read_bytes()


def test_a_file_for_a_run(line: Callable, splatted: Path) -> None:
    assert line("export", f"run={splatted}", "format=splat", "out=a.ply")[0] == 0
    splats = read_splats("a.ply")
    logits = splats.opacity_logits.copy()
    logits[:3], logits[3] = -9, np.nan
    arrays = {name: getattr(splats, name) for name in list(vars(splats))[:6]}
    ply.write(Splats(**{**arrays, "opacity_logits": logits}), Path("b.ply"))
    status, said, err = line("export", "run=b.ply", "format=splat", "out=c.spz")
    assert (status, err) == (0, "")
    assert "dropped  4: 1 not finite, 3 nearly transparent" in said
    assert len(read_splats("c.spz")) == len(splats) - 4
    words = ["out=c.spz", "keep_transparent=true", "overwrite=true"]
    assert "dropped  1: 1 not finite" in line("export", "run=b.ply", "format=splat", *words)[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["out=b.ply"], "format: found none, expected format=splat or format=web"),
        (["format=msh", "out=b.ply"], "format: found msh, expected format=splat or format=web"),
        (["format=splat"], "out: found none, expected out=FILE"),
        (["format=splat", "out=b.obj"], "b.obj: expected a name that ends in one of .compressed"),
        (["format=splat", "out=b.ksplat"], "b.ksplat: a .ksplat file is only read"),
        (["format=splat", "out=there.ply"], "there.ply: is there already (overwrite=true"),
        (["format=splat", "out=folder.ply"], "folder.ply: found a folder, expected the name"),
        (["format=splat", "out=gone/b.ply"], "gone: no such folder"),
        (["format=splat", "out=b.ply", "degree=4"], "degree: found 4, expected 0, 1, 2 or 3"),
        (["format=splat", "out=b.ply", "frame=file"], "frame: found file, expected source or w"),
        (["format=splat", "out=b.ply", "checkpoint=7"], "checkpoint"),
        (["format=splat", "out=b.ply", "overwrit=true"], "did you mean 'overwrite'?"),
        (["format=splat", "out=b.ply", "run=gone"], "gone: run: found no such folder"),
        (["format=splat", "out=b.ply", "run=gone.ply"], "gone.ply: run: found no such file"),
        (["format=splat", "out=b.ply", "run=notes.txt"], "notes.txt: run: found another file"),
        (["format=splat", "out=b.ply", "run=there.ply"], "there.ply: "),
        (["format=splat", "out=b.ply", "run=faint.ply"], "faint.ply: no Gaussian is left, found 5"),
        (["format=splat", "out=b.ply", "run=faint.ply", "frame=world"], "frame: does not fit"),
    ],
)
def test_mistakes_are_one_line(
    line: Callable, splatted: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "there.ply").write_text("ply\n")
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "folder.ply").mkdir()
    one = np.ones
    faint = Splats(one((5, 3)), one((5, 4)), one((5, 3)), -9 * one(5), one((5, 3)), one((5, 0, 3)))
    write_splats(faint, tmp_path / "faint.ply")
    before = sorted(path.name for path in tmp_path.iterdir())
    run = [] if any(word.startswith("run=") for word in words) else [f"run={splatted}"]
    status, said, err = line("export", *run, *words)
    assert (status, said, err.count("\n")) == (2, "", 1), err
    assert message in err
    assert sorted(path.name for path in tmp_path.iterdir()) == before
