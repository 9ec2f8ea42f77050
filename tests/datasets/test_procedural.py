"""The built-in scene is what it says: pictures, depths, normals and surface of one geometry."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from polyfield.cameras.cameras import Cameras
from polyfield.cameras.rays import Rays
from polyfield.datasets.procedural import (
    CONTENT_RADIUS,
    FLOOR,
    REACH,
    TARGET,
    procedural_scene,
    procedural_shapes,
    procedural_truth,
)
from polyfield.datasets.procedural_shading import SUN
from polyfield.datasets.procedural_shapes import BOX, CAPSULE, CONE, CYLINDER, TORUS
from polyfield.datasets.procedural_truth import ProceduralTruth, trace
from polyfield.datasets.scene import Scene
from polyfield.errors import InputError

SIZE = 72
BALL, BALL_RADIUS = torch.tensor([-0.08, 0.12, FLOOR + 0.31]), 0.31


@pytest.fixture(scope="module")
def scene() -> Scene:
    return procedural_scene(n_train=5, n_test=2, size=SIZE, seed=3)


@pytest.fixture(scope="module")
def truth(scene: Scene) -> ProceduralTruth:
    return procedural_truth(scene)


def _hits(
    scene: Scene, truth: ProceduralTruth, i: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Points seen in image i [m,3] float64, their normals [m,3] and rays [m,3]."""
    rays, depth = scene.cameras.image_rays(i), truth.depth[i].reshape(-1)
    hit = depth > 0
    points = rays.origins[hit].double() + depth[hit, None].double() * rays.directions[hit].double()
    return points, truth.normals[i].reshape(-1, 3)[hit], rays.directions[hit]


def test_depth_ends_on_the_surface(scene: Scene, truth: ProceduralTruth) -> None:
    for i in range(len(scene)):
        points, _, _ = _hits(scene, truth, i)
        assert len(points) > 0.25 * SIZE**2
        assert truth.signed_distance(points).abs().max() < 1e-5


def test_the_scene_has_the_depths_and_normals_of_the_truth(
    scene: Scene, truth: ProceduralTruth
) -> None:
    assert scene.depths is not None
    assert scene.normals is not None
    for i in (0, 6):
        cosine = scene.cameras.image_rays(i).axis_cosine
        assert cosine is not None
        z_depth = truth.depth[i] * cosine.view(SIZE, SIZE)
        assert (scene.depths[i][..., 0] == z_depth.numpy()).all()
        assert (scene.normals[i] == truth.normals[i].numpy()).all()


def test_nothing_lies_before_the_depth(scene: Scene, truth: ProceduralTruth) -> None:
    rays, depth = scene.cameras.image_rays(0), truth.depth[0].reshape(-1)
    reach = torch.where(depth > 0, depth - 1e-4, torch.tensor(6.0))
    for part in torch.linspace(0, 1, 100):
        points = rays.origins + (part * reach)[:, None] * rays.directions
        assert truth.signed_distance(points.double()).min() > 0


def test_normals_are_the_gradient_of_the_distance(scene: Scene, truth: ProceduralTruth) -> None:
    h = 1e-4
    for i in range(len(scene)):
        points, normals, directions = _hits(scene, truth, i)
        gradient = torch.stack(
            [
                (truth.signed_distance(points + step) - truth.signed_distance(points - step))
                / (2 * h)
                for step in h * torch.eye(3, dtype=torch.float64)
            ],
            dim=1,
        )
        assert (normals.norm(dim=1) - 1).abs().max() < 1e-6
        apart = (normals - gradient).norm(dim=1)
        # Where shapes touch within h, the distance has a crease.
        assert (apart < 1e-3).double().mean() > 0.995
        assert ((normals * directions).sum(dim=1) < 1e-3).all()
        assert not truth.normals[i][truth.depth[i] == 0].any()


def test_a_point_is_seen_by_every_view_that_nothing_blocks(
    scene: Scene, truth: ProceduralTruth
) -> None:
    points, _, _ = _hits(scene, truth, 0)
    seen = torch.zeros(len(points), dtype=torch.bool)
    for i in range(1, len(scene)):
        pixels, _, valid = scene.cameras.project(i, points)
        assert valid.all()
        rays = scene.cameras.rays(torch.full((len(points),), i), pixels)
        depth, _ = trace(truth.shapes, rays)
        distance = (points - scene.cameras.positions[i]).norm(dim=1)
        # The first surface is the point or something before it, but where a ray just grazes it.
        assert (depth > 0).double().mean() > 0.99
        assert (depth < distance + 1e-3).double().mean() > 0.99
        seen |= (depth - distance).abs() < 1e-3
    assert seen.double().mean() > 0.7


