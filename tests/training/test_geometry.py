"""Fields around known geometry: found or given, trained, stopped and gone on with."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polyfield.commands.schema import configuration
from polyfield.datasets.procedural import procedural_scene
from polyfield.datasets.scene import Scene
from polyfield.errors import InputError
from polyfield.fields import DenseGrid, Domain, RadianceDecoder, RadianceField
from polyfield.training import geometry
from polyfield.training.assembly import build_task, build_trainer
from polyfield.training.phase import Trained
from polyfield.training.preparation import Config, preparation, prepared_task
from polyfield.training.progress import Display
from polyfield.training.trainer import Trainer

SMALL = [
    *("field=strivec", "field.half_sizes=[0.2,0.1]", "field.density=8", "field.color=16"),
    *("field.max_resolution=32", "task.samples_per_step=1024", "task.rays=64"),
    *("renderer.occupancy.resolution=16", "trainer.log_every=0", "domain.kind=box"),
]


@pytest.fixture(scope="module")
def scene() -> Scene:
    return procedural_scene(n_train=6, n_test=2, size=24)


@pytest.fixture(scope="module")
def ball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Points on a sphere within the procedural scene."""
    points = np.random.default_rng(0).normal(size=(300, 3))
    file = tmp_path_factory.mktemp("my points, (1)") / "ball.npy"
    np.save(file, 0.5 * points / np.linalg.norm(points, axis=1, keepdims=True))
    return file


def config_of(*words: str) -> dict[str, Any]:
    return configuration("data=procedural", *SMALL, *words)


def test_a_growing_field_around_points_goes_on_bit_by_bit(
    scene: Scene, ball: Path, tmp_path: Path
) -> None:
    """Stopped between two growths; structure, vectors, moments come back from the checkpoint."""
    words = ["field.coarse=0.5", "field.upsample=[0.3,0.8]", "trainer.max_steps=12"]
    config = config_of(f"field.points={ball}", *words)
    straight = prepared_task(config, scene)
    assert straight.seconds == 0
    whole = build_trainer(straight.config, straight.task, tmp_path / "straight")
    whole.train()
    begun = prepared_task(config, scene)
    first = build_trainer(begun.config, begun.task, tmp_path / "parts")

    def stop(trainer: Trainer) -> None:
        if trainer.step == 7:
            trainer.interrupts.received = signal.SIGINT

    first.on_step.append(stop)
    assert first.train().interrupted
    second = build_trainer(begun.config, build_task(begun.config, scene), tmp_path / "parts")
    second.restore()
    assert second.train().step == 12
    states = [trainer.task.module.state_dict() for trainer in (whole, second)]
    assert states[0].keys() == states[1].keys()
    assert len(states[0]["renderer.field.backbone.centers"]) > 20
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
    moments = [trainer.stepper.optimizer.state_dict()["state"] for trainer in (whole, second)]
    for key, state in moments[0].items():
        assert all(torch.equal(value, moments[1][key][name]) for name, value in state.items())


def test_a_short_training_finds_where_matter_is(scene: Scene) -> None:
    config = config_of("trainer.max_steps=100", "trainer.geometry=0.6")
    assert geometry.coarse(config)["trainer"]["max_steps"] == 60
    task, left, seconds = prepared_task(config, scene)
    assert (left["trainer"]["max_steps"], left["trainer"]["geometry"]) == (40, 0)
    assert seconds > 0
    field: Any = geometry.field_of(task)
    world = field.domain.to_world(field.backbone.centers)
    # All that there is lies in a ball of 1.2; some of what is found this soon does not.
    assert (torch.linalg.vector_norm(world, dim=-1) < 1.3).float().mean() > 0.6


