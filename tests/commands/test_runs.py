"""From photos to scores and pictures through the command line, on a scene of a few small images."""

from __future__ import annotations

import json
import math
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from safetensors.numpy import load_file

from polyfield.cameras.files import save_cameras
from polyfield.commands import train
from polyfield.datasets.load import load_scene
from polyfield.errors import InputError


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_run_holds_its_configuration_scores_and_pictures(trained: Path) -> None:
    scores = json.loads((trained / "eval.json").read_text())
    assert scores["psnr"] > 12
    assert scores["psnr"] == pytest.approx(np.mean([row["psnr"] for row in scores["images"]]))
    assert scores["step"] == 120
    assert (scores["split"], scores["resolution"]) == ("test", [32, 32])
    assert (scores["background"], len(scores["images"])) == ("white", 3)
    assert len(list((trained / "renders" / "eval").glob("*.png"))) == 3
    assert (trained / "config.yaml").is_file()
    assert (trained / "metrics.jsonl").is_file()
    assert not list(trained.rglob("*.pkl"))
    assert not list(trained.rglob(".hydra"))


def test_the_default_run_is_named_and_alone(
    line: Callable, photos: Path, small: list[str], tmp_path: Path
) -> None:
    status, out, _ = line("train", f"data={photos}", "trainer.max_steps=2", *small)
    assert status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith("my_photos_1_")
    assert "-hash-" in run.name
    assert f"polyfield render run=runs/{run.name} path=orbit" in out


def test_eval_agrees_with_the_training(line: Callable, trained: Path) -> None:
    before = json.loads((trained / "eval.json").read_text())
    status, out, _ = line("eval", f"run={trained}", "pictures=false")
    after = json.loads((trained / "eval.json").read_text())
    assert status == 0
    assert after["images"] == before["images"]
    mean = [f"{before['psnr']:.2f}", f"{before['ssim']:.4f}"]
    assert ["mean", *mean] in [row.split() for row in out.splitlines()]


def test_scores_of_other_splits_do_not_replace_those_of_the_test(
    line: Callable, trained: Path
) -> None:
    before = (trained / "eval.json").read_bytes()
    status, _, _ = line("eval", f"run={trained}", "split=train", "limit=2", "pictures=false")
    assert status == 0
    assert (trained / "eval.json").read_bytes() == before
    assert len(json.loads((trained / "eval_train.json").read_text())["images"]) == 2


def test_a_video_shows_all_modes_beside_each_other(line: Callable, trained: Path) -> None:
    words = ["modes=[rgb,depth,normal,opacity]", "frames=4", "out=my orbit, (1).mp4"]
    status, out, _ = line("render", f"run={trained}", *words)
    assert status == 0
    assert "in units of the data" in out
    assert iio.imread("my orbit, (1).mp4", plugin="FFMPEG").shape == (4, 32, 128, 3)


def test_a_folder_has_a_file_a_view_and_mode(line: Callable, trained: Path) -> None:
    status, _, _ = line(
        "render", f"run={trained}", "path=test", "out=a=b", "modes=[rgb,depth]", "raw=true"
    )
    assert status == 0
    names = sorted(path.name for path in Path("a=b").iterdir())
    kinds = ["depth_{:04d}.npy", "depth_{:04d}.png", "rgb_{:04d}.png"]
    assert names == sorted(kind.format(i) for kind in kinds for i in range(3))
    depth = np.load("a=b/depth_0000.npy")
    assert depth.shape == (32, 32)
    assert 15 < np.nanmedian(depth) < 45  # the photos' cameras stand about 32 units away


def test_pictures_of_the_test_views_score_as_evaluated(
    line: Callable, trained: Path, photos: Path
) -> None:
    line("render", f"run={trained}", "path=test", "out=test")
    scene = load_scene(photos)
    scores = json.loads((trained / "eval.json").read_text())["images"]
    for i, image in enumerate(scene.splits["test"].tolist()):
        rgba = scene.images[image] / 255
        truth = rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:]
        shown = iio.imread(f"test/rgb_{i:04d}.png") / 255
        psnr = -10 * math.log10(np.mean((truth - shown) ** 2))
        assert psnr == pytest.approx(scores[i]["psnr"], abs=0.05)


def test_cameras_of_a_file_are_in_the_frame_of_the_data(
    line: Callable, trained: Path, photos: Path
) -> None:
    scene = load_scene(photos)
    cameras = scene.cameras[scene.splits["test"]].transformed(scene.source_from_world)
    save_cameras("cameras, test.json", cameras)
    line("render", f"run={trained}", "path=cameras, test.json", "out=a")
    line("render", f"run={trained}", "path=test", "out=b")
    for i in range(3):
        a, b = (iio.imread(f"{folder}/rgb_{i:04d}.png").astype(int) for folder in "ab")
        assert np.abs(a - b).max() <= 2


