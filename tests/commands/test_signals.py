"""From a picture, a mesh ... to scores and samples through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import imageio.v3 as iio
import numba
import numpy as np
import pytest
import torch
import trimesh
from safetensors.numpy import load_file
from scipy.io import wavfile

from polyfield.training.grid_task import GridTask

SMALL = ["field.levels=4", "field.log2_entries=10", "decoder.hidden=[16]"]
POINTS = ["task.batch=256", *SMALL]
SHAPE = [
    "task.points=20000",
    "task.eval_points=1000",
    "field.base_resolution=4",
    "field.max_resolution=32",
]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from threads, and wait for them on a busy machine."""
    before = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    yield
    torch.set_num_threads(before[0])
    numba.set_num_threads(before[1])


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of 24 x 32 pixels."""
    y, x = np.mgrid[:24, :32] / 24
    waves = [0.5 + 0.4 * np.sin(6 * x + i) * np.cos(5 * y - i) for i in range(3)]
    file = tmp_path_factory.mktemp("my pictures, (1)") / "a photo.png"
    iio.imwrite(file, (255 * np.stack(waves, axis=-1)).astype(np.uint8))
    return file


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ball with a hole."""
    ball = trimesh.creation.icosphere(subdivisions=2)
    ball.update_faces(np.array(ball.triangles_center)[:, 2] < 0.9)
    file = tmp_path_factory.mktemp("meshes") / "ball.obj"
    ball.export(file)
    return file


def scores_of(run: str) -> dict:
    return dict(json.loads(Path(run, "eval.json").read_text()))


def test_a_picture_is_trained_scored_shown_and_sampled(line: Callable, photo: Path) -> None:
    words = ["task=image", f"data={photo}", "run=r", "trainer.max_steps=60", *POINTS]
    status, out, err = line("train", *words, "task.holdout=0.2")
    assert status == 0, err
    assert "image: 32x24, 3 channels of uint8" in out
    assert "held-out PSNR" in out
    assert "polyfield render run=r size=2x" in out
    before = scores_of("r")
    assert before["psnr"] > 15
    assert before["psnr_held_out"] is not None
    assert (Path("r") / "renders" / "eval" / "image.png").is_file()
    status, out, err = line("eval", "run=r")
    assert status == 0, err
    after = scores_of("r")
    assert {k: v for k, v in after.items() if k != "seconds"} == {
        k: v for k, v in before.items() if k != "seconds"
    }
    status, out, _ = line("info", "run=r")
    assert status == 0
    assert "image" in out
    assert "renderer" not in out
    status, out, _ = line("info", f"data={photo}")
    assert status == 0
    assert "task=image" in out
    for size, shape in {"64x48": (48, 64), "2x": (48, 64), "100x10": (10, 100)}.items():
        status, _, err = line("render", "run=r", f"size={size}", "out=large, (1).png")
        assert status == 0, err
        assert iio.imread("large, (1).png").shape == (*shape, 3)
    status, _, err = line("render", "run=r")
    assert status == 0, err
    learned, truth = iio.imread("r/renders/image.png"), iio.imread(photo)
    error = np.mean((learned / 255.0 - truth / 255.0) ** 2)
    assert -10 * np.log10(error) == pytest.approx(after["psnr"], abs=0.5)


@pytest.mark.parametrize("task", ["sdf", "occupancy"])
def test_a_shape_is_trained_scored_and_shown(line: Callable, mesh: Path, task: str) -> None:
    words = [
        f"task={task}",
        f"data={mesh}",
        "run=r",
        "trainer.max_steps=500",
        *POINTS,
        *SHAPE,
        "decoder.hidden=[32]",
    ]
    status, out, err = line("train", *words, "task.batch=1024", "field.log2_entries=12")
    assert status == 0, err
    assert "open borders" in out
    assert "IoU" in out
    assert scores_of("r")["iou"] > 0.8
    assert len(scores_of("r")["points"]) == 2
    status, out, err = line("eval", "run=r", "pictures=false")
    assert status == 0, err
    assert "near" in out
    status, out, _ = line("info", f"data={mesh}")
    assert status == 0
    assert "watertight" in out
    status, _, err = line("render", "run=r")
    assert (status, err.count("\n")) == (2, 1)
    assert f"found task={task}" in err


def signal(folder: Path, task: str) -> Path:
    """A short sound, a small volume or video."""
    t = np.arange(400) / 400
    if task == "audio":
        wavfile.write(folder / "a.wav", 8000, (0.5 * np.sin(20 * t)).astype(np.float32))
        return folder / "a.wav"
    z, y, x = np.mgrid[:6, :16, :20] / 20
    waves = 0.5 + 0.4 * np.sin(6 * x + 2 * z) * np.cos(5 * y)
    if task == "volume":
        np.save(folder / "a.npy", waves)
        return folder / "a.npy"
    (folder / "frames").mkdir()
    for i, frame in enumerate(waves):
        iio.imwrite(folder / "frames" / f"{i}.png", (255 * frame).astype(np.uint8))
    return folder / "frames"


