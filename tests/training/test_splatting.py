"""Gaussians learned from photos: what is learned, what is refused, how a run goes on."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polyfield.cameras.poses import rotation_from_axis_angle
from polyfield.datasets import Images, Scene
from polyfield.errors import InputError
from polyfield.fields.gaussians import Gaussians
from polyfield.renderers.splat import SplatRenderer
from polyfield.training.assembly import build_task, build_trainer
from polyfield.training.cadence import read_metrics
from polyfield.training.densification import MCMC, Classic, Strategy
from polyfield.training.optimizers import Adam
from polyfield.training.splatting import SplattingTask, laid_on
from polyfield.training.trainer import Trainer

SEEDS = 150


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def begun(scene: Scene, strategy: Strategy | None = None, **settings: Any) -> SplattingTask:
    """A task with random Gaussians in the scene's box."""
    renderer = SplatRenderer(Gaussians(degree=0, extent=1.0))
    settings = {"init": "random", "init_count": SEEDS, **settings}
    task = SplattingTask(renderer, scene, strategy=strategy or Strategy(), **settings)
    task.begin(generator())
    return task


def trainer_of(task: SplattingTask, run: Path, steps: int = 200, **settings: Any) -> Trainer:
    return Trainer(task, run, optimizer=lambda g: Adam(g, lr=0.02), max_steps=steps, **settings)


@pytest.mark.parametrize("background", ["white", "black", "random", "learned", "none"])
def test_a_ball_is_learned_on_any_background(tmp_path: Path, ball: Any, background: str) -> None:
    task = begun(ball.ball_scene(background))
    before = task.evaluate()["psnr"]
    trainer_of(task, tmp_path).train()
    after = task.evaluate()
    assert before < 20 < 24 < after["psnr"]
    assert after["background"] == ("white" if background == "random" else background)
    assert after["protocol"] == "poses as given"


@pytest.mark.parametrize(
    ("background", "varies", "expected"),
    [
        ("white", False, 1.0),
        ("white", True, None),
        ("black", False, 0.0),
        ("black", True, None),
        ("random", False, None),
        ("learned", True, 0.5),
    ],
)
def test_photos_lie_on_what_the_picture_lies_on(
    ball: Any, background: str, varies: bool, expected: float | None
) -> None:
    scene = ball.ball_scene(background)
    renderer = SplatRenderer(Gaussians(degree=0))
    task = SplattingTask(renderer, scene, strategy=Strategy(), vary_background=varies)
    seen, draws = [], generator()
    for _ in range(3):
        behind = task.training_background(draws)
        assert behind is not None
        truth = laid_on(task.photos.at(int(scene.splits["train"][0])), behind)
        assert torch.allclose(truth[:, 0, 0].float(), behind.detach(), atol=0.01)
        seen.append(behind.detach())
    if expected is None:
        assert not torch.equal(seen[0], seen[1])
        assert float(torch.stack(seen).std()) > 0.1
    else:
        assert torch.stack(seen).tolist() == [[expected] * 3] * 3


def test_photos_grow_to_their_size(ball: Any) -> None:
    task = begun(ball.ball_scene(), upsample=[0.2, 0.4])
    counts = [task.loss(0, progress, generator()).n_rays for progress in (0, 0.19, 0.2, 0.4, 1)]
    assert counts == [6 * 6, 6 * 6, 12 * 12, 24 * 24, 24 * 24]
    with pytest.raises(InputError, match="upsample"):
        begun(ball.ball_scene(), upsample=[1.5])


def test_a_step_counts_pixels_and_gaussians(ball: Any) -> None:
    result = begun(ball.ball_scene()).loss(0, 0.0, generator())
    assert result.n_rays == 24 * 24
    assert result.metrics["gaussians"] == SEEDS
    assert 0 < read_metrics(result)["psnr"] < 40
    assert set(result.terms) == {"color"}


def test_a_photo_of_which_little_is_valid_is_not_made_small(ball: Any) -> None:
    scene = ball.ball_scene("none")
    masks = np.zeros((12, 24, 24, 1), np.uint8)
    masks[:, ::2, ::2] = 255  # no pixel of half the size is valid all through
    scene.masks = Images.from_arrays(masks)
    task = begun(scene, upsample=[0.5])
    result = task.loss(0, 0.0, generator())
    assert result.n_rays == 24 * 24
    assert result.loss.item() > 0


def test_masked_pixels_do_not_count(ball: Any) -> None:
    scene = ball.ball_scene("none")
    masks = np.full((12, 24, 24, 1), 255, np.uint8)
    masks[:, :, :10] = 0
    scene.masks = Images.from_arrays(masks)
    spoiled = np.stack([scene.images[i].copy() for i in range(12)])
    before = begun(scene, ssim=0.0).loss(0, 0.0, generator())
    spoiled[:, :, :10] = 77
    scene.images = Images.from_arrays(spoiled)
    after = begun(scene, ssim=0.0).loss(0, 0.0, generator())
    assert torch.equal(before.loss, after.loss)
    assert read_metrics(before)["psnr"] == read_metrics(after)["psnr"]


