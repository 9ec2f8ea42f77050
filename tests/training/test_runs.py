"""Runs as folders: begun once, read back anywhere, and never trusted for what they say."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from polyfield import durable
from polyfield.datasets import load as load_module
from polyfield.errors import InputError
from polyfield.training import catalogue
from polyfield.training.assembly import build_task, build_trainer
from polyfield.training.runs import create_run, open_run, read_config, write_config
from polyfield.training.scene_record import check_same_scene, read_scene, write_scene

CONFIG: dict[str, Any] = {
    "data": "photos",
    "dataset": {"path": "photos", "format": "auto"},
    "seed": 0,
    "trust": ["somebody"],
    "field": {"_target_": "polyfield.fields.HashGrid", "levels": 2, "log2_entries": 8},
    "decoder": {"_target_": "polyfield.fields.RadianceDecoder", "trunk": [8]},
    "renderer": {"_target_": "polyfield.renderers.VolumeRenderer"},
    "task": {"name": "radiance", "rays": 64, "samples_per_step": 0},
    "optimizer": {"_target_": "polyfield.training.optimizers.Adam"},
    "trainer": {"max_steps": 3},
}


@pytest.fixture
def data(tmp_path: Path, ball: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder that stands for photos: where it exists, the ball's scene is loaded from it."""
    folder = tmp_path / "my photos (é)"
    folder.mkdir()
    scenes = [ball.ball_scene(path=folder)]

    def load_scene(path: Any, **_: Any) -> Any:
        load_module.check_readable(Path(path))
        return scenes[0]

    monkeypatch.setattr(catalogue, "load_scene", load_scene)
    return scenes, folder


@pytest.fixture
def trained(tmp_path: Path, data: Any) -> tuple[Path, Any]:
    """A run of a few steps and its task."""
    (scene,), folder = data
    config = {**CONFIG, "data": str(folder), "dataset": {"path": str(folder), "format": "auto"}}
    run = create_run(tmp_path / "run", config, scene)
    task = build_task({**config, "trust": []}, scene)
    build_trainer({**config, "trust": []}, task, run).train()
    return run, task


def test_a_run_is_read_back_as_it_was(trained: tuple[Path, Any]) -> None:
    run, task = trained
    config, scene, again = open_run(run)
    assert config["field"] == CONFIG["field"]
    assert len(scene) == 12
    assert again.evaluate("test", None, 1)["psnr"] == task.evaluate("test", None, 1)["psnr"]
    for name, tensor in task.module.state_dict().items():
        assert torch.equal(tensor, again.module.state_dict()[name])


def test_a_run_is_found_from_anywhere(
    trained: tuple[Path, Any], data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data[1].parent)
    relative = {**CONFIG, "data": data[1].name, "dataset": {"path": data[1].name}}
    write_config(trained[0], relative)
    monkeypatch.chdir("/")
    config = read_config(trained[0])
    assert config["data"] == config["dataset"]["path"] == str(data[1])
    write_config(trained[0], {**CONFIG, "data": "procedural", "dataset": {"path": "procedural"}})
    assert read_config(trained[0])["data"] == "procedural"


def test_a_file_of_splits_is_found_from_anywhere(
    trained: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "split.txt").write_text("0001")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in ("split.txt", "~/split.txt"):
        write_config(trained[0], {**CONFIG, "dataset": {"path": "x", "split": f"file:{given}"}})
        split = read_config(trained[0])["dataset"]["split"]
        assert split == f"file:{tmp_path / 'split.txt'}"
    write_config(trained[0], {**CONFIG, "dataset": {"path": "x", "split": "every:4"}})
    assert read_config(trained[0])["dataset"]["split"] == "every:4"


def test_a_run_without_its_photos_can_be_looked_at_but_not_scored(
    trained: tuple[Path, Any], data: Any
) -> None:
    run, task = trained
    data[1].rmdir()
    _, scene, again = open_run(run)
    original = data[0][0]
    assert torch.equal(scene.cameras.world_from_camera, original.cameras.world_from_camera)
    assert scene.splits.keys() == original.splits.keys()
    assert torch.equal(scene.bounds, original.bounds)
    assert torch.equal(scene.source_from_world, original.source_from_world)
    image = again.renderer.image(scene.cameras, 0, again.background)
    assert torch.equal(image.rgb, task.renderer.image(scene.cameras, 0, task.background).rgb)
    with pytest.raises(InputError, match="the photos that this run was trained on are gone"):
        again.evaluate()


def test_data_that_has_changed_is_noticed(trained: tuple[Path, Any], data: Any, ball: Any) -> None:
    run, _ = trained
    scenes, folder = data
    same = scenes[0]
    pose = same.cameras.world_from_camera.clone()
    pose[3, 0, 3] += 0.1
    scenes[0] = dataclasses.replace(
        same, cameras=dataclasses.replace(same.cameras, world_from_camera=pose)
    )
    with pytest.raises(InputError, match="the data has changed") as caught:
        open_run(run)
    assert "pose of 0003" in str(caught.value)
    fewer = ball.ball_scene(path=folder)
    fewer.images.names[0] = "another"
    scenes[0] = fewer
    with pytest.raises(InputError, match="images: the data has changed"):
        open_run(run)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "splits",
            {"train": torch.arange(4, 12), "test": torch.arange(4)},
            "split test: .*another 4",
        ),
        ("background", "black", "background: .*found black, expected white"),
        ("unbounded", True, "unbounded: .*found True, expected False"),
        ("bounds", torch.tensor([[-1.0] * 3, [1.5] * 3]), "bounds: .*found"),
        ("source_from_world", 2 * torch.eye(4, dtype=torch.float64), "source_from_world: .*found"),
        ("intrinsics", 1.01, "intrinsics of 0003: .*the data has changed"),
        ("distortion", 0.01, "distortion of 0003: .*the data has changed"),
        ("model", 1, "model of 0003: .*the data has changed"),
    ],
)
def test_any_other_change_of_the_data_is_noticed(
    trained: tuple[Path, Any], data: Any, key: str, value: Any, message: str
) -> None:
    scenes, _ = data
    if key in ("intrinsics", "distortion", "model"):
        changed = getattr(scenes[0].cameras, key).clone()
        changed[3] = changed[3] * value if key == "intrinsics" else changed[3] + value
        key, value = "cameras", dataclasses.replace(scenes[0].cameras, **{key: changed})
    scenes[0] = dataclasses.replace(scenes[0], **{key: value})
    with pytest.raises(InputError, match=message):
        open_run(trained[0])