@pytest.mark.parametrize(
    ("task", "score", "out"),
    [
        ("audio", "snr", "audio.wav"),
        ("volume", "ssim", "volume.npy"),
        ("video", "ssim", "video.mp4"),
    ],
)
def test_other_signals_are_trained_scored_and_sampled(
    line: Callable, tmp_path_factory: pytest.TempPathFactory, task: str, score: str, out: str
) -> None:
    data = signal(tmp_path_factory.mktemp(task), task)
    words = ["train", f"task={task}", f"data={data}", "run=r", "trainer.max_steps=150", *POINTS]
    status, _, err = line(*words, "task.holdout=0.1")
    assert status == 0, err
    before = scores_of("r")
    assert before["psnr"] > 20
    assert before["psnr_held_out"] > 15
    assert before[score] is not None
    status, _, err = line("eval", "run=r")
    assert status == 0, err
    assert scores_of("r")["psnr"] == before["psnr"]
    assert line("info", "run=r")[0] == 0
    status, said, err = line("info", f"data={data}", f"dataset={task}")
    assert (status, f"task={task}" in said) == (0, True), err
    status, _, err = line("render", "run=r", "size=2x")
    assert status == 0, err
    assert (Path("r") / "renders" / out).stat().st_size > 0


@pytest.mark.parametrize("task", ["image", "sdf"])
def test_a_run_goes_on_bit_by_bit(line: Callable, photo: Path, mesh: Path, task: str) -> None:
    data, more = (photo, []) if task == "image" else (mesh, SHAPE)
    words = ["train", f"task={task}", f"data={data}", *POINTS, *more, "trainer.decay=constant"]
    assert line(*words, "run=whole", "trainer.max_steps=12")[0] == 0
    assert line(*words, "run=parts", "trainer.max_steps=5")[0] == 0
    err = line("train", "resume=parts", "renderer.backend=own")[2]
    assert "renderer.backend: cannot change when a run goes on" in err  # there is no renderer
    assert line("train", "resume=parts", "trainer.max_steps=12")[0] == 0
    for file in ("model", "optimizer"):
        parts = [
            load_file(Path(run, "checkpoints", "step_000012", f"{file}.safetensors"))
            for run in ("whole", "parts")
        ]
        assert parts[0].keys() == parts[1].keys()
        assert all(np.array_equal(parts[0][name], parts[1][name]) for name in parts[0])


@pytest.mark.parametrize(
    ("network", "least"), [(["relu"], 20), (["siren", "field.first_omega=30"], 25)]
)
def test_a_picture_is_learned_axis_by_axis(
    line: Callable, photo: Path, network: list[str], least: float
) -> None:
    chosen, *more = network
    own = [f"field.network={chosen}", *more, "field.channels=12", "field.hidden=[24,24]"]
    words = ["train", "task=image", f"data={photo}", "run=r", "field=finr", *own]
    budget = ["trainer.max_steps=200", "optimizer.lr=2e-3"]
    status, _, err = line(*words, *budget, "task.holdout=0.1")
    assert status == 0, err
    before = scores_of("r")
    assert before["psnr"] > least
    assert line("eval", "run=r")[0] == 0
    assert scores_of("r")["psnr"] == before["psnr"]
    status, _, err = line("render", "run=r", "size=3x")
    assert status == 0, err
    assert iio.imread("r/renders/image.png").shape == (72, 96, 3)
    assert line("train", "resume=r", "trainer.max_steps=201")[0] == 0


@pytest.mark.parametrize("field", ["siren", "finer", "wire"])
def test_a_network_of_coordinates_learns_a_picture(line: Callable, photo: Path, field: str) -> None:
    own = [f"field={field}", "field.hidden=[32,32]", "optimizer.lr=1e-3"]
    words = ["train", "task=image", f"data={photo}", "run=r", *own]
    status, _, err = line(*words, "task.batch=512", "trainer.max_steps=200")
    assert status == 0, err
    assert scores_of("r")["psnr"] > 18


@pytest.mark.parametrize("field", ["hash", "dense", "mlp"])
def test_any_field_learns_a_picture(line: Callable, photo: Path, field: str) -> None:
    own = {"hash": SMALL, "dense": ["field.resolution=16"], "mlp": ["field.frequencies=4"]}[field]
    words = ["train", "task=image", f"data={photo}", "run=r", f"field={field}", *own]
    status, _, err = line(*words, "task.batch=256", "trainer.max_steps=150")
    assert status == 0, err
    assert scores_of("r")["psnr"] > 15


