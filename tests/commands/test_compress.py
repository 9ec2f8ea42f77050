"""`polyfield compress`: from a run of Gaussians to a small file, in the frame of the photos."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from polyfield import cli
from polyfield.splats.formats import read_splats


@pytest.fixture(scope="module")
def gaussians_run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 Gaussians, a few steps old, of photos whose frame is ten times the world."""
    run = tmp_path_factory.mktemp("runs") / "gaussians"
    words = ["field=gaussians", "task.init=random", "task.init_count=400", "field.degree=1"]
    steps = ["densify=none", "trainer.max_steps=15"]
    assert cli.main(["train", f"data={photos}", f"run={run}", *words, *steps]) == 0
    return run


FAST = [
    "clusters=2",
    "width=8",
    "layers=1",
    "steps=20",
    "recover_steps=3",
    "finetune_steps=3",
    "limit=1",
]


def test_a_run_becomes_a_file(
    gaussians_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "my scene (1).ngs"
    words = ["compress", f"run={gaussians_run}", f"out={out}", *FAST]
    capsys.readouterr()
    assert cli.main(words) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    for part in ("as a PLY", "before", "PSNR", "after", "pruned", "times less", str(out)):
        assert part in said
    splats = read_splats(out)
    assert len(splats) <= 240
    assert splats.degree == 1
    # The frame of the photos, ten times as wide as the world.
    assert 4 < np.abs(splats.means).max() < 30
    assert cli.main(["convert", str(out), str(tmp_path / "a.ply")]) == 0
    assert len(read_splats(tmp_path / "a.ply")) <= len(splats)
    assert cli.main(["info", f"data={out}"]) == 0
    assert "ngs" in capsys.readouterr().out
    assert cli.main(words) == 2
    assert "is there already" in capsys.readouterr().err
    assert cli.main([*words, "overwrite=true"]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["out=a.ply"], "ends in .ngs"),
        ([], "out: found none"),
        (["out=missing/a.ngs"], "no such folder"),
        (["out=a.ngs", "prune=1"], "prune"),
        (["out=a.ngs", "clusters=several"], "clusters"),
        (["out=a.ngs", "checkpoint=7"], "checkpoint"),
    ],
    ids=str,
)
def test_what_is_refused(
    gaussians_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["compress", f"run={gaussians_run}", *FAST, *words]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_run_of_something_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture, run = tmp_path / "a.png", tmp_path / "run"
    iio.imwrite(picture, np.zeros((8, 8, 3), np.uint8))
    words = ["task=image", "field=siren", "trainer.max_steps=1"]
    assert cli.main(["train", f"data={picture}", f"run={run}", *words]) == 0
    assert cli.main(["compress", f"run={run}", f"out={tmp_path / 'a.ngs'}"]) == 2
    assert "field=gaussians" in capsys.readouterr().err