def test_a_used_folder_is_refused_and_left_alone(trained: tuple[Path, Any]) -> None:
    run, _ = trained
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    with pytest.raises(InputError) as caught:
        create_run(run, CONFIG)
    assert str(caught.value) == (
        f"{run}: run: found a folder that is in use, expected a new folder "
        f"(resume={run} goes on with a run)"
    )
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    with pytest.raises(InputError, match="found a file"):
        create_run(run / "config.yaml", CONFIG)


def test_an_empty_folder_is_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    create_run(tmp_path / "empty", CONFIG)
    create_run(tmp_path / "a" / "b", CONFIG)
    assert read_config(tmp_path / "a" / "b")["seed"] == 0


def test_a_folder_that_is_read_only_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refused)  # root may write anywhere
    with pytest.raises(InputError, match="cannot begin a run here, found Permission denied"):
        create_run(tmp_path / "run", CONFIG)


def test_a_place_where_no_folder_can_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot begin a run here, found Not a directory"):
        create_run(tmp_path / "file" / "run", CONFIG)


def test_a_run_cannot_say_whom_to_trust(trained: tuple[Path, Any]) -> None:
    run, _ = trained
    file = run / "config.yaml"
    assert "trust" not in yaml.safe_load(file.read_text())
    hostile = yaml.safe_load(file.read_text())
    hostile["trust"] = ["os"]
    hostile["field"]["_target_"] = "os.system"
    file.write_text(yaml.safe_dump(hostile))
    assert "trust" not in read_config(run)
    with pytest.raises(InputError, match=r"field\._target_: found os\.system"):
        open_run(run)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [1", "config.yaml: line 1: found damaged yaml"),
        ("a: !!python/object/apply:os.system ['touch owned']", "found damaged yaml"),
        ("[1, 2]", "found list, expected a configuration"),
        ("", "found NoneType"),
    ],
)
def test_a_damaged_configuration_is_named(
    tmp_path: Path, content: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(InputError) as caught:
        read_config(tmp_path)
    assert message in str(caught.value)
    assert not (tmp_path / "owned").exists()


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found no config\.yaml, expected the folder of a run"):
        read_config(tmp_path)
    with pytest.raises(InputError, match="found no such folder"):
        read_config(tmp_path / "none")
    create_run(tmp_path / "run", CONFIG)
    with pytest.raises(InputError, match="found no checkpoint"):
        open_run(tmp_path / "run")


def test_a_scene_is_recorded_exactly(tmp_path: Path, ball: Any) -> None:
    scene = ball.ball_scene("none", near_far=(0.1, 7.0), unbounded=True)
    write_scene(tmp_path, scene)
    again = read_scene(tmp_path)
    assert again is not None
    for name in ("world_from_camera", "intrinsics", "distortion", "model", "size"):
        assert torch.equal(getattr(again.cameras, name), getattr(scene.cameras, name))
    assert again.near_far == (0.1, 7.0)
    assert again.unbounded
    assert again.background == "none"
    assert list(again.images.names) == list(scene.images.names)
    record = json.loads((tmp_path / "scene.json").read_text())
    del record["splits"]
    (tmp_path / "scene.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"scene\.json: damaged record of the scene.*splits"):
        read_scene(tmp_path)


def test_times_are_recorded_and_compared(tmp_path: Path, ball: Any) -> None:
    still = ball.ball_scene("none")
    times = torch.linspace(0, 1, len(still))
    scene = dataclasses.replace(still, cameras=dataclasses.replace(still.cameras, times=times))
    write_scene(tmp_path, scene)
    recorded = read_scene(tmp_path)
    assert recorded is not None
    assert recorded.times is not None
    torch.testing.assert_close(recorded.times, times.double())
    check_same_scene(scene, recorded)
    with pytest.raises(InputError, match=r"times: .*found none, expected one of each image"):
        check_same_scene(still, recorded)
    moved = dataclasses.replace(scene, cameras=dataclasses.replace(scene.cameras, times=1 - times))
    with pytest.raises(InputError, match=f"time of {scene.images.names[0]}"):
        check_same_scene(moved, recorded)


def test_json_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "eval.json"
    durable.replace_json(file, {"psnr": 30.0, "worst": float("nan"), "list": [np.inf, 1]})
    assert json.loads(file.read_text()) == {"psnr": 30.0, "worst": None, "list": [None, 1]}

    # Who has the old file open goes on reading the old file.
    with open(file) as reader:
        durable.replace_json(file, {"psnr": 30.0})
        assert json.load(reader)["worst"] is None

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        durable.replace_json(file, {"psnr": 31.0})
    assert json.loads(file.read_text())["psnr"] == 30.0
    assert [p.name for p in tmp_path.iterdir()] == ["eval.json"]