def test_a_run_outlives_its_data_and_notices_other_data(
    line: Callable, photo: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.png"
    own.write_bytes(photo.read_bytes())
    words = ["train", "task=image", f"data={own}", "run=r", "trainer.max_steps=5", *POINTS]
    assert line(*words)[0] == 0
    own.unlink()
    assert line("render", "run=r", "size=2x")[0] == 0
    status, _, err = line("eval", "run=r")
    assert (status, err.count("\n")) == (2, 1)
    assert "the image that this run was trained on is gone" in err
    assert line("eval", "run=r", f"data={photo}")[0] == 0
    iio.imwrite(own, 255 - iio.imread(photo))
    status, _, err = line("eval", "run=r")
    assert (status, err.count("\n")) == (2, 1)
    assert "the data has changed" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["task=image", "data=PHOTO", "renderer=proposal"], "renderer: task=image learns points"),
        (["task=image", "data=PHOTO", "renderer=volume"], "found VolumeRenderer, expected none"),
        (["task=image", "data=PHOTO", "renderer.step=0.1"], "no key 'renderer.step'"),
        (["task=image", "data=PHOTO", "domain.kind=box"], "domain.kind: task=image fills the unit"),
        (["task=image", "data=PHOTO", "dataset=colmap"], "dataset: task=image needs image"),
        (["task=image", "data=PHOTO", "decoder=radiance"], "decoder._target_: found polyfield.fi"),
        (["task=image", "data=PHOTO", "dataset.downscale=2"], "no key 'dataset.downscale'"),
        (["task=image", "data=PHOTO", "task.batches=grid"], "task.batches: only fields that are"),
        (["task=image", "data=PHOTO", "field=finr", "field.rank=3"], "the rank of cp is field.cha"),
        (["task=image", "data=PHOTO", "trainer.eval_every=1", "trainer.eval_split=val"], "test"),
        (["task=image", "data=MESH"], "found a mesh, expected an image (task=sdf or task=occup"),
        (["task=sdf", "data=PHOTO"], "found an image, expected a mesh (task=image learns"),
        (["task=image", "data=."], "found a folder, expected an image"),
        (["task=image", "data=nothing.png"], "nothing.png: cannot be read"),
        (["task=image"], "no data given"),
        (["task=audio", "data=PHOTO"], "found an image, expected a sound (task=image learns"),
        (["task=volume", "data=a.raw"], "a.raw: cannot be read"),
        (["task=audio", "data=PHOTO", "task.rotation=3"], "no key 'task.rotation'"),
        (["data=PHOTO"], "found an image, expected photos with their cameras (task=image learns"),
        (["data=MESH"], "found a mesh, expected photos with their cameras (task=sdf or task=occ"),
        (["data=PHOTO", "dataset=image"], "task=radiance needs posed photos, found image"),
        (["task=imag", "data=PHOTO"], "no task 'imag'; did you mean 'image'?"),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(
    line: Callable, photo: Path, mesh: Path, words: list[str], message: str
) -> None:
    given = [word.replace("PHOTO", str(photo)).replace("MESH", str(mesh)) for word in words]
    status, _, err = line("train", "run=r", "trainer.max_steps=1", *given)
    assert (status, err.count("\n")) == (2, 1), err
    assert message in err
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["size=0x5"], "size: found 0x5, expected WIDTHxHEIGHT"),
        (["size=5"], "size: found 5, expected WIDTHxHEIGHT"),
        (["size=big"], "size: found big, expected WIDTHxHEIGHT"),
        (["size=99999x99999"], "size: found 99999x99999"),
        (["out=a.mp4"], "out: found a.mp4, expected a name that ends in .png or"),
        (["out=r/config.yaml/a.png"], "out: cannot be written, found r/config.yaml/a.png"),
        (["path=spiral"], "path: does not fit, found a run of task=image"),
        (["modes=[depth]"], "modes: does not fit"),
    ],
)
def test_what_a_picture_cannot_be_rendered_as_is_one_line(
    line: Callable,
    photo: Path,
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train = ["train", "task=image", f"data={photo}", "run=r", "trainer.max_steps=1", *POINTS]
    assert line(*train)[0] == 0
    monkeypatch.setattr(GridTask, "sample", None)  # it is said before anything is sampled
    status, _, err = line("render", "run=r", *words)
    assert (status, err.count("\n")) == (2, 1), err
    assert message in err


def test_photos_have_no_size(line: Callable, trained: Path) -> None:
    status, _, err = line("render", f"run={trained}", "size=2x")
    assert (status, err.count("\n")) == (2, 1)
    assert "size: does not fit, found a run of task=radiance" in err
