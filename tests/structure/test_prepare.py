"""From photos to a folder that trains: a real run of COLMAP on photos that are made here."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polyfield.datasets import load_scene
from polyfield.errors import InputError
from polyfield.structure import child, database
from polyfield.structure import prepare as module
from polyfield.structure.advice import advise
from polyfield.structure.alignment import pose_errors
from polyfield.structure.prepare import Prepared, prepare
from polyfield.structure.settings import Settings

pytest.importorskip("pycolmap")

LOW = Settings(quality="low")


class Calls:
    """Stands before COLMAP: notes the stages, and stops or answers in its place where told to."""

    def __init__(self, **answers: Any) -> None:
        self.stages: list[str] = []
        self.answers = answers

    def __call__(self, request: dict, *rest: Any) -> Any:
        stage = request["stage"]
        self.stages.append(stage)
        answer = self.answers.get(stage, child.call_colmap)
        return answer(request, *rest) if callable(answer) else answer


def run(source: Path, out: Path, settings: Settings = LOW) -> tuple[Prepared, list[str]]:
    lines: list[str] = []
    watch = lambda name, done, total: None  # noqa: E731
    found = prepare(source, out, settings, watch, lambda title, text: lines.append(title))
    return found, lines


def stop(*_: Any) -> None:
    raise KeyboardInterrupt


def test_photos_get_cameras_and_what_was_stopped_goes_on(
    tmp_path: Path, corner: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = corner(tmp_path / "photos")
    out = tmp_path / "out"
    calls = Calls(matches=stop)
    monkeypatch.setattr(module, "call_colmap", calls)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "photos", out)
    assert calls.stages == ["features", "matches"]
    assert not (out / "sparse").exists()
    features = database.features(out / "colmap" / "database.db")
    assert len(features) == 12
    assert min(features.values()) > 300
    calls.answers.clear()
    found, lines = run(tmp_path / "photos", out)
    assert lines[0] == "goes on"
    assert calls.stages == ["features", "matches", "features", "matches", "model"]
    log = (out / "colmap.log").read_text()
    assert log.count("Features:") == 12  # of each photo once
    assert found.registered == sorted(found.photos)
    assert found.error < 0.5
    assert not found.advice
    scene = load_scene(out)
    file = scene.cameras.transformed(scene.source_from_world)
    order = [int(Path(name).stem) - 1 for name in scene.images.names]
    errors = pose_errors(file.positions.numpy(), places[order])
    assert errors.max() < 0.005
    assert (-scene.cameras.world_from_camera[:, 2, 1]).mean() > 0.7  # images have up upwards
    with pytest.raises(InputError, match="is prepared already"):
        run(tmp_path / "photos", out)


def test_few_photos_that_register_are_tried_again(
    tmp_path: Path, corner: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    corner(tmp_path / "photos", n=4, size=(60, 40), focal=60.0)
    asked: list[tuple[str, bool]] = []

    def model(request: dict, *rest: Any) -> dict:
        asked.append((Path(request["models"]).name, request["lenient"]))
        names = ["1.png", "2.png", "3.png"][: len(asked)]
        folder = Path(request["models"]) / "0"
        folder.mkdir(parents=True)
        (folder / "cameras.bin").write_text(asked[-1][0])
        return {"model": str(folder), "registered": names, "points": 5, "error": 1.0}

    monkeypatch.setattr(module, "call_colmap", Calls(features=None, matches=None, model=model))
    settings = Settings(matching="auto")
    monkeypatch.setattr(module, "resolve", lambda *_: "sequential")
    found, lines = run(tmp_path / "photos", tmp_path / "out", settings)
    tries = [("sequential", False), ("exhaustive", False), ("exhaustive-lenient", True)]
    assert asked == tries
    assert lines.count("retry") == 2
    assert found.registered == ["1.png", "2.png", "3.png"]
    assert (tmp_path / "out" / "sparse" / "0" / "cameras.bin").read_text() == tries[-1][0]
    assert any("without a camera: 4.png" in line for line in found.advice)


def test_no_photo_that_registers_is_an_error_with_advice(
    tmp_path: Path, corner: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    corner(tmp_path / "photos", n=3, size=(60, 40), focal=60.0)
    nothing = {"model": None, "registered": [], "points": 0, "error": 0.0}
    monkeypatch.setattr(module, "call_colmap", Calls(features=None, matches=None, model=nothing))
    with pytest.raises(InputError, match=r"no photo found its place .*texture: they have 0 featu"):
        run(tmp_path / "photos", tmp_path / "out")


def test_what_colmap_cannot_do_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"log: COLMAP failed, found KeyError: 'database'"):
        child.call_colmap(
            {"stage": "features", "seed": 0}, tmp_path, tmp_path / "log", lambda: None
        )


def test_ctrl_c_ends_the_process_of_colmap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen] = []
    popen = subprocess.Popen

    def note(*args: Any, **more: Any) -> subprocess.Popen:
        started.append(popen(*args, **more))
        return started[-1]

    monkeypatch.setattr(child.subprocess, "Popen", note)
    with pytest.raises(KeyboardInterrupt):
        child.call_colmap({"stage": "features", "seed": 0}, tmp_path, tmp_path / "log", stop)
    assert started[0].poll() is not None


def test_advice_names_what_was_measured(tmp_path: Path, corner: Callable) -> None:
    from PIL import Image, ImageFilter

    corner(tmp_path, n=8, size=(120, 90), focal=100.0)
    names = [f"{i}.png" for i in range(1, 9)]
    good, many = dict.fromkeys(names, 2000), dict.fromkeys(names, 6)
    assert advise(tmp_path, names, good, many) == []
    assert advise(tmp_path, names[:-1], good, many)[0] == "without a camera: 8.png"
    assert "no cameras fit" in advise(tmp_path, names[:4], good, many)[1]
    few = {**good, **dict.fromkeys(names[4:], 20)}
    assert advise(tmp_path, names[:4], few, many)[1].startswith("texture: they have 20 features")
    lonely = {**many, **dict.fromkeys(names[4:], 1)}
    assert advise(tmp_path, names[:4], good, lonely)[1].startswith("overlap: they share something")
    for name in names[4:6]:
        with Image.open(tmp_path / name) as image:
            image.filter(ImageFilter.GaussianBlur(3)).save(tmp_path / name)
    assert advise(tmp_path, names[:4], good, many)[1].startswith("blur: 5.png, 6.png (2) are much")


@pytest.mark.slow
def test_the_same_photos_and_seed_give_the_same_model(tmp_path: Path, corner: Callable) -> None:
    corner(tmp_path / "photos")
    files = [tmp_path / out / "sparse" / "0" / "points3D.bin" for out in ("a", "b")]
    for out in ("a", "b"):
        run(tmp_path / "photos", tmp_path / out)
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("single", ["auto", False])
def test_the_cup_without_its_model(
    shared_data: Callable, tmp_path: Path, single: bool | str
) -> None:
    """The stored model has a camera a photo, so a shared one cannot agree to the last."""
    source = shared_data("colmap_cup")
    found, _ = run(source / "images", tmp_path / "out", Settings(single_camera=single))
    assert len(found.registered) >= 0.9 * len(found.photos)
    ours, theirs = (load_scene(folder) for folder in (tmp_path / "out", source))
    both = sorted(set(ours.images.names) & set(theirs.images.names))
    places = [
        scene.cameras.transformed(scene.source_from_world).positions.numpy()[
            [scene.images.names.index(name) for name in both]
        ]
        for scene in (ours, theirs)
    ]
    errors = pose_errors(*places)
    print(f"registered {len(both)} / {len(found.photos)}, {found.error:.3f} px, poses within")
    print(f"mean {errors.mean():.4f}, median {np.median(errors):.4f}, largest {errors.max():.4f}")
    assert errors.mean() < 0.01
    shutil.rmtree(tmp_path / "out")