def test_info_tells_of_the_data_and_of_the_run(line: Callable, trained: Path, photos: Path) -> None:
    status, out, _ = line("info", f"data={photos}", f"run={trained}")
    assert status == 0
    for fact in ("images", "12", "HashGrid levels=4", "120 steps", "dB PSNR"):
        assert fact in out


def test_info_tells_which_fields_run_fused(line: Callable) -> None:
    status, out, _ = line("info")
    assert status == 0
    for name in ("hash", "dense", "mlp"):
        assert any(row.split() == [name, "fused"] for row in out.splitlines())
    assert any(row.split() == ["gaussians", "rasterised"] for row in out.splitlines())


def test_a_sweep_numbers_its_jobs(
    line: Callable, photos: Path, small: list[str], tmp_path: Path
) -> None:
    status, _, err = line(
        *("train", "-m", f"data={photos}", "run=sweep, (1)", "seed=1,2", "trainer.max_steps=2"),
        *small,
    )
    assert status == 0, err
    assert [path.name for path in tmp_path.iterdir()] == ["sweep, (1)"]
    jobs = sorted(path.name for path in (tmp_path / "sweep, (1)").iterdir() if path.is_dir())
    assert jobs == ["0", "1"]
    states = [
        load_file(next((tmp_path / "sweep, (1)" / job).rglob("model.safetensors"))) for job in jobs
    ]
    assert any((states[0][name] != states[1][name]).any() for name in states[0])


