"""Tasks over points: what they learn, what they never see, and how they are scored."""

from __future__ import annotations

import signal
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from polyfield.datasets.grid import Grid, make_grid
from polyfield.datasets.mesh import Mesh, make_mesh
from polyfield.errors import InputError
from polyfield.fields import HashGrid, SignalDecoder, SignalField
from polyfield.training.grid_task import GridTask
from polyfield.training.optimizers import Adam
from polyfield.training.points import PointTask
from polyfield.training.shape import OccupancyTask, SdfTask, overlap, unit
from polyfield.training.trainer import Trainer


def field_of(d: int, k: int = 1, finest: int = 64) -> SignalField:
    generator = torch.Generator().manual_seed(0)
    backbone = HashGrid(4, 4, 12, 8, finest, in_dim=d, generator=generator)
    return SignalField(backbone, SignalDecoder(16, k, [32], generator=generator))


def learned(task: Any, run: Path, steps: int = 200, lr: float = 0.01) -> Any:
    Trainer(task, run, optimizer=lambda g: Adam(g, lr=lr), max_steps=steps).train()
    return task


def smooth(size: int = 48, k: int = 3) -> Grid:
    """A picture of slow waves."""
    y, x = np.mgrid[:size, : size + 16] / size
    waves = [0.5 + 0.4 * np.sin(6 * x + i) * np.cos(5 * y - i) for i in range(k)]
    return make_grid("image", (255 * np.stack(waves, axis=-1)).astype(np.uint8))


def ball(cut: float = 2.0) -> Mesh:
    """A ball without what is above `cut`."""
    mesh = trimesh.creation.icosphere(subdivisions=3)
    keep = np.array(mesh.triangles_center)[:, 2] < cut
    return make_mesh(np.array(mesh.vertices), np.array(mesh.faces)[keep])


def test_a_picture_is_learned_also_where_it_was_not_seen(tmp_path: Path) -> None:
    task = GridTask(field_of(2, 3), smooth(), batch=1024, holdout=0.3)
    before = task.evaluate()
    after = learned(task, tmp_path).evaluate(out=tmp_path / "out")
    assert before["psnr"] < 20 < 32 < after["psnr_held_out"] < after["psnr"]
    assert before["ssim"] < after["ssim"]
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["image.png"]


def test_what_is_held_out_is_never_drawn_and_always_the_same() -> None:
    task = GridTask(field_of(2, 3), smooth(), batch=500, holdout=0.25)
    held = task.held_out(torch.arange(task.grid.size))
    assert float(held.float().mean()) == pytest.approx(0.25, abs=0.03)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.cat([task.draw(generator) for _ in range(100)])
    assert not held[drawn].any()
    assert len(drawn) / 100 == pytest.approx(500, rel=0.1)
    assert set(drawn.tolist()) == set(torch.nonzero(~held).squeeze(1).tolist())
    again = GridTask(field_of(2, 3), smooth(), holdout=0.25)
    assert torch.equal(again.held_out(torch.arange(task.grid.size)), held)


def test_what_is_held_out_says_which_run_is_the_best() -> None:
    assert GridTask(field_of(2, 3), smooth()).score_name == "psnr"
    task = GridTask(field_of(2, 3), smooth(), holdout=0.1)
    assert task.score_name == "psnr_held_out"
    assert task.evaluate()[task.score_name] is not None
    one = make_grid("image", np.zeros((1, 1, 1), np.uint8))
    assert GridTask(field_of(2), one, holdout=1e-9).score_name == "psnr"


def test_few_samples_are_found_among_many_that_are_held_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("polyfield.training.grid_task.TRIES", 2)
    task = GridTask(field_of(2, 3), smooth(200), batch=4096, holdout=0.999)
    index = task.draw(torch.Generator().manual_seed(0))
    assert len(index)
    assert not task.held_out(index).any()
    tight = GridTask(field_of(2, 3), smooth(), batch=16384, holdout=1 - 1e-9)
    with pytest.raises(InputError, match=r"task\.holdout: .*expected something to train on"):
        tight.draw(torch.Generator())


