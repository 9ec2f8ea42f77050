"""The volume renderer on densities whose pictures are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from polyfield.cameras import Cameras, Rays
from polyfield.cameras.poses import look_at
from polyfield.errors import InputError
from polyfield.fields import Backbone, Domain, RadianceDecoder, RadianceField
from polyfield.renderers import OccupancyGrid, VolumeRenderer

BOUNDS = [[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]
GREY = 0.25  # what the analytic fields look like, everywhere and from everywhere


class Analytic(Backbone):
    """A density given as a function of the unit cube's points, grey."""

    def __init__(self, raw: Callable[[Tensor], Tensor]) -> None:
        super().__init__(in_dim=3, out_dim=4)
        self.raw = raw

    def forward(self, x: Tensor) -> Tensor:
        logit = math.log(GREY / (1 - GREY)) / 0.28209479177387814
        return torch.cat([self.raw(x)[:, None], x.new_full((len(x), 3), logit)], dim=-1)


def analytic(
    raw: Callable[[Tensor], Tensor], domain: Any = "box", **options: Any
) -> VolumeRenderer:
    region = Domain(BOUNDS, domain)
    decoder = RadianceDecoder(4, None, color="sh", sh_degree=0, activation="softplus")
    field = RadianceField(region, Analytic(raw), decoder)
    settings = {"step": 0.01, "far": 10.0, "stop": 0.0} | options
    return VolumeRenderer(field, OccupancyGrid(region, resolution=16), **settings)


def uniform(density: float, **options: Any) -> VolumeRenderer:
    raw = math.log(math.expm1(density)) if density < 15 else density
    return analytic(lambda x: x.new_full((len(x),), raw), **options)


def ball(x: Tensor) -> Tensor:
    """Opaque within half a unit of the middle of the world."""
    return 2e4 * (0.5 - torch.linalg.vector_norm(2 * x - 1, dim=-1))


def towards(targets: Tensor, origin: tuple[float, float, float]) -> Rays:
    origins = torch.tensor(origin).expand(len(targets), 3)
    return Rays(origins, torch.nn.functional.normalize(targets - origins, dim=-1))


def along_z(n: int) -> Rays:
    """Rays down the z axis into the box, at random places."""
    origins = 1.6 * torch.rand(n, 3, generator=torch.Generator().manual_seed(0)) - 0.8
    origins[:, 2] = -3.0
    return Rays(origins, torch.tensor([0.0, 0.0, 1.0]).expand(n, 3).contiguous())


def one_camera(width: int = 14, height: int = 10) -> Cameras:
    position, up = torch.tensor([[0.3, -0.4, -3.0]]).double(), torch.tensor([0.0, -1.0, 0.0])
    return Cameras(
        look_at(position, torch.zeros_like(position), up),
        torch.tensor([[width, width, width / 2, height / 2]], dtype=torch.float64),
        torch.zeros(1, 8, dtype=torch.float64),
        torch.zeros(1, dtype=torch.int64),
        torch.tensor([[width, height]]),
    )


@pytest.mark.parametrize("sigma", [0.3, 2.0, 10.0])
def test_a_uniform_medium_fades_by_beer_and_lambert(sigma: float) -> None:
    render = uniform(sigma)(along_z(20))
    opacity = 1 - math.exp(-2 * sigma)
    one_step = 1.01 * 0.01 * sigma * (1 - opacity) + 1e-5
    torch.testing.assert_close(render.opacity, torch.full((20,), opacity), rtol=0, atol=one_step)
    rgb = torch.full((20, 3), GREY * opacity)
    torch.testing.assert_close(render.rgb, rgb, rtol=0, atol=one_step)
    # The mean of t over the density sigma exp(-sigma s), cut off at the far side.
    depth = 2.0 + 1 / sigma - 2 * (1 - opacity) / opacity
    torch.testing.assert_close(render.depth, torch.full((20,), depth), rtol=0, atol=0.01)


def test_an_opaque_slab_is_as_far_as_it_is() -> None:
    """Its face at z = 0.2: three units and a fifth from where the rays begin."""
    renderer = analytic(lambda x: 4e6 * (x[:, 2] - 0.6))
    render = renderer(along_z(30))
    torch.testing.assert_close(render.opacity, torch.ones(30))
    torch.testing.assert_close(render.depth, torch.full((30,), 3.2), rtol=0, atol=0.015)
    slanted = towards(torch.tensor([[0.6, 0.1, 0.2], [-0.5, 0.3, 0.2]]), (0.1, -0.2, -2.0))
    distance = torch.linalg.vector_norm(
        torch.tensor([[0.6, 0.1, 0.2], [-0.5, 0.3, 0.2]]) - slanted.origins, dim=-1
    )
    torch.testing.assert_close(renderer(slanted).depth, distance, rtol=0, atol=0.015)


def test_rays_that_miss_have_no_colour_no_opacity_and_no_depth() -> None:
    rays = along_z(5)
    rays.origins[:, 0] += 10
    render = uniform(5.0)(rays)
    for value in (render.rgb, render.opacity, render.depth, render.extras["distortion"]):
        assert not value.any()
    assert render.extras["n_samples"] == 0


