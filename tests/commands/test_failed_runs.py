"""A training that fails leaves a run that can be gone on with, or nothing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from polyfield.training import runs
from polyfield.training.trainer import Trainer


@pytest.fixture
def broken(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photos as files, one of them with its middle overwritten."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "images").mkdir()
    with np.load(photos) as file:
        arrays = {key: file[key] for key in file.files}
    for name, image in zip(arrays.pop("names"), arrays.pop("images")):
        iio.imwrite(folder / "images" / f"{name}.png", image)
    np.savez(folder / "cameras.npz", **{k: v for k, v in arrays.items() if k not in ("test",)})
    file = folder / "images" / "train_003.png"
    data = bytearray(file.read_bytes())
    for i in range(len(data) // 4, len(data) // 2):
        data[i] ^= 0xA5
    file.write_bytes(data)
    return folder


@pytest.mark.parametrize("there", [False, True], ids=["new folder", "empty folder"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data={broken}"], "train_003.png"),
        (["data={photos}", "logging.wandb=project"], "logging.wandb: found not installed"),
        (["data={photos}", "optimizer.betas=[0.9]"], "optimizer.betas"),
        (["data={photos}", "optimizer.lr=1e30"], "training stopped"),
    ],
)
def test_a_start_that_fails_leaves_nothing(
    line: Callable,
    broken: Path,
    photos: Path,
    small: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    message: str,
    there: bool,
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    if there:
        Path("runs/r").mkdir(parents=True)
    words = [word.format(broken=broken, photos=photos) for word in words]
    status, _, err = line("train", *words, "run=runs/r", *small, "trainer.max_steps=30")
    assert (status, err.count("error: ")) == (2, 1), err  # below how far it came
    assert message in err
    assert [path.name for path in tmp_path.rglob("*")] == (["runs", "r"] if there else [])


def test_what_was_saved_before_a_failure_stays(
    line: Callable, photos: Path, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer._step

    def fail(trainer: Trainer):  # type: ignore[no-untyped-def]
        if trainer.step == 3:
            raise OSError(5, "Input/output error")
        return step(trainer)

    words = ["trainer.max_steps=5", "trainer.save_every=2", *small]
    with monkeypatch.context() as failing:
        failing.setattr(Trainer, "_step", fail)
        assert line("train", f"data={photos}", "run=r", *words)[0] == 2
    status, _, err = line("train", "resume=r")
    assert status == 0, err


def test_a_configuration_that_cannot_be_written_leaves_nothing(
    line: Callable,
    photos: Path,
    small: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runs, "write_config", full)
    status, _, err = line("train", f"data={photos}", "run=a/b/r", "trainer.max_steps=2", *small)
    assert status == 2
    assert "cannot begin a run here, found No space left on device" in err
    assert not list(tmp_path.iterdir())


def test_a_failed_resume_keeps_the_configuration(
    line: Callable, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path("copy")
    shutil.copytree(trained, run)
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    monkeypatch.setitem(sys.modules, "wandb", None)
    status, _, err = line("train", "resume=copy", "trainer.max_steps=130", "logging.wandb=project")
    assert (status, err.count("error: ")) == (2, 1), err  # below how far it came
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