def test_scores_do_not_depend_on_how_much_is_compared_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sound = make_grid("audio", np.random.default_rng(0).random((500, 2)), rate=10.0, span=(-1, 1))
    tasks = [
        GridTask(field_of(2, 3), smooth(), holdout=0.2, rotation=20.0),
        GridTask(field_of(1, 2), sound, holdout=0.2),
    ]
    for task in tasks:
        whole, values = task.score(None, None), task.sample()
        truth = task.truth.scaled(torch.from_numpy(task.truth.values)).numpy()
        error = (values - truth).astype(np.float64) ** 2
        held = task.held_out(torch.arange(task.grid.size)).view(task.grid.counts).numpy()
        counts = np.ones_like(held) if task.truth.mask is None else task.truth.mask
        for name, part in {"psnr": counts, "psnr_held_out": counts & held}.items():
            assert whole[name] == pytest.approx(-10 * np.log10(error[part].mean()))
        if task is tasks[1]:
            power = np.mean((truth - truth.mean(axis=0)) ** 2)
            assert whole["snr"] == pytest.approx(10 * np.log10(power / error.mean()), rel=1e-5)
        with monkeypatch.context() as patch:
            patch.setattr("polyfield.training.grid_scores.CHUNK", 77)
            np.testing.assert_array_equal(task.sample(), values)
            parts = task.score(None, None)
        assert parts.keys() == whole.keys()
        for name in ("psnr", "psnr_held_out", "snr"):
            assert parts.get(name) == pytest.approx(whole.get(name))


def test_scoring_takes_little_more_memory_than_the_samples() -> None:
    grid = make_grid("audio", np.zeros((1 << 23, 1), np.uint8), rate=10.0)
    task = GridTask(field_of(1), grid, holdout=0.2)
    task.sample = lambda counts=None: np.ones((1 << 23, 1), np.float32)  # type: ignore[method-assign]
    tracemalloc.start()
    scores = task.score(None, None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert scores["psnr"] == pytest.approx(0)
    assert peak < 12 * grid.size  # of float64 it would be several times 8 bytes a sample


def test_holding_everything_out_is_refused() -> None:
    task = GridTask(field_of(2), make_grid("image", np.zeros((1, 1, 1), np.uint8)), holdout=0.999)
    task.held_out = lambda index: torch.ones_like(index, dtype=torch.bool)  # type: ignore[method-assign]
    with pytest.raises(InputError, match=r"task\.holdout: found 0\.999 of 1 samples"):
        task.loss(0, 0.0, torch.Generator())


def test_a_turned_picture_is_drawn_and_scored_within_its_disc() -> None:
    grid = smooth()
    task = GridTask(field_of(2, 3), grid, batch=4000, rotation=30.0)
    index = task.draw(torch.Generator().manual_seed(0))
    assert task.truth.mask is not None
    assert task.truth.mask.reshape(-1)[index.numpy()].all()
    points = task.truth.points(index)
    assert float((points - 0.5).norm(dim=1).max()) <= 0.5 * 48 / 64 + 1e-6
    # What lies outside the disc does not change the score.
    before = task.evaluate()["psnr"]
    task.truth.values[~task.truth.mask] = 255 - task.truth.values[~task.truth.mask]
    assert task.evaluate()["psnr"] == before


def test_a_sample_at_any_size_is_the_field_at_its_points() -> None:
    task = GridTask(field_of(2, 3), smooth())
    assert task.sample().shape == (48, 64, 3)
    large = task.sample((96, 128))
    u = torch.tensor([[0.5 + (10.5 / 96 - 0.5) * 48 / 64, 100.5 / 128]])
    np.testing.assert_allclose(large[10, 100], task.field.signal(u)[0].numpy(), atol=1e-5)


def test_an_image_of_one_pixel_is_learned(tmp_path: Path) -> None:
    grid = make_grid("image", np.array([[[10, 200, 90]]], np.uint8))
    scores = learned(GridTask(field_of(2, 3), grid, batch=16), tmp_path, 100).evaluate()
    assert scores["psnr"] is None or scores["psnr"] > 30
    assert scores["ssim"] is None
    assert any("ssim: below" in note for note in scores["notes"])


@pytest.mark.parametrize("rotation", [None, 5])
def test_a_ball_is_learned_by_distance(tmp_path: Path, rotation: int | None) -> None:
    settings = {"batch": 2048, "points": 20000, "eval_points": 4000}
    task = SdfTask(field_of(3, finest=32), ball(), rotation_seed=rotation, **settings)
    before = task.evaluate()
    after = learned(task, tmp_path, 300).evaluate(out=tmp_path / "out")
    assert (before["iou"] or 0) < 0.7 < 0.95 < after["iou"]
    assert after["mape"] < 0.1 < before["mape"]
    assert not after["notes"]
    assert [row["name"] for row in after["points"]] == ["uniform", "near"]
    assert (tmp_path / "out" / "sections.png").is_file()
    radius = 1.9 / np.sqrt(12)
    x = torch.tensor([[0.0, 0.0, 0.4], [0.9, 0.0, 0.0]])
    assert task.sdf(x).tolist() == pytest.approx([0.4 - radius, 0.9 - radius], abs=0.05)


def test_a_field_that_is_zero_everywhere_is_named() -> None:
    """Half of the training's distances are 0, which is where a field may stay."""
    task = SdfTask(field_of(3, finest=32), ball(), points=2000, eval_points=4000)
    with torch.no_grad():
        for parameter in task.field.parameters():
            parameter.zero_()
    assert any("no shape was learned" in note for note in task.evaluate()["notes"])


def test_the_inside_of_a_ball_with_a_hole_is_learned(tmp_path: Path) -> None:
    settings = {"batch": 2048, "points": 20000, "eval_points": 4000}
    task = OccupancyTask(field_of(3, finest=32), ball(cut=0.93), **settings)
    after = learned(task, tmp_path, 300).evaluate(out=tmp_path / "out")
    assert after["iou"] > 0.93
    assert after["accuracy"] > 0.98
    assert "winding number" in after["protocol"]
    assert task.occupancy(torch.zeros(1, 3)) > 0.9


def test_training_points_are_on_near_and_off_the_surface_and_right() -> None:
    task = SdfTask(field_of(3), ball(), points=2000)
    x, value = task.training
    radius = 1.9 / np.sqrt(12)
    true = x.norm(dim=1) - radius
    assert (value[:1000] == 0).all()
    assert true[:1000].abs().max() < 0.01
    assert float((value[1000:] - true[1000:]).abs().max()) < 0.01
    assert float(value[1000:1600].std()) == pytest.approx(0.01, rel=0.2)
    assert float(x[1600:].abs().max()) > 0.9
    assert torch.equal(SdfTask(field_of(3), ball(), points=2000).training.x, x)
    assert unit(x).min() >= 0
    assert unit(x).max() <= 1


@pytest.mark.parametrize("kind", [SdfTask, OccupancyTask])
def test_points_that_are_scored_were_not_trained_on(kind: type[SdfTask | OccupancyTask]) -> None:
    task = kind(field_of(3), ball(), points=200, eval_points=100)
    trained = {tuple(x) for x in task.training.x.tolist()}
    assert not trained & {tuple(x) for points in task.scored().values() for x in points.x.tolist()}


def test_what_encloses_nothing_has_a_distance_but_no_inside() -> None:
    sheet = make_mesh(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]]), np.array([[0, 1, 2]]))
    task = SdfTask(field_of(3), sheet, points=1000, eval_points=100)
    assert (task.training.value >= 0).all()
    scores = task.evaluate()
    assert np.isfinite(scores["mape"])
    occupancy = OccupancyTask(field_of(3), sheet, points=1000)
    for _ in range(2):
        with pytest.raises(InputError, match=r"encloses nothing.*open borders.*task=sdf"):
            occupancy.loss(0, 0.0, torch.Generator())


