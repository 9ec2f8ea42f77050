"""Surfels learned from photos, and what holds them to surfaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from polyfield.errors import InputError
from polyfield.fields.gaussians import FLAT, Gaussians
from polyfield.renderers.splat import SplatRenderer
from polyfield.training.densification import Classic, Strategy
from polyfield.training.gaussians_assembly import PRUNE_OPACITY
from polyfield.training.instantiate import make
from polyfield.training.optimizers import Adam
from polyfield.training.splatting import SplattingTask
from polyfield.training.surface_terms import surface_terms
from polyfield.training.trainer import Trainer


def begun(scene: Any, primitive: str = "surfels", **settings: Any) -> SplattingTask:
    renderer = SplatRenderer(Gaussians(degree=0, extent=1.0, primitive=primitive))
    settings = {"init": "random", "init_count": 150, **settings}
    task = SplattingTask(renderer, scene, strategy=Strategy(), **settings)
    task.begin(torch.Generator().manual_seed(0))
    return task


def test_a_ball_is_learned_by_surfels(tmp_path: Path, ball: Any) -> None:
    task = begun(ball.ball_scene(), surfel_distortion=0.01)
    before = task.evaluate()["psnr"]
    Trainer(task, tmp_path, optimizer=lambda g: Adam(g, lr=0.02), max_steps=200).train()
    assert before < 18 < 20.5 < task.evaluate()["psnr"]


def test_terms_begin_at_their_share_of_the_training(ball: Any) -> None:
    task = begun(ball.ball_scene(), surfel_distortion=10.0)
    names = [
        set(task.loss(0, progress, torch.Generator().manual_seed(1)).terms)
        for progress in (0.05, 0.15, 0.3)
    ]
    assert names[0] == {"color"}
    assert names[1] == {"color", "surfel_distortion"}
    assert names[2] == {"color", "surfel_distortion", "normal_consistency"}
    result = task.loss(0, 1.0, torch.Generator().manual_seed(1))
    assert all(float(term.detach()) > 0 for term in result.terms.values())
    result.loss.backward()
    assert all(bool(p.grad.isfinite().all()) for p in task.field.parameters() if p.grad is not None)


def test_gaussians_are_held_to_nothing_unless_asked(ball: Any) -> None:
    draws = torch.Generator().manual_seed(1)
    assert set(begun(ball.ball_scene(), "gaussians").loss(0, 1.0, draws).terms) == {"color"}
    asked = begun(ball.ball_scene(), "gaussians", normal_consistency=0.05)
    assert set(asked.loss(0, 1.0, draws).terms) == {"color", "normal_consistency"}


def test_normal_consistency_makes_normals_agree_with_depths(tmp_path: Path, ball: Any) -> None:
    """On a disk's worth of surfels: what is left of the term is less than without it."""
    left = []
    for weight in (0.0, 0.5):
        task = begun(ball.ball_scene(), normal_consistency=weight, normal_consistency_start=0.0)
        run = tmp_path / str(weight)
        Trainer(task, run, optimizer=lambda g: Adam(g, lr=0.02), max_steps=150).train()
        asked = surface_terms("surfels", 0.0, 0.0, 1.0, 0.0)
        view = task.view(0)
        drawn = task.splats.draw(view, None, asked.wants(1.0))
        left.append(float(asked.terms(drawn, view, 1.0)["normal_consistency"].detach()))
    assert left[1] < 0.6 * left[0]


def test_seeds_are_disks_and_files_thin_gaussians(ball: Any) -> None:
    field = begun(ball.ball_scene()).field
    assert float(field.quats.detach()[:, 1:].abs().mean()) > 0.3  # they look anywhere
    with torch.no_grad():
        field.log_scales[:, 2] = 5.0
    scales = torch.from_numpy(field.splats().log_scales).exp()
    assert torch.allclose(scales[:, 2], FLAT * scales[:, :2].amin(dim=1))


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"surfel_distortion": -1.0}, "surfel_distortion"),
        ({"surfel_distortion_start": 1.5}, "surfel_distortion_start"),
        ({"normal_consistency": float("nan")}, "normal_consistency"),
        ({"surfel_distortion": 1.0, "primitive": "gaussians"}, "field.primitive=surfels"),
    ],
)
def test_what_cannot_be_is_refused(ball: Any, settings: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=field):
        begun(ball.ball_scene(), **settings)


def test_a_field_has_a_primitive_that_there_is() -> None:
    with pytest.raises(InputError, match=r"field\.primitive"):
        Gaussians(primitive="discs")
    with pytest.raises(InputError, match=r"field\.antialiased"):
        Gaussians(primitive="surfels", antialiased=True)


def test_faint_surfels_are_pruned_sooner() -> None:
    node = {
        "_target_": "polyfield.training.densification.Classic",
        "prune_opacity": None,
        "reset_opacity": None,
    }
    found = [
        make(node, kind=Classic, field="densify", offers={"prune_opacity": opacity})
        for opacity in PRUNE_OPACITY.values()
    ]
    assert [s.prune_opacity for s in found] == [0.005, 0.05]
    assert [s.reset_opacity for s in found] == [0.01, 0.1]
    assert Classic().prune_opacity == 0.005