def test_a_sweeper_gets_the_psnr_of_every_job_and_goes_on_after_a_bad_one(
    line: Callable, photos: Path, small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "psnr_notes.py").write_text(
        "from hydra.experimental.callback import Callback\n"
        "returned = []\n"
        "class Note(Callback):\n"
        "    def on_job_end(self, config, job_return, **kwargs):\n"
        "        returned.append(job_return._return_value)\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "notes")
    status, _, err = line(
        *("train", "-m", f"data={photos}", "run=r", "field.levels=0,2,4", "trainer.max_steps=2"),
        *("+hydra.callbacks.note._target_=psnr_notes.Note", *small[1:]),
    )
    assert status == 2
    assert err.splitlines()[-1].startswith("error: field.levels: found 0")
    bad, *good = sys.modules.pop("psnr_notes").returned
    assert isinstance(bad, InputError)
    for number, psnr in enumerate(good, start=1):
        assert json.loads(Path(f"r/{number}/eval.json").read_text())["psnr"] == psnr


def test_a_launcher_can_send_the_job_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(train.run)) is train.run


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train"], "no data given (data=PATH, or data=procedural"),
        (["train", "data=nowhere"], "nowhere"),
        (["train", "data={photos}", "run={trained}"], "(resume="),
        (["train", "data={photos}", "device=cuda"], "device: found cuda, expected cpu or auto"),
        (["train", "data={photos}", "device=tpu"], "device: found tpu, expected auto, cpu or cuda"),
        (["train", "data={photos}", "trainer.max_steps=0"], "trainer.max_steps: found 0"),
        (["train", "data={photos}", "field.levels=0"], "field.levels: found 0, expected 1 to 64"),
        (["train", "resume={trained}", "seed=3"], "seed: cannot change when a run goes on"),
        (["train", "resume={trained}", "field=dense"], "field: cannot change when a run goes on"),
        (["train", "resume={trained}", "field.rank=3"], "field.rank: cannot change when a run"),
        (["train", "resume={trained}", "run=x"], "run: cannot change when a run goes on"),
        (["train", "-m", "resume={trained}", "device=cpu"], "a sweep cannot go on with a run"),
        (["train", "resume=nowhere"], "nowhere: run: found no such folder"),
        (["eval"], "no run given"),
        (["eval", "-m", "run={trained}"], "only `polyfield train` sweeps"),
        (["eval", "run={trained}", "checkpoint=7"], "checkpoint: found 7, expected latest, best"),
        (["eval", "run={trained}", "split=val"], "split: found val, expected "),
        (["render", "run={trained}", "path=nowhere.json"], "path: found nowhere.json, expected"),
        (["render", "run={trained}", "out=a.gif"], "out: found a.gif, expected"),
        (["render", "run={trained}", "modes=[rgb,colour]"], "modes: found colour, expected"),
        (["render", "run={trained}", "frames=0"], "frames: found 0, expected above 0"),
        (["render", "run={trained}", "raw=true", "frames=2"], "raw: found true with a video"),
        (["info", "run=nowhere"], "nowhere: run: found no such folder"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(
    line: Callable, trained: Path, photos: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    before = _contents(trained)
    status, _, err = line(*(word.format(trained=trained, photos=photos) for word in words))
    assert (status, err.count("\n")) == (2, 1), err
    assert message in err
    assert _contents(trained) == before
    assert not list(tmp_path.iterdir())


def test_a_class_of_the_users_own_trains_and_needs_trust_to_be_opened(
    line: Callable, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_backbone.py").write_text(
        "from polyfield.fields import DenseGrid\nclass Grid(DenseGrid): pass\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    own = ["field._target_=own_backbone.Grid", "trust=[own_backbone]"]
    status, _, err = line(
        "train", f"data={photos}", "run=r", *own, "field.resolution=16", "trainer.max_steps=2"
    )
    assert status == 0, err
    status, _, err = line("eval", "run=r")
    assert (status, err.count("\n")) == (2, 1)
    assert "own_backbone.Grid" in err
    assert "trust=[" in err
    assert line("eval", "run=r", "trust=[own_backbone]")[0] == 0


def _weights(run: Path) -> dict[str, np.ndarray]:
    file = sorted((run / "checkpoints").glob("step_*/model.safetensors"))[-1]
    return dict(load_file(file))


def test_a_run_opens_where_its_data_was_moved(
    line: Callable, photos: Path, small: list[str], tmp_path: Path
) -> None:
    shutil.copy(photos, "before.npz")
    line("train", "data=before.npz", "run=r", "trainer.max_steps=2", *small)
    os.rename("before.npz", "after, (2).npz")
    status, _, err = line("eval", "run=r")
    assert (status, err.count("\n")) == (2, 1)
    assert "photos that this run was trained on are gone" in err
    assert line("eval", "run=r", "data=after, (2).npz")[0] == 0
    assert line("render", "run=r", "frames=2", "out=a.mp4")[0] == 0  # needs no photos
    status, _, err = line("eval", "run=r", "data=nowhere.npz")
    assert (status, err.count("\n")) == (2, 1)
    assert "nowhere.npz" in err


def test_a_larger_budget_goes_on_with_a_run(line: Callable, photos: Path, small: list[str]) -> None:
    line("train", f"data={photos}", "run=r", "trainer.max_steps=3", *small)
    status, out, _ = line("train", "resume=r", "trainer.max_steps=5")
    assert status == 0
    assert "5 steps" in out
    assert json.loads(Path("r/eval.json").read_text())["step"] == 5
    _, out, _ = line("info", "run=r")
    assert "5 steps" in out


def test_ctrl_c_saves_and_resume_is_bit_equal(
    line: Callable, photos: Path, small: list[str]
) -> None:
    words = [f"data={photos}", "trainer.max_steps=150", "trainer.log_every=10", *small]
    command = [sys.executable, "-m", "polyfield", "train", "run=stopped", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    rows = Path("stopped/metrics.jsonl")
    while process.poll() is None and not (rows.exists() and rows.stat().st_size):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "polyfield train resume=stopped" in out
    status, _, err = line("train", "resume=stopped")
    assert status == 0, err
    status, _, err = line("train", "run=straight", *words)
    assert status == 0, err
    resumed, straight = _weights(Path("stopped")), _weights(Path("straight"))
    assert resumed.keys() == straight.keys()
    assert all((resumed[name] == straight[name]).all() for name in straight)


@pytest.mark.parametrize("word", ["++run=~/d", "run=~/d", "+run=~/d"])
def test_the_demo_finds_its_run_however_it_is_given(
    line: Callable, photos: Path, small: list[str], monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setenv("HOME", str(Path.cwd()))
    status, _, err = line("demo", f"data={photos}", "trainer.max_steps=2", word, *small)
    assert status == 0, err
    assert (Path.cwd() / "d" / "renders" / "contact_sheet.png").is_file()


def test_the_demo_shows_its_own_scene(line: Callable, small: list[str]) -> None:
    status, out, err = line("demo", "dataset.downscale=4", "trainer.max_steps=3", "run=d", *small)
    assert status == 0, err
    assert "procedural: 60 train, 10 test images, 50x50" in out
    assert iio.imread("d/renders/contact_sheet.png").shape[1] > 4 * 50
    assert len(json.loads(Path("d/eval.json").read_text())["images"]) == 10


def test_the_demo_makes_its_pictures(line: Callable, photos: Path, small: list[str]) -> None:
    status, out, _ = line("demo", f"data={photos}", "trainer.max_steps=4", "run=d", *small)
    assert status == 0
    assert "d/renders/contact_sheet.png" in out
    assert iio.imread("d/renders/contact_sheet.png").ndim == 3
    assert Path("d/renders/orbit.mp4").read_bytes()[4:8] == b"ftyp"