def test_alpha_is_the_part_of_the_pixel_that_the_scene_covers(
    scene: Scene, truth: ProceduralTruth
) -> None:
    image = scene.images[1]
    assert image.shape == (SIZE, SIZE, 4)
    assert image.dtype == np.uint8
    fine = scene.cameras.scaled(8)
    depth, _ = trace(truth.shapes, fine.image_rays(1))
    covered = (depth > 0).double().view(SIZE, 8, SIZE, 8).mean(dim=(1, 3)).numpy()
    alpha = image[..., 3] / 255
    assert np.abs(alpha - covered).mean() < 3e-3
    assert np.abs(alpha - covered).max() < 0.5
    levels = np.unique(image[..., 3])
    assert levels[0] == 0
    assert levels[-1] == 255
    assert len(levels) > 8
    assert not image[image[..., 3] == 0].any()


def test_the_highlight_of_the_ball_lies_between_sun_and_viewer(
    scene: Scene, truth: ProceduralTruth
) -> None:
    agreed = 0
    for i in range(len(scene)):
        points, normals, directions = _hits(scene, truth, i)
        on_ball = ((points - BALL).norm(dim=1) - BALL_RADIUS).abs() < 1e-4
        image = scene.images[i].reshape(-1, 4)[truth.depth[i].reshape(-1).numpy() > 0]
        brightness = torch.from_numpy(image[:, :3].sum(axis=1, dtype=np.int64))
        brightest = torch.where(on_ball, brightness, 0).argmax()
        half = torch.tensor(SUN) - directions[brightest]
        agreed += float(normals[brightest] @ half / half.norm()) > 0.95
    assert agreed >= 5


def test_one_seed_gives_one_scene(scene: Scene) -> None:
    again = procedural_scene(n_train=5, n_test=2, size=SIZE, seed=3)
    for i in (0, 6):
        assert np.array_equal(scene.images[i], again.images[i])
    turned = procedural_scene(n_train=5, n_test=2, size=SIZE, seed=4)
    apart = (turned.cameras.positions - scene.cameras.positions).norm(dim=1)
    assert apart.min() > 0.05


def test_the_scene_is_described_rightly(scene: Scene, truth: ProceduralTruth) -> None:
    assert scene.splits["train"].tolist() == [0, 1, 2, 3, 4]
    assert scene.splits["test"].tolist() == [5, 6]
    assert scene.images.names[5] == "test_000"
    near, far = scene.near_far
    depths = truth.depth[truth.depth > 0]
    assert near < depths.min() < near + 0.4
    assert far - 0.6 < depths.max() < far
    generator = torch.Generator().manual_seed(0)
    points, _ = truth.surface_points(5_000, generator)
    assert ((points > scene.bounds[0]) & (points < scene.bounds[1])).all()
    assert points.norm(dim=1).max() < CONTENT_RADIUS
    for i in range(len(scene)):
        assert scene.cameras.project(i, points)[2].all()


def test_default_sizes() -> None:
    scene = procedural_scene()
    assert scene.images.sizes.tolist() == [[200, 200]] * 70
    assert len(scene.splits["train"]) == 60


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="size"):
        procedural_scene(size=0)
    with pytest.raises(InputError, match="n_train"):
        procedural_scene(n_train=0)


def test_one_view_and_no_test_views() -> None:
    scene = procedural_scene(n_train=1, n_test=0, size=8)
    assert len(scene.splits["test"]) == 0
    assert scene.images[0].shape == (8, 8, 4)


def test_surface_points_lie_on_the_surface_with_their_normals(truth: ProceduralTruth) -> None:
    points, normals = truth.surface_points(5_000, torch.Generator().manual_seed(1))
    assert len(points) == len(normals) == 5_000
    assert truth.signed_distance(points).abs().max() < 1e-6
    assert (normals.norm(dim=1) - 1).abs().max() < 1e-5
    assert (truth.signed_distance(points + 1e-3 * normals) > 0).double().mean() > 0.99
    assert (truth.signed_distance(points - 1e-3 * normals) < 0).double().mean() > 0.99