def test_overlap_is_intersection_over_union() -> None:
    a, b = torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False])
    assert overlap(a, b) == pytest.approx(1 / 3)
    assert overlap(a, a) == 1
    assert overlap(a & ~a, b & ~b) is None


@pytest.mark.parametrize("kind", [GridTask, SdfTask])
def test_a_training_that_was_stopped_goes_on_bit_by_bit(tmp_path: Path, kind: type) -> None:
    def task() -> PointTask:
        if kind is GridTask:
            return GridTask(field_of(2, 3), smooth(), batch=256, holdout=0.2)
        return SdfTask(field_of(3), ball(), batch=256, points=2000)

    def trainer(of: PointTask, run: str, steps: int) -> Trainer:
        optimizer = lambda groups: Adam(groups, lr=0.01)  # noqa: E731
        return Trainer(of, tmp_path / run, optimizer=optimizer, max_steps=steps)

    whole, first, second = task(), task(), task()
    trainer(whole, "whole", 20).train()
    stopped = trainer(first, "parts", 20)

    def stop(t: Trainer) -> None:
        if t.step == 11:
            t.interrupts.received = signal.SIGINT

    stopped.on_step.append(stop)
    stopped.train()
    goes_on = trainer(second, "parts", 20)
    goes_on.restore()
    assert goes_on.step == 11
    goes_on.train()
    for name, value in whole.module.state_dict().items():
        assert torch.equal(value, second.module.state_dict()[name]), name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch": 0}, r"task\.batch"),
        ({"holdout": 1.0}, r"task\.holdout"),
        ({"holdout": -0.1}, r"task\.holdout"),
        ({"rotation": float("inf")}, r"task\.rotation: found inf"),
        ({"rotation": float("nan")}, r"task\.rotation: found nan"),
        ({"loss": "l3"}, r"task\.loss: found l3, expected mse or l1"),
    ],
)
def test_wrong_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        GridTask(field_of(2, 3), smooth(), **settings)


def test_a_signal_has_one_split() -> None:
    with pytest.raises(InputError, match="split: found train, expected test"):
        GridTask(field_of(2, 3), smooth()).evaluate("train")