def test_depths_pull_and_normals_turn(ball: Any) -> None:
    scene = ball.ball_scene("white")
    ones = np.ones((12, 24, 24, 1), np.float32)
    scene.depths = Images.from_arrays(0.5 * ones)
    up = np.zeros((12, 24, 24, 3), np.float32)
    up[..., 2] = 1
    scene.normals = Images.from_arrays(up)
    task = begun(scene, depth=2.0, normals=3.0)
    with torch.no_grad():
        task.field.opacity_logits.fill_(4.0)
    result = task.loss(0, 0.0, generator())
    assert set(result.terms) == {"color", "depth", "normals"}
    assert result.terms["depth"].item() > 1
    assert 0 < result.terms["normals"].item() <= 6
    view = task.view(task.photos.sample(generator(1)).index)
    (result.terms["depth"] + result.terms["normals"]).backward()
    assert task.field.means.grad is not None
    assert task.field.quats.grad is not None
    assert bool(task.field.quats.grad.any())
    towards = view.camera_from_world[2, :3]
    pull = -(task.field.means.grad @ towards)
    assert float(pull.sum()) != 0


@pytest.mark.parametrize("name", ["depth", "normals"])
def test_supervision_that_the_data_lacks_is_refused(ball: Any, name: str) -> None:
    task = begun(ball.ball_scene(), **{name: 1.0})
    with pytest.raises(InputError, match=f"task.{name}"):
        task.loss(0, 0.0, generator())


def test_exposures_take_up_what_differs_between_photos(tmp_path: Path, ball: Any) -> None:
    tints = torch.zeros(12, 3)
    tints[:, 0] = torch.linspace(-0.2, 0.2, 12)
    scenes = [ball.ball_scene("none", tints=tints) for _ in range(2)]
    plain = begun(scenes[0])
    exposed = begun(scenes[1], exposure=True, exposure_weight=0.0, exposure_lr=2.0)
    for task in (plain, exposed):
        trainer_of(task, tmp_path / str(id(task))).train()
    losses = [
        np.mean([float(task.loss(0, 0.0, generator(k)).terms["color"]) for k in range(9)])
        for task in (plain, exposed)
    ]
    assert losses[1] < 0.9 * losses[0]
    assert exposed.code is not None
    assert exposed.code.shape == (12,)
    assert "mean exposure" in exposed.evaluate()["protocol"]


