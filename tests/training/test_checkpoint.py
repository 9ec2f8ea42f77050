"""Checkpoints: what is read is what was written, and what was there is never lost."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from polyfield import durable
from polyfield.errors import InputError
from polyfield.training import checkpoint
from polyfield.training.snapshot import Snapshot, check_shapes

FILES = ("model.safetensors", "optimizer.safetensors", "state.json")


def snapshot(step: int, score: float | None = None) -> Snapshot:
    generator = torch.Generator().manual_seed(step)
    model = {
        "field.table": torch.randn(40, 4, generator=generator),
        "occupancy": torch.randint(2, (64,), generator=generator, dtype=torch.uint8),
        "steps": torch.tensor(step),
    }
    training = {
        "optimizer/field.table/exp_avg": torch.randn(40, 4, generator=generator),
        "generator": generator.get_state(),
    }
    state = {"step": step, "elapsed": 0.1 * step, "score": score, "task": {"rays": [1, 2.5, None]}}
    return Snapshot(model, training, state)


def assert_intact(run: Path, step: int) -> None:
    read = checkpoint.load(checkpoint.resolve(run, step))
    written = snapshot(step)
    for a, b in ((read.model, written.model), (read.training, written.training)):
        assert a.keys() == b.keys()
        for name in a:
            assert torch.equal(a[name], b[name])
    for key in ("step", "elapsed", "task"):
        assert read.state[key] == written.state[key]


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, snapshot(7))
    assert path == tmp_path / "checkpoints" / "step_000007"
    assert sorted(file.name for file in path.iterdir()) == sorted(FILES)
    assert_intact(tmp_path, 7)
    assert checkpoint.load(path, training=False).training == {}


def test_the_state_says_what_is_in_the_files(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, snapshot(7))
    state = json.loads((path / "state.json").read_text())["state"]
    assert state["files"]["model.safetensors"]["shapes"]["field.table"] == [40, 4]
    assert state["files"]["model.safetensors"]["bytes"] == (path / FILES[0]).stat().st_size
    assert state["version"]


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_anywhere_is_found(tmp_path: Path, name: str) -> None:
    checkpoint.save(tmp_path, snapshot(3))
    path = checkpoint.save(tmp_path, snapshot(7))
    intact = (path / name).read_bytes()
    for position in range(0, len(intact), max(len(intact) // 97, 1)):
        damaged = bytearray(intact)
        damaged[position] ^= 1 << (position % 8)
        (path / name).write_bytes(damaged)
        if name == "state.json" and _same_json(damaged, intact):
            continue  # one blank for another
        with pytest.raises(InputError, match=f"{name}: damaged checkpoint.*checkpoint=3"):
            checkpoint.load(path)
    (path / name).write_bytes(intact)
    assert_intact(tmp_path, 7)


def _same_json(a: bytes, b: bytes) -> bool:
    try:
        return json.loads(a) == json.loads(b)
    except ValueError:
        return False


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("length", [0, 1, 100, -1, None])
def test_a_file_cut_short_or_missing_is_named(
    tmp_path: Path, name: str, length: int | None
) -> None:
    path = checkpoint.save(tmp_path, snapshot(7))
    data = (path / name).read_bytes()
    if length is None:
        (path / name).unlink()
    else:
        (path / name).write_bytes(data[:length])
        if _same_json((path / name).read_bytes(), data):
            return  # its last line break
    with pytest.raises(InputError, match=f"{name}: damaged checkpoint, found .*, expected "):
        checkpoint.load(path)


def test_a_later_format_is_refused_by_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "FORMAT", 2)
    path = checkpoint.save(tmp_path, snapshot(1))
    monkeypatch.undo()
    with pytest.raises(InputError, match=r"format: found 2, expected up to 1 \(written by"):
        checkpoint.load(path)


def test_other_shapes_are_named_tensor_by_tensor() -> None:
    expected = {"a": torch.zeros(2, 3), "b": torch.zeros(4), "d": torch.zeros(())}
    found = {"a": torch.zeros(2, 5), "b": torch.zeros(4), "c": torch.zeros(1)}
    with pytest.raises(InputError) as caught:
        check_shapes(found, expected, Path("model.safetensors"))
    assert str(caught.value) == (
        "model.safetensors: of another architecture: a: found [2, 5], expected [2, 3]; "
        "d: found none, expected []; c: found [1], expected none "
        "(it was made with other settings)"
    )


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path: Path, regression: Any) -> None:
    regression.trainer(regression.Regression(width=8), tmp_path).train()
    other = regression.trainer(regression.Regression(width=6), tmp_path / "other")
    with pytest.raises(InputError, match=r"inner\.weight: found \[8, 1\], expected \[6, 1\]"):
        other.restore(run=tmp_path)


def test_checkpoints_are_chosen_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no checkpoint"):
        checkpoint.resolve(tmp_path)
    for step, score in ((10, 3.0), (1_000_000, 2.0), (200, None)):
        checkpoint.save(tmp_path, snapshot(step, score))
    assert checkpoint.resolve(tmp_path).name == "step_1000000"
    assert checkpoint.resolve(tmp_path, "best").name == "step_000010"
    assert checkpoint.resolve(tmp_path, 200) == checkpoint.resolve(tmp_path, "200")
    for wrong in (5, "first", "-1"):
        with pytest.raises(InputError, match="expected latest, best or one of 10, 200, 1000000"):
            checkpoint.resolve(tmp_path, wrong)


def test_best_needs_a_score(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, snapshot(10))
    with pytest.raises(InputError, match="no checkpoint of this run was evaluated"):
        checkpoint.resolve(tmp_path, "best")


def test_pruning_keeps_the_newest_and_the_best(tmp_path: Path) -> None:
    for step, score in ((1, None), (2, 9.0), (3, None), (4, 1.0), (5, None)):
        checkpoint.save(tmp_path, snapshot(step, score))
    checkpoint.prune(tmp_path, 2)
    assert list(checkpoint.listing(tmp_path)) == [2, 4, 5]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3
    (checkpoint.resolve(tmp_path, 2) / "state.json").write_text("{")
    checkpoint.prune(tmp_path, 1)
    assert list(checkpoint.listing(tmp_path))[-1] == 5


def test_saving_a_step_again_replaces_it(tmp_path: Path) -> None:
    first, second = snapshot(5), snapshot(5)
    second.model["field.table"] += 1
    checkpoint.save(tmp_path, first)
    path = checkpoint.save(tmp_path, second)
    assert torch.equal(checkpoint.load(path).model["field.table"], second.model["field.table"])
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step_000005"]


@pytest.mark.parametrize("call", range(5))
def test_a_full_disk_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    checkpoint.save(tmp_path, snapshot(3))
    calls = iter(range(100))
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if next(calls) == call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(durable.os, "fsync", fsync)
    with pytest.raises(InputError) as caught:
        checkpoint.save(tmp_path, snapshot(8))
    monkeypatch.undo()
    # The last flush comes after the rename: the new checkpoint is whole, its name may not be kept.
    stands = 3 if call < 4 else 8
    assert str(caught.value) == (
        f"{tmp_path / 'checkpoints'}: step 8: cannot write the checkpoint, "
        f"found No space left on device (the one of step {stands} stands)"
    )
    assert [p.name for p in (tmp_path / "checkpoints").iterdir() if stands == 3] in (
        [],
        ["step_000003"],
    )
    assert_intact(tmp_path, 3)
    checkpoint.save(tmp_path, snapshot(8))
    assert_intact(tmp_path, 8)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file")
    with pytest.raises(InputError, match=r"cannot write the checkpoint, found .*exists"):
        checkpoint.save(tmp_path, snapshot(3))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_at_any_moment_of_a_save_loses_nothing(tmp_path: Path) -> None:
    script = Path(__file__).with_name("killed_saves.py")
    words = [sys.executable, str(script), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.stdout == "intact\n", done.stderr
