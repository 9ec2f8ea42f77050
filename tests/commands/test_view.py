"""`polyfield view`: what cannot be shown is said in a line; what is replaced is shown anew."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from polyfield import cli
from polyfield.commands import view
from polyfield.commands.viewing import Follower, viewed_run
from polyfield.errors import InputError
from polyfield.training import checkpoint


def config_of(run: Path) -> dict[str, Any]:
    return {"run": str(run), "checkpoint": "latest", "device": "auto", "trust": [], "data": None}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["view"], "no run given"),
        (["view", "run=nowhere"], "nowhere"),
        (["view", "input=nowhere.ply"], "no such file"),
        (["view", "run={trained}", "input=a.ply"], "found beside run, expected one of them"),
        (["view", "run={untrained}"], "checkpoint"),
        (["view", "run={trained}", "port=0"], "port: found 0"),
        (["view", "run={trained}", "host=203.0.113.7"], "another address of this machine"),
        (["view", "run={trained}", "up=z"], "up: does not fit, found a run"),
        (["view", "run={trained}", "longest=2"], "longest: found 2"),
        (["view", "run={trained}", "compare=nowhere"], "nowhere"),
        (["train", "data={photos}", "viewer=true", "viewer.share=2"], "viewer.share: found 2"),
        (["train", "data={photos}", "viewer=true", "viewer.port=-1"], "port: found -1"),
        (["train", "data={photos}", "viewer=maybe"], "viewer"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str],
    message: str,
    trained: Path,
    photos: Path,
    small: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    untrained = tmp_path / "untrained"
    shutil.copytree(trained, untrained)
    shutil.rmtree(untrained / "checkpoints")
    names = {"trained": trained, "photos": photos, "untrained": untrained}
    words = [word.format(**names) for word in words]
    assert cli.main([*words, *(small if words[0] == "train" else ())]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_run_is_served_where_the_line_says(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: dict[str, Any] = {}
    opened = view.open_viewer

    def kept(config: dict[str, Any]) -> Any:
        seen["viewer"] = opened(config)
        return seen["viewer"]

    monkeypatch.setattr(view, "open_viewer", kept)
    monkeypatch.setattr(view, "wait", lambda done: None)
    assert cli.main(["view", f"run={trained}", "port=18200"]) == 0
    said = capsys.readouterr().out
    viewer = seen["viewer"]
    assert viewer.url in said
    assert "ssh -N -L" in said
    address = viewer.server._websock_server._host
    assert address == "localhost"


def test_a_newer_checkpoint_is_shown_and_a_damaged_one_is_not(
    trained: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    config = config_of(run)
    shown: list[Any] = []
    notes: list[str] = []

    class Page:
        class stage:
            viewed = viewed_run(config)

        class screen:
            show = staticmethod(shown.append)

        @staticmethod
        def say(title: str, body: str, **_: Any) -> None:
            notes.append(body)

    follower = Follower(Page, config)  # type: ignore[arg-type]
    follower.look()
    assert not shown
    old = checkpoint.resolve(run, "latest")
    shutil.copytree(old, old.with_name("step_999999"))
    (old.with_name("step_999999") / checkpoint.MODEL).write_bytes(b"cut short")
    follower.look()
    follower.look()
    assert not shown
    assert len(notes) == 1
    shutil.copyfile(old / checkpoint.MODEL, old.with_name("step_999999") / checkpoint.MODEL)
    follower.look()
    assert len(shown) == 1
    camera = shown[0].start
    before = Page.stage.viewed.renderer.image(camera, 0).rgb
    torch.testing.assert_close(shown[0].renderer.image(camera, 0).rgb, before)


def test_photos_that_are_gone_are_told_of_when_asked_for(trained: Path) -> None:
    viewed = viewed_run({**config_of(trained), "data": "nowhere"})
    assert viewed.photo is not None
    with pytest.raises(InputError):
        viewed.photo(0)


def test_a_training_shows_itself_while_it_trains(
    photos: Path, small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "r"
    words = ["train", f"data={photos}", f"run={run}", "trainer.max_steps=5", "viewer=true", *small]
    assert cli.main([*words, "viewer.port=18300"]) == 0
    assert "open      http://localhost:18" in capsys.readouterr().out
    assert cli.main(["train", f"resume={run}", "trainer.max_steps=7", "viewer=false"]) == 0


def test_a_task_without_views_has_no_viewer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import imageio.v3 as iio
    import numpy as np

    iio.imwrite(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    words = ["task=image", f"data={tmp_path / 'a.png'}", f"run={tmp_path / 'r'}", "viewer=true"]
    assert cli.main(["train", *words, "trainer.max_steps=2"]) == 2
    assert "viewer" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
