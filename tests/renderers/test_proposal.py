"""The proposal renderer: its twins agree, gradients go where they should, and it learns a scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from polyfield.cameras import Cameras, Rays
from polyfield.commands.schema import configuration
from polyfield.datasets.procedural import procedural_scene
from polyfield.errors import InputError
from polyfield.fields import Backbone, Domain, HashGrid, RadianceDecoder, RadianceField
from polyfield.kernels.resample import distances, ray_spans
from polyfield.renderers import ProposalRenderer
from polyfield.training.assembly import build_task
from polyfield.training.optimizers import Adam

CUBE = torch.tensor([[-1.0] * 3, [1.0] * 3])


def rays(r: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Rays:
    """Rays from within the unit ball in all directions."""
    generator = torch.Generator().manual_seed(seed)
    origins = 0.4 * torch.randn(r, 3, generator=generator, dtype=dtype)
    directions = torch.randn(r, 3, generator=generator, dtype=dtype)
    return Rays(origins, torch.nn.functional.normalize(directions, dim=-1))


def small_field(kind: Any = "contract_linf") -> RadianceField:
    """A hash grid full of structure."""
    generator = torch.Generator().manual_seed(0)
    grid = HashGrid(levels=4, features=2, log2_entries=10, max_resolution=32, generator=generator)
    grid.table.data.mul_(5e3)
    decoder = RadianceDecoder(grid.out_dim, trunk=(16,), sh_degree=1, generator=generator)
    return RadianceField(Domain(CUBE, kind), grid, decoder)


class Linear(Backbone):
    """A backbone without block functions."""

    def __init__(self) -> None:
        super().__init__(in_dim=3, out_dim=8)
        self.layer = nn.Linear(3, 8)

    def reference(self, x: Tensor) -> Tensor:
        return torch.relu(self.layer(x))


def renderer(field: RadianceField | None = None, **settings: Any) -> ProposalRenderer:
    """A small one with proposals that already have something to say."""
    settings = {"proposals": (16, 32), "samples": (12, 10), "final": 9, "near": 0.05, **settings}
    made = ProposalRenderer(
        field or small_field(), generator=torch.Generator().manual_seed(1), **settings
    )
    for proposal in made.proposals:
        proposal.backbone.params.data.mul_(2e3)
    return made


def gradients(
    make: ProposalRenderer, batch: Rays, loss: Callable[[Any], Tensor]
) -> dict[str, Tensor]:
    """Gradients by name of a loss of one training render."""
    make.zero_grad(set_to_none=True)
    loss(make(batch, torch.ones(3), generator=torch.Generator().manual_seed(2))).backward()
    return {n: p.grad for n, p in make.named_parameters() if p.grad is not None and p.numel()}


def whole_loss(render: Any) -> Tensor:
    """Of everything that a render returns, with depth scaled down to the others' size."""
    terms = [render.rgb.square().mean(), 0.1 * render.extras["distortion"].mean()]
    return torch.stack(
        [*terms, 0.01 * render.depth.mean(), *render.extras["losses"].values()]
    ).sum()