def test_without_a_budget_a_phase_gets_its_share_of_the_default(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase = preparation(config_of("trainer.geometry=0.15"))
    assert phase.config["trainer"]["max_seconds"] == pytest.approx(0.85 * 300)
    task = build_task(phase.config, scene)
    budgets: list[float | None] = []

    def trained(config: Config, *_: Any) -> None:
        budgets.append(config["trainer"]["max_seconds"])
        raise KeyboardInterrupt

    monkeypatch.setattr("polyfield.training.preparation.trained", trained)
    with pytest.raises(KeyboardInterrupt):
        phase.run(task, scene, None)
    assert budgets == [pytest.approx(0.15 * 300)]


@pytest.mark.parametrize("half", [1.5, 150.0])
def test_what_was_never_looked_at_is_empty_in_any_unit_of_length(
    scene: Scene,
    half: float,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def untrained(config: Config, data: Any, *_: Any) -> Trained:
        task: Any = build_task(config, data)
        density = geometry.field_of(task).density(half * (2 * torch.rand(100, 3) - 1))
        opacity = -torch.expm1(-density.detach() * 2 * half / geometry.CELLS)
        assert (opacity / geometry.UNTOUCHED - 1).abs().max() < 0.05
        return Trained(task, 0.0)

    monkeypatch.setattr("polyfield.training.preparation.trained", untrained)
    bounds = f"domain.bounds=[[-{half},-{half},-{half}],[{half},{half},{half}]]"
    prepared_task(config_of("trainer.max_steps=10", bounds), scene, Display())
    assert "the coarse geometry is empty" in capsys.readouterr().err


def dense_field(density: float) -> RadianceField:
    """A field whose density is above e^-1 in a corner of the unit cube alone."""
    grid = DenseGrid(9, channels=4, initial=0.0)
    with torch.no_grad():
        grid.grid.view(9, 9, 9, 4)[-3:, -3:, -3:, 0] = density
    decoder = RadianceDecoder(4, trunk=None, color="mlp", summed=1, shift=-8.0)
    return RadianceField(Domain(torch.tensor([[-1.0] * 3, [1.0] * 3])), grid, decoder)


def test_occupied_are_the_cells_that_are_not_empty() -> None:
    points = geometry.occupied_points(dense_field(16.0))
    assert ((points > 0.6) & (points < 1)).all()
    assert len(points) > 100


def test_an_empty_geometry_keeps_the_densest_cells_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    points = geometry.occupied_points(dense_field(1.0))
    assert len(points) == int(geometry.DENSEST * geometry.CELLS**3)
    assert (points > 0.6).all()
    assert "the coarse geometry is empty" in capsys.readouterr().err


def test_given_points_are_in_the_frame_of_the_data(scene: Scene, ball: Path) -> None:
    domain = Domain(scene.bounds)
    straight = geometry.given_points(ball, scene, domain)
    moved = torch.eye(4, dtype=torch.float64)
    moved[:3, :3] *= 2.0
    from dataclasses import replace

    half = geometry.given_points(ball, replace(scene, source_from_world=moved), domain)
    middle = domain.to_unit(torch.zeros(1, 3))
    torch.testing.assert_close(half - middle, (straight - middle) / 2)


def test_a_mesh_gives_points_of_its_surface(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "square.obj"
    file.write_text("v 0 0 0.5\nv 1 0 0.5\nv 1 1 0.5\nv 0 1 0.5\nf 1 2 3\nf 1 3 4\n")
    cloud = tmp_path / "cloud.ply"
    cloud.write_text(
        "ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float y\n"
        "property float z\nend_header\n0 0 0.5\n0.25 0.5 0.5\n"
    )
    domain = Domain(scene.bounds)
    surface = domain.to_world(geometry.given_points(file, scene, domain))
    assert surface[:, 2].sub(0.5).abs().max() < 1e-5
    assert surface[:, :2].min() > -1e-5
    assert surface[:, :2].max() < 1 + 1e-5
    assert abs(float(surface[:, 0].mean()) - 0.5) < 0.01
    points = domain.to_world(geometry.given_points(cloud, scene, domain))
    torch.testing.assert_close(points, torch.tensor([[0, 0, 0.5], [0.25, 0.5, 0.5]]))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.ply", None, "cannot be read"),
        ("bad.ply", b"ply\nformat nonsense\n", "bad.ply"),
        ("bad.npy", b"\x93NUMPY", "bad.npy"),
        ("flat.npy", np.zeros((4, 2)), r"flat.npy.*\[n, 3\]"),
        ("nan.npy", np.full((4, 3), np.nan), "point 0.*finite"),
        ("empty.npy", np.zeros((0, 3)), "no points"),
        ("far.npy", np.full((4, 3), 99.0), "lies in the box"),
    ],
)
def test_files_without_use_are_refused(
    scene: Scene, tmp_path: Path, name: str, content: Any, message: str
) -> None:
    file = tmp_path / name
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        np.save(file, content)
    with pytest.raises(InputError, match=message):
        geometry.given_points(file, scene, Domain(scene.bounds))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trainer.geometry=1.0"], r"trainer\.geometry"),
        (["trainer.geometry=-0.1"], r"trainer\.geometry"),
        (["trainer.bottleneck=0.2"], r"trainer\.bottleneck"),
    ],
)
def test_a_phase_without_a_purpose_is_refused(scene: Scene, words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepared_task(config_of("trainer.max_steps=10", *words), scene)


def test_geometry_is_for_fields_that_lie_around_it(scene: Scene, ball: Path) -> None:
    config = configuration("data=procedural", "field=dense", "trainer.geometry=0.2")
    with pytest.raises(InputError, match="takes no geometry"):
        prepared_task(config, scene)
    alone = config_of("trainer.geometry=0", "trainer.max_steps=3")
    task, left, _ = prepared_task(alone, scene)
    with pytest.raises(InputError, match="known geometry"):
        build_trainer(left, task, ball.parent / "run").train()