def test_the_background_shows_through_what_is_clear() -> None:
    renderer, rays = uniform(0.7), along_z(8)
    plain = renderer(rays)
    assert (plain.opacity > 0.5).all()
    for background in (torch.tensor([1.0, 0.5, 0.0]), torch.rand(8, 3)):
        with_it = renderer(rays, background)
        right = plain.rgb + (1 - plain.opacity)[:, None] * background
        torch.testing.assert_close(with_it.rgb, right)
        assert torch.equal(with_it.opacity, plain.opacity)
    rays.origins[:, 0] += 10
    torch.testing.assert_close(renderer(rays, background).rgb, background)


def test_jitter_moves_samples_by_the_generator_and_pictures_hardly(
    make_renderer: Any, make_rays: Any
) -> None:
    renderer, rays = make_renderer(), make_rays(50)

    def draw(seed: int | None) -> Tensor:
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        with torch.no_grad():
            return renderer(rays, generator=generator).rgb

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert torch.equal(draw(None), draw(None))
    torch.testing.assert_close(draw(1), draw(None), rtol=0, atol=0.15)


def test_gradients_near_the_camera_are_scaled_by_the_square_of_the_distance(
    make_renderer: Any, make_rays: Any
) -> None:
    """All samples beyond the distance: nothing changes. All at t: gradients shrink by (t/d)^2."""
    rays = make_rays(40)

    def gradient(**options: Any) -> Tensor:
        renderer = make_renderer(near=0.95, far=1.04, step=0.05, **options)
        return torch.autograd.grad(renderer(rays).rgb.sum(), renderer.field.backbone.table)[0]

    right = gradient()
    assert right.any()
    assert torch.equal(gradient(gradient_near=0.9), right)
    ratio = gradient(gradient_near=10.0)[right != 0] / right[right != 0]
    assert ((ratio > 0.095**2) & (ratio < 0.104**2)).all()