@pytest.mark.parametrize(
    ("backbone", "decoder", "kind"),
    [
        ("hash", "trunk_sh", "box"),
        ("hash", "trunk_mlp", "contract_l2"),
        ("dense", "summed_mlp", "contract_linf"),
    ],
)
def test_fused_modular_and_reference_agree(
    backbone: str,
    decoder: str,
    kind: str,
    make_renderer: Any,
    outcome: Any,
    assert_same: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In all that a render returns, and in the gradient of all that it depends on."""
    field = make_renderer(backbone, decoder, kind).field
    batch, code_dim = rays(50, dtype=torch.float64), field.decoder.code_dim
    fused = renderer(field, backend="fused", gradient_near=0.5, far=20.0, every=1).double()
    modular = renderer(field, backend="modular", gradient_near=0.5, far=20.0, every=1).double()
    modular.proposals = fused.proposals
    results = []
    for twins, make in (("cpu", fused), ("cpu", modular), ("reference", modular)):
        monkeypatch.setenv("POLYFIELD_KERNELS", twins)
        make.update(300)  # part of the way, so that weights are raised to a power
        result = outcome(make, batch, seed=2, code_dim=code_dim)
        codes = torch.ones(50, code_dim).double() if code_dim else None
        render = make(batch, generator=torch.Generator().manual_seed(2), appearance=codes)
        bound = render.extras["losses"]["interlevel"]
        params = {n: p for n, p in make.proposals.named_parameters() if "color" not in n}
        gradients = torch.autograd.grad(bound, list(params.values()))
        assert float(bound.detach()) > 0
        results.append(result | {"bound": bound.detach()} | dict(zip(params, gradients)))
    for found in results[:-1]:
        assert_same(found, results[-1])


@pytest.mark.parametrize("backend", ["fused", "modular", "reference"])
@pytest.mark.parametrize("kind", ["box", "contract_linf"])
def test_no_rays_are_rendered_and_teach_nothing(
    backend: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend == "reference":
        monkeypatch.setenv("POLYFIELD_KERNELS", "reference")
    make = renderer(small_field(kind), backend="fused" if backend == "fused" else "modular")
    with torch.no_grad():
        render = make(rays(0), torch.ones(3))
    assert render.rgb.shape == (0, 3)
    assert render.opacity.shape == render.depth.shape == render.extras["distortion"].shape == (0,)
    assert render.extras["n_samples"] == 0
    found = gradients(make, rays(0), lambda render: render.extras["losses"]["interlevel"])
    found |= gradients(make, rays(0), lambda render: render.rgb.sum() + render.depth.sum())
    assert found
    for gradient in found.values():
        assert not gradient.any()


def test_rays_get_the_same_gradient_fused_and_modular() -> None:
    field, batch = small_field(), rays(40)
    results = []
    for backend in ("fused", "modular"):
        origins = batch.origins.clone().requires_grad_()
        render = renderer(field, backend=backend)(Rays(origins, batch.directions))
        (gradient,) = torch.autograd.grad(render.rgb.sum(), origins)
        results.append(gradient)
    assert float(results[0].abs().max()) > 0
    torch.testing.assert_close(*results, atol=1e-3 * float(results[1].abs().max()), rtol=1e-3)


def test_a_field_without_block_functions_is_rendered() -> None:
    torch.manual_seed(0)
    decoder = RadianceDecoder(8, trunk=(8,), color="mlp", hidden=(8,), code_dim=2)
    field = RadianceField(Domain(CUBE, "contract_l2"), Linear(), decoder)
    make = renderer(field)
    assert not make.fused
    codes = torch.randn(20, 2)
    render = make(rays(20), torch.zeros(3), generator=torch.Generator(), appearance=codes)
    whole_loss(render).backward()
    assert field.backbone.layer.weight.grad is not None
    assert not torch.equal(render.rgb, make(rays(20), appearance=-codes).rgb)
    with pytest.raises(InputError, match="block functions"):
        renderer(field, backend="fused")(rays(2))


def test_the_proposals_learn_from_the_bound_and_the_field_from_the_picture() -> None:
    make, batch = renderer(), rays(50)
    bound = gradients(make, batch, lambda render: render.extras["losses"]["interlevel"])
    assert {name.split(".")[0] for name in bound} == {"proposals"}
    assert len({name.split(".")[1] for name in bound}) == 2
    picture = gradients(make, batch, lambda render: render.rgb.sum())
    assert {name.split(".")[0] for name in picture} == {"field"}


def test_final_edges_are_sorted_inside_and_where_the_proposals_have_mass() -> None:
    make, batch = renderer(padding=0.0), rays(60)
    domain = make.field.domain
    spans = ray_spans(batch.origins, batch.directions, CUBE, domain.code, make.near, make.far)
    edges, seen = make.propose(batch.origins, batch.directions, spans, torch.Generator())
    assert edges.shape == (60, 10)
    assert [histogram.weights.shape[1] for histogram in seen] == [12, 10]
    for s in (edges, *(histogram.edges for histogram in seen)):
        assert bool((s.diff(dim=-1) >= 0).all())
        assert bool(((s >= 0) & (s <= 1)).all())
    last = seen[-1]
    bins = (torch.searchsorted(last.edges, edges.contiguous()) - 1).clamp(0, 9)
    assert float(last.weights.gather(1, bins).amin()) > 0


def test_in_a_box_samples_lie_inside_and_rays_beside_it_see_nothing() -> None:
    make = renderer(small_field("box"), near=0.0, far=20.0, spacing="linear")
    origins = torch.tensor([[-3.0, 0.1, 0.2], [-3.0, 4.0, 0.0]])
    batch = Rays(origins, torch.tensor([[1.0, 0.0, 0.0]]).expand(2, 3))
    spans = ray_spans(batch.origins, batch.directions, CUBE, 0, make.near, make.far)
    edges, _ = make.propose(batch.origins, batch.directions, spans)
    t = distances(edges, spans, "linear")
    assert bool(((t[0] >= 2) & (t[0] <= 4)).all())
    render = make(batch, torch.tensor([0.2, 0.4, 0.6]))
    assert render.opacity[0].item() > 0
    torch.testing.assert_close(render.rgb[1], torch.tensor([0.2, 0.4, 0.6]))
    assert render.opacity[1].item() == 0


def test_evaluation_is_deterministic_and_training_follows_its_generator() -> None:
    make, batch = renderer(), rays(30)
    make.update(10)
    with torch.no_grad():
        first = make(batch).rgb
        make.update(900)  # neither annealing nor the schedule matter to evaluation
        assert torch.equal(first, make(batch).rgb)
        assert make(batch).extras["losses"] == {}
        trained = [make(batch, generator=torch.Generator().manual_seed(k)).rgb for k in (0, 0, 1)]
    assert torch.equal(trained[0], trained[1])
    assert not torch.equal(trained[0], trained[2])


def test_proposals_learn_in_every_step_at_first_and_then_in_one_of_five() -> None:
    make = renderer(every=5)
    due = []
    for step in range(2000):
        make.update(step)
        due.append(make.due)
    assert all(due[:200])
    assert sum(due[1000:]) == 200
    make.update(1001)
    assert make(rays(4), generator=torch.Generator()).extras["losses"] == {}


def test_annealing_starts_from_even_samples() -> None:
    make, batch = renderer(anneal=100, padding=0.0), rays(10)
    spans = torch.tensor([[0.05, 50.0]]).expand(10, 2)
    make.update(0)
    edges, seen = make.propose(batch.origins, batch.directions, spans, torch.Generator())
    steps = seen[1].edges[:, 1:-1].diff(dim=-1)  # 10 of the first proposal's even 12 bins
    torch.testing.assert_close(steps, torch.full_like(steps, 1 / 10), atol=0.02, rtol=0.0)
    make.update(100)
    believed, _ = make.propose(batch.origins, batch.directions, spans, torch.Generator())
    assert float((edges - believed).abs().max()) > 0.02


@pytest.mark.parametrize(
    "settings",
    [
        {"samples": (8,)},
        {"samples": (8, 0)},
        {"final": 0},
        {"spacing": "cubic"},
        {"spacing": "disparity", "near": 0.0},
        {"near": 2.0, "far": 1.0},
        {"far": float("inf")},
        {"padding": 1.0},
        {"backend": "gpu"},
        {"proposals": (8, 32)},
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="renderer"):
        renderer(**settings)


def test_every_parameter_is_in_one_group() -> None:
    make = renderer(proposal_lr=0.5)
    groups = make.parameter_groups()
    grouped = [id(p) for group in groups for p in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in make.parameters() if p.numel()}
    rates = {group["name"]: group["lr_scale"] for group in groups}
    assert rates["grid"] == 1.0
    assert rates["proposal grid"] == 0.5


def test_a_picture_has_normals_that_face_the_camera() -> None:
    pose = torch.eye(4, dtype=torch.float64)[None, :3]
    pose[0, 2, 3] = -2.0
    cameras = Cameras(
        world_from_camera=pose,
        intrinsics=torch.tensor([[10.0, 10.0, 6.5, 5.5]], dtype=torch.float64),
        distortion=torch.zeros(1, 8, dtype=torch.float64),
        model=torch.zeros(1, dtype=torch.int64),
        size=torch.tensor([[12, 10]]),
    )
    make = renderer(BallField(), samples=(64, 64), final=64)
    render = make.image(cameras, 0, torch.zeros(3), modes=("rgb", "normal"))
    assert render.rgb.shape == (10, 12, 3)
    assert render.normals is not None
    middle = render.normals[5, 6]
    torch.testing.assert_close(middle, torch.tensor([0.0, 0.0, -1.0]), atol=0.15, rtol=0.0)
    torch.testing.assert_close(float(render.depth[5, 6]), 1.5, atol=0.05, rtol=0.0)


class BallField(RadianceField):
    """An opaque white ball of radius 0.5 about the origin."""

    def __init__(self) -> None:
        super().__init__(Domain(CUBE, "contract_l2"), Linear(), RadianceDecoder(8, trunk=(4,)))
        self.decoder = BallDecoder(8, trunk=(4,))
        self.backbone = Identity()


class Identity(Backbone):
    def __init__(self) -> None:
        super().__init__(in_dim=3, out_dim=3)

    def reference(self, x: Tensor) -> Tensor:
        return x


class BallDecoder(RadianceDecoder):
    def density(self, features: Tensor) -> tuple[Tensor, Tensor]:
        distance = 4 * torch.linalg.vector_norm(features - 0.5, dim=-1)
        return 50 * torch.sigmoid((0.5 - distance) * 50), features

    def color_of(self, geometry: Tensor, ray_features: Tensor) -> Tensor:
        return torch.ones_like(geometry)


def test_the_command_line_can_ask_for_it() -> None:
    scene = procedural_scene(n_train=2, n_test=1, size=16)
    settings = ["renderer=proposal", "renderer.proposals=[16,32]", "renderer.final=8"]
    config = configuration("data=procedural", *settings, "field.log2_entries=8", "task.rays=64")
    task = build_task(config, scene)
    assert isinstance(task.module["renderer"], ProposalRenderer)
    generator = torch.Generator().manual_seed(0)
    task.before_step(0, 0.0, generator)
    result = task.loss(0, 0.0, generator)
    assert {"color", "interlevel"} <= set(result.terms)
    assert result.n_samples == 64 * 8


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], 6),
        (["field.time_resolution=4"], 4),
        (["field.time_resolution=4", "renderer.time_resolution=9"], 9),
    ],
)
def test_proposals_see_time_as_finely_as_the_field(words: list[str], expected: int) -> None:
    """By default with half as many vertices as there are photos."""
    scene = procedural_scene(n_train=12, n_test=1, size=16, moving=True)
    settings = ["renderer=proposal", "renderer.proposals=[16,32]", "field.log2_entries=8"]
    task = build_task(configuration("data=procedural", *settings, *words), scene)
    for proposal in task.module["renderer"].proposals:
        assert isinstance(proposal.backbone, HashGrid)
        scales = proposal.backbone.kernels.floats.reshape(-1, 5)
        assert scales[:, 3] == pytest.approx(expected - 1.0)


def scene_colors(batch: Rays) -> tuple[Tensor, Tensor]:
    """A ball of radius 0.4 in the middle of striped surroundings 12 away: colours, distances."""
    along = -(batch.origins * batch.directions).sum(dim=-1)
    past = batch.origins.square().sum(dim=-1) - along.square()
    hits = (past < 0.4**2) & (along > 0)
    near = along - (0.4**2 - past).clamp(min=0).sqrt()
    far = along + (12.0**2 - past).sqrt()
    t = torch.where(hits, near, far)
    point = batch.origins + t[:, None] * batch.directions
    stripes = 0.5 + 0.4 * torch.sin(point / 12 * 4)
    ball = torch.tensor([0.9, 0.2, 0.1]) * (0.6 + 0.4 * point[:, 2:] / 0.4)
    return torch.where(hits[:, None], ball, stripes), t


def looking_rays(r: int, generator: torch.Generator) -> Rays:
    """From cameras around the ball at a distance of 1, most of them looking its way."""
    origins = torch.nn.functional.normalize(torch.randn(r, 3, generator=generator), dim=-1)
    directions = 0.6 * torch.randn(r, 3, generator=generator) - origins
    return Rays(origins, torch.nn.functional.normalize(directions, dim=-1))


def share_at_surface(edges: Tensor, spans: Tensor, t: Tensor) -> float:
    """The share of intervals that come within a tenth of the surface's distance."""
    s = distances(edges, spans, "power")
    close = (s[:, :-1] < 1.1 * t[:, None]) & (s[:, 1:] > 0.9 * t[:, None])
    return float(close.float().mean())


def test_a_scene_without_end_is_learned() -> None:
    generator = torch.Generator().manual_seed(0)
    grid = HashGrid(levels=6, features=2, log2_entries=14, max_resolution=128, generator=generator)
    decoder = RadianceDecoder(grid.out_dim, trunk=(32,), sh_degree=0, generator=generator)
    field = RadianceField(Domain(CUBE, "contract_linf"), grid, decoder)
    make = ProposalRenderer(
        field, (64,), (32,), final=16, far=100.0, anneal=50, generator=generator
    )
    optimizer = Adam(make.parameter_groups(), lr=1e-2)
    for step in range(200):
        make.update(step)
        batch = looking_rays(256, generator)
        render = make(batch, generator=generator)
        losses = render.extras["losses"]
        error = (render.rgb - scene_colors(batch)[0]).square().mean()
        (error + sum(losses.values())).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    batch = looking_rays(1000, generator)
    truth, t = scene_colors(batch)
    with torch.no_grad():
        render = make(batch)
        spans = torch.tensor([[0.05, 100.0]]).expand(1000, 2)
        edges, _ = make.propose(batch.origins, batch.directions, spans)
    psnr = -10 * torch.log10((render.rgb - truth).square().mean())
    assert float(psnr) > 26
    # Samples went where the surfaces are.
    even = torch.linspace(0, 1, 17).expand(1000, 17)
    assert share_at_surface(edges, spans, t) > 2.5 * share_at_surface(even, spans, t)
