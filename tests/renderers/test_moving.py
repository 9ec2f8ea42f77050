"""Fields of space and time: every twin sees the rays' moments, and occupancy is of all of time."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from polyfield.cameras import Cameras, Rays
from polyfield.cameras.poses import look_at
from polyfield.errors import InputError
from polyfield.fields import Backbone, Domain, KPlanes, RadianceDecoder, RadianceField
from polyfield.renderers import OccupancyGrid, ProposalRenderer, VolumeRenderer

CUBE = torch.tensor([[-1.0] * 3, [1.0] * 3])


def at(rays: Rays, seed: int = 5) -> Rays:
    """The rays, each at a random time."""
    generator = torch.Generator().manual_seed(seed)
    return replace(rays, times=torch.rand(len(rays), generator=generator).to(rays.origins))


@pytest.mark.parametrize("backbone", ["moving", "tilted_moving"])
def test_fused_modular_and_reference_agree(
    backbone: str,
    make_renderer: Any,
    make_rays: Any,
    outcome: Any,
    assert_same: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In values and all gradients, those of the rays among them: d_x has a column of time."""
    renderer, rays = make_renderer(backbone, "trunk_sh", "contract_linf"), at(make_rays(90))
    assert renderer.fused
    fused = outcome(renderer, rays, seed=3)
    assert all(value.any() for value in fused.values())
    renderer.backend = "modular"
    assert_same(fused, outcome(renderer, rays, seed=3), 1e-10)
    monkeypatch.setenv("POLYFIELD_KERNELS", "reference")
    assert_same(fused, outcome(renderer, rays, seed=3), 1e-10)
    elsewhen = outcome(renderer, at(rays, seed=6), seed=3)
    assert float((elsewhen["rgb"] - fused["rgb"]).abs().max()) > 1e-3


def test_each_ray_sees_its_own_moment(make_renderer: Any, make_rays: Any) -> None:
    """Rays of many times in one batch are those of batches of one time."""
    renderer, rays = make_renderer("moving", "trunk_sh"), make_rays(60)
    early, late = (replace(rays, times=torch.full((60,), t).double()) for t in (0.1, 0.8))
    mixed = replace(rays, times=torch.where(torch.arange(60) % 2 == 0, 0.1, 0.8).double())
    with torch.no_grad():
        whole, first, second = (renderer(batch).rgb for batch in (mixed, early, late))
    torch.testing.assert_close(whole[::2], first[::2], rtol=0, atol=1e-12)
    torch.testing.assert_close(whole[1::2], second[1::2], rtol=0, atol=1e-12)
    assert float((first - second).abs().max()) > 1e-3


def test_a_scene_whose_time_planes_are_one_stands_still(make_renderer: Any, make_rays: Any) -> None:
    still, moving = (make_renderer(name, "trunk_sh") for name in ("kplanes", "moving"))
    grids = [renderer.field.backbone for renderer in (still, moving)]
    assert all(isinstance(grid, KPlanes) for grid in grids)
    of_space = [p for p in grids[1].layout.places if 3 not in p.factor.axes]
    with torch.no_grad():
        grids[1].table.fill_(1.0)
        for here, there in zip(grids[0].layout.places, of_space, strict=True):
            assert here.factor == there.factor
            there.view(grids[1].table).copy_(here.view(grids[0].table))
        for mine, other in zip(moving.field.decoder.parameters(), still.field.decoder.parameters()):
            mine.copy_(other)
    moving.occupancy.load_state_dict(still.occupancy.state_dict())
    rays = make_rays(60)
    with torch.no_grad():
        expected, found = still(rays), moving(at(rays))
        torch.testing.assert_close(found.rgb, expected.rgb, rtol=0, atol=1e-12)
        torch.testing.assert_close(found.depth, expected.depth, rtol=0, atol=1e-11)