def test_surface_points_are_even_over_area(truth: ProceduralTruth) -> None:
    points, _ = truth.surface_points(60_000, torch.Generator().manual_seed(2))
    on_ball = ((points - BALL).norm(dim=1) - BALL_RADIUS).abs() < 1e-5
    on_bottom = (points[:, 2] - (FLOOR - 0.10)).abs() < 1e-6
    expected = 4 * math.pi * BALL_RADIUS**2 / (math.pi * 0.95**2)
    assert float(on_ball.sum() / on_bottom.sum()) == pytest.approx(expected, rel=0.05)
    ring = procedural_shapes().kind.tolist().index(TORUS)
    axis = torch.from_numpy(procedural_shapes().frame[ring, :, 2]).float()
    along = (points - BALL) @ axis
    across = (points - BALL - along[:, None] * axis).norm(dim=1)
    on_ring = (torch.hypot(across - 0.45, along) - 0.018).abs() < 1e-5
    expected = math.pi * 0.45 * 0.018 / BALL_RADIUS**2
    assert float(on_ring.sum() / on_ball.sum()) == pytest.approx(expected, rel=0.1)
    upper = on_ball & (points[:, 2] > BALL[2])
    assert float(upper.sum() / on_ball.sum()) == pytest.approx(0.5, abs=0.03)


def test_distance_grows_no_faster_than_the_way(truth: ProceduralTruth) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = 2 * torch.rand(2, 20_000, 3, generator=generator, dtype=torch.float64) - 1
    b = a + 0.1 * b
    change = (truth.signed_distance(a) - truth.signed_distance(b)).abs()
    assert (change <= (a - b).norm(dim=1) + 1e-12).all()


def test_distance_to_the_nearest_surface_point_is_the_distance(truth: ProceduralTruth) -> None:
    surface, _ = truth.surface_points(20_000, torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(6)
    points = 2 * torch.rand(300, 3, generator=generator) - 1
    distance = truth.signed_distance(points)
    nearest = torch.cdist(points, surface).min(dim=1).values
    outside = distance > 0.02
    assert (nearest[outside] - distance[outside] > -1e-5).all()
    assert (nearest[outside] - distance[outside]).median() < 8e-3


def test_every_kind_of_shape_takes_part() -> None:
    kinds = procedural_shapes().kind
    assert set(kinds.tolist()) == {BOX, CAPSULE, CONE, CYLINDER, TORUS}


def test_rays_that_miss_or_start_beyond_meet_nothing(truth: ProceduralTruth) -> None:
    origins = torch.tensor([[0.0, 0.0, 3.0], [0.0, 0.0, 3.0], [5.0, 5.0, 5.0]])
    directions = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [float("nan"), 0.0, 1.0]])
    depth, normals = trace(truth.shapes, Rays(origins, directions))
    assert depth.tolist() == [0, 0, 0]
    assert not normals.any()


def test_views_look_down_from_all_around(scene: Scene) -> None:
    cameras: Cameras = scene.cameras
    assert (cameras.positions[:, 2] > 0).all()
    assert (cameras.world_from_camera[:, 2, 1] < 0).all()
    around = torch.atan2(cameras.positions[:5, 1], cameras.positions[:5, 0]).sort().values
    assert around.diff().max() < 2.2


def test_the_moving_scene_shows_each_image_at_its_own_time() -> None:
    scene = procedural_scene(n_train=6, n_test=3, size=24, moving=True)
    assert scene.times is not None
    for part in scene.splits.values():
        expected = (torch.arange(len(part)).double() + 0.5) / len(part)
        torch.testing.assert_close(scene.times[part].sort().values, expected)
    assert scene.depths is not None
    for i in (0, 7):
        rays = scene.cameras.image_rays(i)
        distance, _ = trace(procedural_shapes(float(scene.times[i])), rays)
        assert rays.axis_cosine is not None
        depth = (distance * rays.axis_cosine).view(24, 24).numpy()
        assert np.array_equal(scene.depths[i][..., 0], depth)
    still = procedural_scene(n_train=6, n_test=3, size=24)
    assert torch.equal(still.cameras.world_from_camera, scene.cameras.world_from_camera)
    assert not np.array_equal(still.images[0], scene.images[0])
    with pytest.raises(InputError, match="stands still"):
        procedural_truth(scene)


def test_what_moves_stays_within_the_ball_that_cameras_see() -> None:
    generator = torch.Generator().manual_seed(0)
    around = torch.randn(4000, 3, generator=generator, dtype=torch.float64)
    points = torch.tensor(TARGET) + REACH * torch.nn.functional.normalize(around, dim=-1)
    nothing = torch.zeros(0)
    for t in np.linspace(0, 1, 9):
        truth = ProceduralTruth(nothing, nothing, procedural_shapes(float(t)), CONTENT_RADIUS)
        assert truth.signed_distance(points).min() > 0