def test_exposures_are_of_the_scene_and_not_of_what_photos_are_laid_on(ball: Any) -> None:
    scene = ball.ball_scene("white")  # photos with alpha
    task = begun(scene, exposure=True, exposure_weight=0.0, ssim=0.0)
    assert task.varies_background
    with torch.no_grad():
        task.field.opacity_logits.fill_(-20)  # nothing is seen but the background
        task.codes.maps[:, :, 3] += 0.5
    plain = begun(scene, ssim=0.0)
    with torch.no_grad():
        plain.field.opacity_logits.fill_(-20)
    losses = [float(each.loss(0, 0.0, generator()).terms["color"]) for each in (task, plain)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_exposures_keep_near_what_changes_nothing(ball: Any) -> None:
    task = begun(ball.ball_scene(), exposure=True, exposure_weight=2.0)
    result = task.loss(0, 0.0, generator())
    assert float(result.terms["exposure"]) == 0
    assert task.codes is not None
    with torch.no_grad():
        task.codes.maps += 0.5
    assert float(task.loss(0, 0.0, generator()).terms["exposure"]) == pytest.approx(0.5)


def test_poses_are_found_back(tmp_path: Path, ball: Any) -> None:
    scene = ball.ball_scene("white")
    task = begun(scene)
    trainer_of(task, tmp_path / "first").train()
    moved = int(scene.splits["train"][0])
    poses = scene.cameras.world_from_camera.clone()
    turn = rotation_from_axis_angle(torch.tensor([0.03, -0.05, 0.0], dtype=torch.float64))
    true = poses[moved, :, :3].clone()
    poses[moved, :, :3] = turn @ true
    scene.cameras = type(scene.cameras)(
        poses,
        scene.cameras.intrinsics,
        scene.cameras.distortion,
        scene.cameras.model,
        scene.cameras.size,
    )
    again = begun(scene, refine_poses=True, pose_lr=0.5)
    again.field.place(task.field.tensors)
    assert again.poses is not None
    trainer_of(again, tmp_path / "second", steps=90).train()
    pose = again.poses.pose(scene.cameras.world_from_camera[moved], moved)
    errors = [float((found - true).norm()) for found in (poses[moved, :, :3], pose[:, :3].double())]
    assert errors[1] < 0.5 * errors[0]
    assert again.evaluate()["protocol"] == "training poses refined, these given"


def strategies() -> dict[str, Callable[[], Strategy]]:
    settings: dict[str, Any] = {"start": 0.1, "stop": 0.9, "every": 20}
    return {
        "none": Strategy,
        "classic": lambda: Classic(**settings, threshold=1e-4, reset_every=30),
        "mcmc": lambda: MCMC(**settings),
    }


def _interrupt(trainer: Trainer) -> None:
    trainer.interrupts.received = signal.SIGINT


@pytest.mark.parametrize("name", ["none", "classic", "mcmc"])
def test_a_run_goes_on_bit_by_bit(tmp_path: Path, ball: Any, name: str) -> None:
    def fresh() -> SplattingTask:
        scene = ball.ball_scene("white")
        return begun(scene, strategies()[name](), exposure=True, refine_poses=True)

    straight = fresh()
    trainer_of(straight, tmp_path / "straight", steps=80, ema=0.9).train()
    first = fresh()
    stopped = trainer_of(first, tmp_path / "stopped", steps=80, ema=0.9)
    stopped.on_step.append(lambda t: _interrupt(t) if t.step == 47 else None)
    stopped.train()
    assert stopped.step == 47
    second = fresh()
    resumed = trainer_of(second, tmp_path / "stopped", steps=80, ema=0.9)
    resumed.restore()
    resumed.train()
    if name != "none":
        assert len(straight.field) > SEEDS
    states = [task.module.state_dict() for task in (straight, second)]
    assert states[0].keys() == states[1].keys()
    for key, tensor in states[0].items():
        assert torch.equal(tensor, states[1][key]), key


def test_the_number_of_gaussians_is_shown(tmp_path: Path, ball: Any) -> None:
    from polyfield.training.progress import status_line
    from polyfield.training.records import read_records

    task = begun(ball.ball_scene(), strategies()["mcmc"]())
    trainer_of(task, tmp_path, steps=100).train()
    row = read_records(tmp_path)[-1]
    assert row["gaussians"] == len(task.field) > SEEDS
    assert row["rays_per_second"] > 0
    assert f"{len(task.field)} Gaussians" in status_line(row)


def test_data_that_moves_is_refused(ball: Any) -> None:
    scene = ball.ball_scene()
    times = torch.linspace(0, 1, 12, dtype=torch.float64)
    cameras = scene.cameras
    scene.cameras = type(cameras)(
        cameras.world_from_camera,
        cameras.intrinsics,
        cameras.distortion,
        cameras.model,
        cameras.size,
        times,
    )
    with pytest.raises(InputError, match=r"times.*dataset\.times=ignore"):
        begun(scene)


def test_without_gaussians_nothing_is_learned(ball: Any) -> None:
    renderer = SplatRenderer(Gaussians())
    task = SplattingTask(renderer, ball.ball_scene(), strategy=Strategy())
    with pytest.raises(InputError, match="no Gaussians"):
        task.loss(0, 0.0, generator())


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["task.samples_per_step=100"], "task.samples_per_step.*about rays"),
        (["task.crop=0.5"], "task.crop"),
        (["task.color=mse"], "task.color"),
        (["domain.kind=box"], "domain.kind"),
        (["renderer=volume"], "renderer._target_"),
        (["task.ssim=2"], "task.ssim"),
        (["densify=classic", "densify.reset_opacity=0.001"], "reset_opacity"),
        (["field.degree=7"], "field.degree"),
        (["decoder=radiance"], "decoder"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(ball: Any, words: list[str], match: str) -> None:
    from polyfield.commands.schema import configuration

    config = configuration("field=gaussians", *words)
    with pytest.raises(InputError, match=match):
        build_task(config, ball.ball_scene())


def test_a_configuration_makes_the_task(tmp_path: Path, ball: Any) -> None:
    from polyfield.commands.schema import configuration
    from polyfield.training.radiance_assembly import settled

    words = ["densify=classic", "trainer.max_steps=10", "optimizer.lr=2.5e-3"]
    config = configuration("field=gaussians", *words)
    config = settled(config, ball.ball_scene())
    assert "samples_per_step" not in config["task"]
    task = build_task(config, ball.ball_scene())
    assert isinstance(task, SplattingTask)
    assert isinstance(task.strategy, Classic)
    trainer = build_trainer(config, task, tmp_path)
    rates = {g["name"]: g["lr"] * g["lr_scale"] for g in trainer.stepper.optimizer.param_groups}
    assert rates["log_scales"] == pytest.approx(5e-3)
    assert rates["means"] == pytest.approx(1.6e-4 * 3.3, rel=0.2)


def test_a_field_with_a_decoder_is_not_splatted(ball: Any) -> None:
    from polyfield.commands.schema import configuration

    config = configuration("field=hash", "renderer=splat")
    with pytest.raises(InputError, match="renderer"):
        build_task(config, ball.ball_scene())