def test_proposals_see_the_moments_too(
    make_renderer: Any, make_rays: Any, outcome: Any, assert_same: Any
) -> None:
    field, rays = make_renderer("moving", "trunk_sh").field, at(make_rays(40))
    settings = {"proposals": [16], "samples": [8], "final": 7, "far": 8.0, "every": 1}
    fused = ProposalRenderer(field, **settings).double()
    modular = ProposalRenderer(field, backend="modular", **settings).double()
    modular.proposals = fused.proposals
    (proposal,) = fused.proposals
    assert proposal.backbone.in_dim == 4
    proposal.backbone.params.data.mul_(2e3)
    results = [outcome(renderer, rays, seed=2) for renderer in (fused, modular)]
    assert_same(*results)
    assert float((outcome(fused, at(rays, 6), seed=2)["rgb"] - results[0]["rgb"]).abs().max()) > 0


class Crossing(Backbone):
    """A small opaque ball that crosses the box along x as time goes by, grey."""

    def __init__(self) -> None:
        super().__init__(in_dim=4, out_dim=4)

    def forward(self, x: Tensor) -> Tensor:
        middle = torch.stack([0.1 + 0.8 * x[:, 3], *[torch.full_like(x[:, 3], 0.5)] * 2], dim=1)
        raw = 4e3 * (0.08 - torch.linalg.vector_norm(x[:, :3] - middle, dim=-1))
        return torch.cat([raw[:, None], x.new_zeros(len(x), 3)], dim=-1)


def crossing(R: int = 16) -> VolumeRenderer:
    domain = Domain(CUBE)
    decoder = RadianceDecoder(4, None, color="sh", sh_degree=0, activation="softplus")
    field = RadianceField(domain, Crossing(), decoder)
    occupancy = OccupancyGrid(domain, resolution=R, warmup=64, every=1)
    return VolumeRenderer(field, occupancy, step=0.02, far=10.0)


@pytest.mark.parametrize("steps", [48, 300])
def test_occupancy_is_the_union_over_time(steps: int) -> None:
    """All along the way of the ball and a cell around it, in warm-up and long after."""
    renderer = crossing()
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        renderer.update(step, generator)
    cube = renderer.occupancy.occupied.view(16, 16, 16).bool()
    assert cube[2:14, 7:9, 7:9].all()
    assert not cube[:, :5].any()
    assert not cube[:, :, 11:].any()


