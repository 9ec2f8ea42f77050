"""What the tests of verbs share: small photos, a run of them, and a shell line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from polyfield import cli
from polyfield.datasets.procedural import procedural_scene


@pytest.fixture(scope="session")
def small() -> list[str]:
    """Settings that train in moments."""
    return [
        *("field.levels=4", "field.log2_entries=11", "field.max_resolution=64"),
        *("task.samples_per_step=2048", "task.rays=128"),
    ]


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in scene in 12 + 3 images of 32 x 32, in a file of our own format, scaled by 10."""
    scene = procedural_scene(n_train=12, n_test=3, size=32)
    poses = scene.cameras.world_from_camera.numpy().copy()
    poses[:, :, 3] *= 10
    file = tmp_path_factory.mktemp("my photos, (1)") / "scene.npz"
    np.savez(
        file,
        world_from_camera=poses,
        intrinsics=scene.cameras.intrinsics.numpy(),
        images=np.stack([scene.images[i] for i in range(len(scene))]),
        names=np.array(scene.images.names),
        train=scene.splits["train"].numpy(),
        test=scene.splits["test"].numpy(),
    )
    return file


@pytest.fixture(scope="session")
def of_one_color() -> Callable[[Path], float]:
    """The score of the mean training colour on what is held out, dB: nothing learned of a scene."""

    def score(file: Path) -> float:
        held = np.load(file)
        images = held["images"] / 255.0
        alpha = images[..., 3:]
        images = images[..., :3] * alpha + (1 - alpha)  # on white, as they are scored
        errors = images[held["test"]] - images[held["train"]].mean(axis=(0, 1, 2))
        return float((-10 * np.log10((errors**2).mean(axis=(1, 2, 3)))).mean())

    return score


@pytest.fixture(scope="session")
def trained(photos: Path, small: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 120 steps."""
    run = tmp_path_factory.mktemp("runs") / "a run"
    words = ["train", f"data={photos}", f"run={run}", "trainer.max_steps=120", *small]
    assert cli.main(words) == 0
    return run


@pytest.fixture(scope="session")
def splatted(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of Gaussians, 150 steps."""
    run = tmp_path_factory.mktemp("runs") / "gaussians"
    words = [
        f"data={photos}",
        f"run={run}",
        "field=gaussians",
        "task.init_count=400",
        "field.degree=1",
        "trainer.max_steps=150",
    ]
    assert cli.main(["train", *words, "densify=mcmc", "densify.every=20", "optimizer.lr=5e-3"]) == 0
    return run


@pytest.fixture
def line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run `polyfield WORDS...` in an empty folder: (status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        status = cli.main(words)
        return status, *capsys.readouterr()

    return run
