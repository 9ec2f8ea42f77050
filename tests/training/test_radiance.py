"""The radiance task on a scene in closed form: what is learned, and how it is scored."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from polyfield.cameras.poses import rotation_from_axis_angle
from polyfield.datasets import Images
from polyfield.errors import InputError
from polyfield.fields.backbone import Replacement
from polyfield.training import metrics
from polyfield.training.optimizers import Adam
from polyfield.training.radiance import RadianceTask
from polyfield.training.trainer import Trainer


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def learned(task: RadianceTask, run: Path, steps: int = 100, lr: float = 0.05) -> RadianceTask:
    Trainer(task, run, optimizer=lambda g: Adam(g, lr=lr), max_steps=steps).train()
    return task


@pytest.mark.parametrize("background", ["white", "black", "random", "learned", "none"])
def test_a_ball_is_learned_on_any_background(tmp_path: Path, ball: Any, background: str) -> None:
    task = RadianceTask(ball.Ball(), ball.ball_scene(background))
    before = task.evaluate()["psnr"]
    after = learned(task, tmp_path).evaluate()
    assert before < 32 < 40 < after["psnr"]
    assert after["ssim"] > 0.99
    assert after["background"] == ("white" if background == "random" else background)


def test_targets_lie_on_what_the_render_lies_on(ball: Any) -> None:
    for background, varies in (
        ("white", False),
        ("white", True),
        ("black", False),
        ("black", True),
        ("random", False),
        ("learned", True),
    ):
        renderer = ball.Ball((0.8, 0.4, 0.2))
        task = RadianceTask(renderer, ball.ball_scene(background), vary_background=varies)
        step = task.loss(0, 0.0, generator())
        # The renderer is the truth, so that only rounding to 8 bits is left on any background.
        assert step.loss < 1e-4
        behind = renderer.seen[-1]["background"]
        is_random = background == "random" or (varies and background != "learned")
        assert behind.shape == ((step.n_rays, 3) if is_random else (3,))
        if is_random:
            assert behind.std(dim=0).min() > 0.2
        elif background != "learned":
            assert behind.tolist() == [float(background == "white")] * 3


def test_scores_are_plain_data_with_their_protocol(tmp_path: Path, ball: Any) -> None:
    scene = ball.ball_scene("white")
    renderer = ball.Ball((0.7, 0.4, 0.2))
    result = RadianceTask(renderer, scene).evaluate("test", tmp_path)
    assert json.loads(json.dumps(result)) == result
    assert [image["name"] for image in result["images"]] == ["0000", "0004", "0008"]
    assert result["resolution"] == [24, 24]
    assert (result["split"], result["background"]) == ("test", "white")
    assert result["protocol"] == "poses as given"
    assert result["seconds"] > 0
    assert result["rays_per_second"] == pytest.approx(3 * 24 * 24 / result["seconds"])
    assert result["notes"] == []
    for key in ("psnr", "ssim"):
        assert result[key] == pytest.approx(np.mean([image[key] for image in result["images"]]))
    # Computed by hand for one view.
    photo = scene.images[4].astype(np.float32) / 255
    truth = photo[..., :3] * photo[..., 3:] + 1 - photo[..., 3:]
    render = renderer.image(scene.cameras, 4, torch.ones(3)).rgb.numpy()
    assert result["images"][1]["psnr"] == pytest.approx(metrics.psnr(render, truth), abs=1e-4)
    sheet = iio.imread(tmp_path / "0004.png")
    assert sheet.shape == (24, 4 * 24, 3)
    assert np.abs(sheet[:, :24] / 255 - truth).max() < 0.01
    assert np.abs(sheet[:, 24:48] / 255 - render).max() < 0.01


def test_some_views_are_spread_evenly(ball: Any) -> None:
    task = RadianceTask(ball.Ball(), ball.ball_scene())
    result = task.evaluate("train", None, 3)
    assert [image["name"] for image in result["images"]] == ["0001", "0006", "0011"]
    assert result["protocol"] == "poses as given; 3 of 9 images"
    with pytest.raises(InputError, match="split: found val, expected train or test"):
        task.evaluate("val")
    with pytest.raises(InputError, match="limit: found 0"):
        task.evaluate("test", None, 0)


@pytest.mark.parametrize("training", [True, False])
def test_views_are_scored_in_evaluation_mode(
    ball: Any, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = RadianceTask(ball.Ball(), ball.ball_scene("white"))
    task.module.train(training)
    seen, image = [], task.renderer.image
    record = lambda *a, **k: (seen.append(task.module.training), image(*a, **k))[1]  # noqa: E731
    monkeypatch.setattr(task.renderer, "image", record)
    task.evaluate()
    assert seen
    assert not any(seen)
    assert task.module.training == training


def test_masked_pixels_are_neither_learned_nor_scored(tmp_path: Path, ball: Any) -> None:
    scene = ball.ball_scene("none")
    spoiled = np.stack([scene.images[i] for i in range(12)])
    spoiled[:, :, 12:] = (0, 255, 0)
    masks = np.full((12, 24, 24, 1), 255, dtype=np.uint8)
    masks[:, :, 12:] = 0
    masked = dataclasses.replace(
        scene, images=Images.from_arrays(spoiled), masks=Images.from_arrays(masks)
    )
    result = learned(RadianceTask(ball.Ball(), masked), tmp_path / "a").evaluate()
    assert result["psnr"] > 40
    assert result["protocol"] == "poses as given; masked pixels left out"
    bare = dataclasses.replace(masked, masks=None)
    assert learned(RadianceTask(ball.Ball(), bare), tmp_path / "b").evaluate()["psnr"] < 25


def test_appearance_codes_take_up_what_differs_between_photos(tmp_path: Path, ball: Any) -> None:
    tints = 0.2 * torch.rand(12, 3, generator=generator(1)) - 0.1
    tints -= tints[torch.arange(12) % 4 != 0].mean(dim=0)
    scene = ball.ball_scene("white", base=(0.6, 0.5, 0.4), tints=tints)
    plain = learned(RadianceTask(ball.Ball(), scene), tmp_path / "a")
    coded = RadianceTask(ball.Ball(), scene, appearance=3, appearance_lr=1.0)
    learned(coded, tmp_path / "b", steps=300)
    trained = scene.splits["train"]
    # Base colour and codes are told apart up to a constant.
    found = coded.codes.codes.detach()[trained]
    found = found - found.mean(dim=0)
    assert torch.allclose(found, tints[trained], atol=0.005)
    assert (coded.codes.codes[scene.splits["test"]] == 0).all()
    assert torch.allclose(coded.code, coded.codes.codes[trained].mean(dim=0))
    assert "mean appearance code" in coded.evaluate()["protocol"]
    assert "appearance" not in plain.evaluate()["protocol"]


def test_poses_that_are_off_are_found(tmp_path: Path, ball: Any) -> None:
    scene = ball.ball_scene("white")
    trained = scene.splits["train"]
    pose = scene.cameras.world_from_camera.clone()
    offsets = torch.zeros(12, 3, dtype=torch.float64)
    offsets[trained] = 0.06 * torch.randn(9, 3, generator=generator(2), dtype=torch.float64)
    offsets[trained] -= offsets[trained].mean(dim=0)
    pose[:, :, :3] = rotation_from_axis_angle(offsets) @ pose[:, :, :3]
    moved = dataclasses.replace(
        scene, cameras=dataclasses.replace(scene.cameras, world_from_camera=pose)
    )
    task = RadianceTask(
        ball.Ball((0.8, 0.4, 0.2)), moved, refine_poses=True, pose_lr=0.3, samples_per_step=0
    )
    learned(task, tmp_path, steps=300, lr=0.01)

    # Where the ball's middle is seen is what photos of a ball tell.
    def off_centre(poses: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        axes = poses[trained, :, 2]
        toward = -torch.nn.functional.normalize(places[trained], dim=-1)
        return (axes - toward).norm(dim=-1).mean()

    rotation = rotation_from_axis_angle(task.poses.rotations.detach().double())
    found = rotation @ pose[:, :, :3]
    places = pose[:, :, 3] + task.poses.translations.detach().double()
    before = off_centre(pose[:, :, :3], pose[:, :, 3])
    assert off_centre(found, places) < 0.2 * before
    assert (task.poses.rotations[scene.splits["test"]] == 0).all()
    assert task.evaluate()["protocol"] == "training poses refined, these given"


def test_the_number_of_rays_follows_the_budget(ball: Any) -> None:
    task = RadianceTask(ball.Ball(), ball.ball_scene(), samples_per_step=3000)
    g = generator()
    counts = [task.loss(step, 0.0, g).n_rays for step in range(12)]
    assert counts[0] == 512
    assert counts[-1] == 300  # ten samples a ray


def test_every_loss_has_its_term(ball: Any) -> None:
    cameras = ball.ring(12, 24)
    truth = ball.Ball((0.8, 0.4, 0.2))
    depths = []
    for i in range(12):
        distance = truth.image(cameras, i).depth
        rays = cameras.image_rays(i)
        z = distance * rays.axis_cosine.view(24, 24)
        depths.append(z.numpy()[..., None].astype(np.float32))
    scene = ball.ball_scene(
        depths=Images.from_arrays(np.stack(depths)),
        points=torch.tensor([[0.0, 0.0, 1.0]]),
        point_views=torch.tensor([[0, 1], [0, 2]]),
    )
    weights = {"distortion": 0.1, "entropy": 0.2, "depth": 0.3, "points": 0.4}
    task = RadianceTask(truth, scene, point_rays=32, **weights)
    step = task.loss(0, 0.0, generator())
    assert list(step.terms) == ["color", "points", "distortion", "entropy", "depth"]
    assert step.loss.item() == pytest.approx(sum(t.item() for t in step.terms.values()), rel=1e-5)
    assert step.n_rays == 512
    assert len(truth.seen[-1]["rays"]) == 512 + 32
    assert step.terms["depth"] < 1e-5
    assert step.terms["entropy"] > 0
    assert 0 < step.terms["distortion"] < 0.1 * 0.25
    # The weight scales the term and nothing else.
    double = RadianceTask(truth, scene, point_rays=32, **{**weights, "entropy": 0.4})
    terms = double.loss(0, 0.0, generator()).terms
    assert terms["entropy"].item() == pytest.approx(2 * step.terms["entropy"].item())
    assert terms["color"].item() == step.terms["color"].item()


def ball_normals(ball: Any) -> Images:
    """Exact normals of the ball in the views of `ball_scene`, zero where it is not hit."""
    cameras, maps = ball.ring(12, 24), []
    for i in range(12):
        rays, render = cameras.image_rays(i), ball.Ball().image(cameras, i)
        normals = ball.Ball().surface_normals(rays, render.depth.view(-1))
        maps.append((normals * (render.opacity.view(-1, 1) > 0.9)).view(24, 24, 3))
    return Images.from_arrays([normals.detach().numpy() for normals in maps])


def test_normals_supervise(tmp_path: Path, ball: Any) -> None:
    scene = ball.ball_scene("white", normals=ball_normals(ball))
    exact = RadianceTask(ball.Ball(), scene, normals=0.5).loss(0, 0.0, generator())
    assert list(exact.terms) == ["color", "normals"]
    assert exact.terms["normals"].item() == pytest.approx(0, abs=1e-6)
    leaning = ball.Ball()
    leaning.tint.data += torch.tensor([0.5, 0.0, 0.0])
    off = RadianceTask(leaning, scene, normals=0.5).loss(0, 0.0, generator())
    off.terms["normals"].backward()
    assert off.terms["normals"] > 0.01
    assert leaning.tint.grad[0] > 0
    assert leaning.opaque.grad is None or leaning.opaque.grad == 0
    plain = RadianceTask(ball.Ball(), scene).loss(0, 0.0, generator())
    assert list(plain.terms) == ["color"]


@pytest.mark.parametrize(
    ("name", "lacking"),
    [("depth", "depths"), ("normals", "normals"), ("points", "points that its images saw")],
)
def test_a_weight_without_data_is_refused_when_trained(ball: Any, name: str, lacking: str) -> None:
    scene = ball.ball_scene(points=torch.zeros(1, 3))
    task = RadianceTask(ball.Ball(), scene, **{name: 0.5})
    assert task.evaluate("test", None, 1)["psnr"] > 0  # what a run without its photos may need
    with pytest.raises(InputError, match=rf"task\.{name}: found 0\.5, and data without {lacking}"):
        task.loss(0, 0.0, generator())


def test_random_backgrounds_reach_points_too(ball: Any) -> None:
    scene = ball.ball_scene(
        "random",
        points=torch.tensor([[0.0, 0.0, 1.0]]),
        point_views=torch.tensor([[0, 1], [0, 2]]),
    )
    renderer = ball.Ball()
    task = RadianceTask(renderer, scene, points=1.0, point_rays=8, refine_poses=True)
    task.loss(0, 0.0, generator()).loss.backward()
    assert renderer.seen[-1]["background"].shape == (520, 3)
    assert torch.isfinite(task.poses.rotations.grad).all()


def test_state_goes_through_json(ball: Any) -> None:
    task = RadianceTask(ball.Ball(), ball.ball_scene(), samples_per_step=3000)
    g = generator()
    for step in range(5):
        task.loss(step, 0.0, g)
    other = RadianceTask(ball.Ball(), ball.ball_scene(), samples_per_step=3000)
    other.load_state(json.loads(json.dumps(task.state())))
    assert other.state() == task.state()
    assert other.budget.rays == task.budget.rays != 512


def test_growth_is_done_again_on_loading(ball: Any) -> None:
    class Growing(ball.Ball):
        def grow(self, step: int, progress: float) -> list[Replacement]:
            if step not in (4, 9):
                return []
            before, self.tint = self.tint, torch.nn.Parameter(self.tint.detach().repeat(2))
            return [Replacement(before, self.tint, lambda moment: moment.repeat(2))]

    task = RadianceTask(Growing(), ball.ball_scene())
    grown = [task.grow(step, step / 20, generator()) for step in range(12)]
    assert [step for step in range(12) if grown[step]] == [4, 9]
    other = RadianceTask(Growing(), ball.ball_scene())
    state = json.loads(json.dumps(task.state()))
    other.load_state(state)
    assert other.renderer.tint.shape == (12,)
    other.load_state(state)
    assert other.renderer.tint.shape == (12,)
    fresh = RadianceTask(ball.Ball(), ball.ball_scene())
    with pytest.raises(InputError, match="growth"):
        other.load_state(fresh.state())


def test_lpips_is_skipped_with_a_note(ball: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    task = RadianceTask(ball.Ball(), ball.ball_scene(), lpips=True)
    monkeypatch.setattr(metrics, "has_lpips", lambda: False)
    result = task.evaluate()
    assert "lpips" not in result
    assert result["notes"] == ["lpips: not installed (pip install lpips)"]
    monkeypatch.setattr(metrics, "has_lpips", lambda: True)
    monkeypatch.setattr(metrics, "lpips", lambda a, b: 0.25)
    assert task.evaluate()["lpips"] == 0.25


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"color": "l1"}, "task.color: found l1, expected huber or mse"),
        ({"depth": -1.0}, r"task\.depth: found -1\.0, expected 0 or more"),
        ({"normals": math.nan}, r"task\.normals: found nan, expected 0 or more"),
    ],
)
def test_bad_settings_are_named(ball: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        RadianceTask(ball.Ball(), ball.ball_scene(), **settings)