def test_a_picture_is_the_render_of_its_rays(
    make_renderer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    renderer, cameras = make_renderer(dtype=torch.float32, occupancy=1.0), one_camera()
    background = torch.tensor([0.2, 0.4, 0.6])
    right = renderer(cameras.image_rays(0), background)
    for chunk in (1 << 16, 37):
        monkeypatch.setattr("polyfield.renderers.volume.CHUNK", chunk)
        picture = renderer.image(cameras, 0, background)
        assert picture.rgb.shape == (10, 14, 3)
        assert not picture.rgb.requires_grad
        torch.testing.assert_close(picture.rgb, right.rgb.detach().view(10, 14, 3))
        torch.testing.assert_close(picture.opacity, right.opacity.detach().view(10, 14))
        torch.testing.assert_close(picture.depth, right.depth.detach().view(10, 14))
        assert picture.extras["n_samples"] == right.extras["n_samples"]
        assert picture.normals is None


def test_normals_of_a_ball_point_outwards() -> None:
    renderer, cameras = analytic(ball), one_camera(40, 30)
    picture = renderer.image(cameras, 0, modes=("rgb", "normal"))
    rays = cameras.image_rays(0)
    hit = (picture.opacity > 0.99).flatten()
    assert 50 < hit.sum() < 800
    assert picture.normals is not None
    normals = picture.normals.view(-1, 3)
    surface = rays.origins + picture.depth.view(-1, 1) * rays.directions
    torch.testing.assert_close(
        torch.linalg.vector_norm(surface[hit], dim=-1), torch.full((int(hit.sum()),), 0.5),
        rtol=0, atol=0.03,
    )  # fmt: skip
    outwards = torch.nn.functional.normalize(surface, dim=-1)
    assert ((normals * outwards).sum(-1)[hit] > 0.99).all()
    torch.testing.assert_close(
        torch.linalg.vector_norm(normals[hit], dim=-1), torch.ones(int(hit.sum()))
    )
    assert not normals[picture.opacity.flatten() <= 0.5].any()


def test_occupancy_leaves_the_picture_of_a_ball_as_it_was() -> None:
    renderer, cameras = analytic(ball), one_camera(20, 15)
    before = renderer.image(cameras, 0)
    for step in range(0, 64, 16):
        renderer.update(step, torch.Generator().manual_seed(step))
    after = renderer.image(cameras, 0)
    assert renderer.occupancy.fraction < 0.3
    assert after.extras["n_samples"] < 0.3 * before.extras["n_samples"]
    assert (after.rgb - before.rgb).abs().mean() < 2e-3  # a cell that is barely cut may be missed


def test_an_update_comes_only_when_it_is_due() -> None:
    renderer = analytic(ball)
    renderer.update(3)
    assert renderer.occupancy.fraction == 1
    renderer.update(16)
    assert renderer.occupancy.fraction < 1


def test_an_unbounded_scene_reaches_behind_the_box() -> None:
    """An opaque shell three units off, seen from within a contraction that grows its steps."""
    domain = Domain(BOUNDS, "contract_l2")

    def shell(u: Tensor) -> Tensor:
        radius = torch.linalg.vector_norm(domain.to_world(u.double()), dim=-1)
        return (2e5 * (radius - 3)).float()

    renderer = analytic(shell, "contract_l2", cone=0.01)
    directions = torch.nn.functional.normalize(
        torch.randn(30, 3, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    render = renderer(Rays(torch.zeros(30, 3), directions))
    torch.testing.assert_close(render.opacity, torch.ones(30))
    torch.testing.assert_close(render.depth, torch.full((30,), 3.0), rtol=0, atol=0.05)


def test_a_backbone_without_kernels_is_learned_through_torch() -> None:
    renderer = analytic(lambda x: x.new_full((len(x),), 1.0))
    assert not renderer.fused
    weight = torch.nn.Parameter(torch.tensor(0.5))
    renderer.field.backbone.raw = lambda x: weight.expand(len(x))
    renderer(along_z(4)).opacity.sum().backward()
    assert weight.grad is not None
    assert weight.grad > 0


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"step": 0.0}, "renderer"),
        ({"step": float("nan")}, "renderer"),
        ({"near": -1.0}, "renderer"),
        ({"near": 2.0, "far": 1.0}, "renderer"),
        ({"far": math.inf}, "renderer"),
        ({"cone": -0.1}, "renderer"),
        ({"stop": 1.0}, "renderer"),
        ({"backend": "gpu"}, "renderer.backend"),
    ],
)
def test_bad_arguments_are_refused_by_name(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as error:
        uniform(1.0, **options)
    assert error.value.field == field


def test_fused_is_refused_where_there_is_nothing_to_fuse() -> None:
    renderer = uniform(1.0, backend="fused")
    with pytest.raises(InputError, match=r"renderer\.backend: found fused"):
        renderer(along_z(2))


def test_pictures_take_finer_steps_than_training(make_renderer: Any, make_rays: Any) -> None:
    """A picture with steps of half the length is that of a renderer made with such steps."""
    rays = make_rays(60)
    halved = make_renderer(step=0.05, fine=0.5)(rays)
    direct = make_renderer(step=0.025, fine=1.0)(rays)
    assert torch.equal(halved.rgb, direct.rgb)
    training = [
        make_renderer(step=0.05, fine=fine)(rays, generator=torch.Generator().manual_seed(1))
        for fine in (0.5, 1.0)
    ]
    assert torch.equal(training[0].rgb, training[1].rgb)
    assert not torch.equal(halved.rgb, training[0].rgb)


@pytest.mark.parametrize("fine", [0.0, 1.5])
def test_a_share_of_a_step_is_one(fine: float, make_renderer: Any) -> None:
    with pytest.raises(InputError, match=r"renderer\.fine"):
        make_renderer(fine=fine)


def marched(renderer: VolumeRenderer) -> tuple[Tensor, int]:
    picture = renderer.image(one_camera(40, 30), 0, torch.ones(3))
    return picture.rgb, picture.extras["n_samples"]


def test_pictures_of_what_stands_still_take_fewer_samples() -> None:
    renderer = analytic(ball, stop=1e-3)
    generator = torch.Generator().manual_seed(0)
    for step in range(0, 64, 16):
        renderer.update(step, generator)
    coarse, many = marched(renderer)
    fine, few = marched(renderer.eval())
    assert few < 0.97 * many
    torch.testing.assert_close(fine, coarse, atol=2e-3, rtol=0)
    again, as_many = marched(renderer.train())
    assert as_many == many
    assert torch.equal(again, coarse)


def learned(**options: Any) -> VolumeRenderer:
    renderer = analytic(ball, stop=1e-3, **options)
    generator = torch.Generator().manual_seed(0)
    for step in range(0, 64, 16):
        renderer.update(step, generator)
    return renderer


def test_pictures_take_the_cells_of_training_where_told_so() -> None:
    renderer = learned(halve=False)
    assert marched(renderer)[1] == marched(renderer.eval())[1]


def test_evaluating_again_looks_again() -> None:
    renderer = learned()
    before, _ = marched(renderer.eval())
    backbone: Any = renderer.field.backbone
    backbone.raw = lambda x: ball(x) - 8000.0  # a smaller ball
    renderer.eval()
    smaller, _ = marched(renderer)
    backbone.raw = ball
    stale, _ = marched(renderer)
    assert not torch.equal(stale, before)
    assert torch.equal(marched(renderer.eval())[0], before)
    assert (smaller < 0.9).float().mean() < (before < 0.9).float().mean()


@pytest.mark.parametrize("change", ["occupancy", "training", "loading"])
def test_what_changes_is_looked_at_again(change: str) -> None:
    renderer = learned().eval()
    renderer.field.backbone.bias = torch.nn.Parameter(torch.zeros(()))
    marched(renderer)
    seen = renderer._picture_cells()
    assert renderer._picture_cells() is seen
    if change == "occupancy":
        renderer.occupancy.refresh()
    elif change == "training":
        renderer.update(1)
    else:
        renderer.load_state_dict(renderer.state_dict())
    assert renderer._picture_cells() is not seen