def rod_and_wire(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Whether points are in a thin rod that stands askew, and in a thin wire that crosses the box.

    The wire lies along y and crosses along x within the whole of the time: a point of its way is
    in it for a hundredth of that.
    """
    along = (x[:, 2] / 0.7).clamp(-1, 1)
    middle = torch.stack([-0.4 + 0.1 * along, 0.3 + 0.05 * along, 0.7 * along], dim=-1)
    rod = torch.linalg.vector_norm(x - middle, dim=-1) < 0.015
    across = torch.stack([x[:, 0] + 0.9 - 1.8 * t, x[:, 2] - 0.5], dim=-1)
    wire = (torch.linalg.vector_norm(across, dim=-1) < 0.01) & (x[:, 1].abs() < 0.8)
    return rod, wire


def shares(R: int, moments: int = 400) -> tuple[Tensor, Tensor]:
    """[R^3] the space and time of each cell that rod and wire take up, by random points."""
    generator, cells = torch.Generator().manual_seed(1), torch.arange(R**3)
    corner = torch.stack([cells // R**2, cells // R % R, cells % R], dim=-1)
    rod, wire = torch.zeros(R**3), torch.zeros(R**3)
    for moment in range(moments):
        x = (corner + torch.rand(R**3, 3, generator=generator)) / R * 2 - 1
        t = torch.full((R**3,), (moment + 0.5) / moments)
        for share, inside in zip((rod, wire), rod_and_wire(x, t)):
            share += inside / moments
    return rod, wire


def test_of_a_scene_that_moves_the_cells_around_occupied_ones_are_occupied() -> None:
    still, moving = (OccupancyGrid(Domain(CUBE), resolution=16) for _ in range(2))
    moving.moving = True
    some = torch.randint(16**3, (20,), generator=torch.Generator().manual_seed(0))
    for grid in (still, moving):
        grid.values[torch.cat([some, torch.tensor([0, 16**3 - 1])])] = 50.0
        grid.refresh()
    cube = still.occupied.view(1, 1, 16, 16, 16).float()
    expected = torch.nn.functional.max_pool3d(cube, 3, stride=1, padding=1)
    assert torch.equal(moving.occupied, expected.flatten().to(torch.uint8))
    assert 18 < still.occupied.sum() <= 22


def test_occupancy_keeps_what_is_thin_or_fast() -> None:
    """Nearly all of their space and time is in occupied cells, at any step after the warm-up."""
    renderer = crossing(R=32)
    generator = torch.Generator().manual_seed(0)

    def density(x: Tensor, times: Tensor) -> Tensor:
        return 60.0 * torch.stack(rod_and_wire(x, times)).any(dim=0)

    renderer.field.density = density  # type: ignore[method-assign, assignment]
    rod, wire = shares(32)
    for step in range(160):
        renderer.update(step, generator)
        if step > 64 and step % 8 == 0:
            occupied = renderer.occupancy.occupied.bool()
            for share in (rod, wire):
                assert float(share[occupied].sum() / share.sum()) > 0.99
    assert renderer.occupancy.fraction < 0.12


def test_normals_and_pictures_are_of_their_moment() -> None:
    renderer = crossing()
    generator = torch.Generator().manual_seed(0)
    for step in range(20):
        renderer.update(step, generator)
    position, up = torch.tensor([[0.0, 0.0, -3.0]]).double(), torch.tensor([0.0, -1.0, 0.0])
    pose = look_at(position, torch.zeros_like(position), up)
    lens = torch.tensor([[32.0, 32.0, 16.0, 16.0]])
    cameras = Cameras(
        pose.repeat(2, 1, 1), lens.repeat(2, 1), torch.zeros(2, 0), torch.zeros(2),
        torch.full((2, 2), 32), torch.tensor([0.25, 0.75]),
    )  # fmt: skip
    columns = torch.arange(32.0)
    for i, x in enumerate((-0.4, 0.4)):
        render = renderer.image(cameras, i, modes=("rgb", "normal"))
        seen = (render.opacity.sum(dim=0) * columns).sum() / render.opacity.sum()
        side = float(cameras.world_from_camera[0, 0, 0])
        assert float(seen) + 0.5 == pytest.approx(16 + side * 32 * x / 3, abs=0.6)
        assert render.normals is not None
        hit = render.opacity > 0.99
        mean = render.normals[hit].mean(dim=0)
        assert float(mean[2]) < -0.5  # towards the camera
        assert math.hypot(*mean[:2].tolist()) < 0.2  # as a ball that is seen from the front


def test_without_times_a_moving_field_says_what_it_lacks(
    make_renderer: Any, make_rays: Any
) -> None:
    renderer = make_renderer("moving", "trunk_sh")
    with pytest.raises(InputError, match="times: found none"):
        renderer(make_rays(4))
    with pytest.raises(InputError, match="times"):
        renderer.field.density(torch.zeros(3, 3))
    assert renderer.field.density(torch.zeros(3, 3).double(), torch.rand(3)).shape == (3,)


def test_a_field_that_stands_still_does_not_mind_times(make_renderer: Any, make_rays: Any) -> None:
    renderer, rays = make_renderer("kplanes", "trunk_sh"), make_rays(20)
    with torch.no_grad():
        assert torch.equal(renderer(rays).rgb, renderer(at(rays)).rgb)


def test_kernels_refuse_times_that_do_not_fit(make_renderer: Any, make_rays: Any) -> None:
    for name, times in (("moving", None), ("moving", torch.rand(3)), ("kplanes", torch.rand(4))):
        renderer, rays = make_renderer(name, "trunk_sh"), make_rays(4)
        field, settings = renderer.field, torch.tensor([0.0, 0.5, 0.0]).double().numpy()
        given = None if times is None else times.double().numpy()
        with pytest.raises(InputError, match="times of rays"):
            field.kernels(
                rays.origins, rays.directions, field.decoder.ray_features(rays.directions),
                field.params, renderer.geometry(settings.dtype), settings, None, given,
            )  # fmt: skip
