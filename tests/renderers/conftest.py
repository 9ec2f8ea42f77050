"""Small renderers of every backbone and decoder, in double precision, and rays to see them by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from polyfield.cameras import Rays
from polyfield.fields import (
    CP,
    TT,
    VM,
    Backbone,
    DenseGrid,
    Domain,
    FInr,
    FrequencyEncoding,
    HashGrid,
    KPlanes,
    RadianceDecoder,
    RadianceField,
    Strivec,
    TriPlane,
    Tucker,
)
from polyfield.renderers import OccupancyGrid, VolumeRenderer

BOUNDS = torch.tensor([[-1.0, -0.75, -1.25], [1.125, 0.875, 1.0]])


# Parts of four features wherever it can be: kernels are compiled once for all that share them.
FACTORED: dict[str, tuple[Any, dict[str, Any]]] = {
    "cp": (CP, {"resolution": 9, "density": 4, "color": 8}),
    "vm": (VM, {"resolution": 7, "density": 12, "color": 24}),
    "kplanes": (KPlanes, {"resolution": (4, 8), "channels": 8}),
    "triplane": (TriPlane, {"resolution": 8, "channels": 12}),
    "tt": (TT, {"resolution": 7, "rank": 3, "channels": 8}),
    "tucker": (Tucker, {"resolution": 7, "rank": 3, "channels": 8}),
    "tilted": (VM, {"resolution": 7, "density": 24, "color": 48, "transforms": 2}),
    "tilted_kplanes": (KPlanes, {"resolution": (4, 8), "channels": 16, "transforms": 2}),
    "moving": (KPlanes, {"resolution": (4, 8), "channels": 8, "time_resolution": 5, "in_dim": 4}),
    "tilted_moving": (
        KPlanes,
        {"resolution": (4, 8), "channels": 16, "time_resolution": 5, "in_dim": 4, "transforms": 2},
    ),
}

FINR: dict[str, dict[str, Any]] = {
    "finr": {"reduction": "tt", "rank": 3, "channels": 8},
    "finr_summed": {"reduction": "cp", "channels": 12, "density": 4},
}

STRIVEC = {"strivec": (8, 16), "strivec_dense": (16, 8)}  # columns of density and colour


def backbone_of(name: str, generator: torch.Generator) -> Backbone:
    """A tiny backbone; grids have 28 features: one for density and 3 x 9 harmonics."""
    if name == "hash":
        grid = HashGrid(7, 4, 6, base_resolution=3, max_resolution=24)
        torch.nn.init.normal_(grid.table, std=0.5, generator=generator)
        return grid
    if name == "dense":
        return DenseGrid((6, 5, 7), channels=28, initial=0.5, generator=generator)
    if name in STRIVEC:
        density, color = STRIVEC[name]
        cloud = Strivec((0.2, 0.1), max_resolution=24, density=density, color=color)
        cloud.place(torch.rand(300, 3, generator=generator))
        torch.nn.init.normal_(cloud.table, std=0.7, generator=generator)
        return cloud
    if name in FACTORED:
        constructor, settings = FACTORED[name]
        factored = constructor(generator=generator, **settings)
        torch.nn.init.normal_(factored.table, std=0.7, generator=generator)
        return factored
    if name in FINR:
        networks = {"first_omega": 30.0, "hidden": (8, 8), "max_resolution": 9}
        field = FInr(generator=generator, **FINR[name], **networks)
        for network in field.networks:
            network.spread(0.9, torch.linspace(0, 1, 9)[:, None])
        return field
    return FrequencyEncoding(3)


DECODERS: dict[str, dict[str, Any]] = {
    "trunk_sh": {"trunk": (8,), "sh_degree": 1},
    "trunk_mlp": {
        "trunk": (8, 8, 8), "skip": 2, "geometry": 5, "color": "mlp", "hidden": (8, 8),
        "sh_degree": 1, "activation": "softplus", "code_dim": 2,
    },
    "linear": {
        "trunk": (), "geometry": 5, "color": "linear", "hidden": (6,), "sh_degree": 1,
        "code_dim": 2,
    },
    "summed_sh": {"trunk": None, "color": "sh", "sh_degree": 2},
    "summed_mlp": {"trunk": None, "summed": 4, "color": "mlp", "hidden": (8,), "sh_degree": 2},
    "summed_basis": {
        "trunk": None, "color": "mlp", "hidden": (8, 8), "sh_degree": 1, "basis": 3, "octaves": 3,
        "activation": "softplus", "scale": 2.5, "code_dim": 2, "summed": 4,
    },
}  # fmt: skip


def renderer_of(
    backbone: str = "hash",
    decoder: str = "trunk_sh",
    domain: Any = "box",
    dtype: torch.dtype = torch.float64,
    occupancy: float = 0.6,
    changes: dict[str, Any] | None = None,
    **options: Any,
) -> VolumeRenderer:
    """A renderer with random parameters, over a random share of occupied cells.

    Args:
        changes: to the decoder's arguments; options: of the renderer.
    """
    generator = torch.Generator().manual_seed(7)
    encoder = backbone_of(backbone, generator)
    arguments = {"shift": 0.5, "generator": generator} | DECODERS[decoder] | (changes or {})
    chosen = arguments["trunk"] is not None or "summed" in (changes or {})
    if not chosen and getattr(encoder, "summed", 0):
        arguments["summed"] = encoder.summed
    head = RadianceDecoder(encoder.out_dim, **arguments)
    with torch.no_grad():  # biases start at zero, where a fault in them would not show
        for flat in (head.trunk, head.color):
            flat.add_(0.1 * torch.randn(flat.shape, generator=generator))
    region = Domain(BOUNDS, domain)
    grid = OccupancyGrid(region, resolution=16)
    grid.values.copy_(torch.rand(grid.values.shape, generator=generator) < occupancy)
    grid.refresh()
    field = RadianceField(region, encoder, head).to(dtype)
    settings = {"step": 0.05, "near": 0.05, "far": 8.0, "stop": 1e-2, "fine": 1.0} | options
    return VolumeRenderer(field, grid, **settings)


def rays_of(n: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Rays:
    """Rays from around and within the box, most of them towards it."""
    generator = torch.Generator().manual_seed(seed)
    origins = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    origins = origins * torch.where(torch.arange(n) % 4 == 0, 0.3, 2.0)[:, None]
    targets = torch.rand(n, 3, generator=generator, dtype=torch.float64)
    targets = targets * (BOUNDS[1] - BOUNDS[0]) * 1.3 + BOUNDS[0]
    directions = torch.nn.functional.normalize(targets - origins, dim=-1)
    return Rays(origins.to(dtype), directions.to(dtype))


def outcome_of(
    renderer: VolumeRenderer, rays: Rays, *, seed: int | None = None, code_dim: int = 0
) -> dict[str, Tensor]:
    """All that a render gives, and the gradient of a random mixture of it in all it depends on.

    Args:
        seed: of the jitter; None for none.
        code_dim: of appearance codes, one a ray.
    """
    origins, directions = (
        x.detach().clone().requires_grad_() for x in (rays.origins, rays.directions)
    )
    codes = None
    if code_dim:
        generator = torch.Generator().manual_seed(11)
        codes = torch.randn(len(rays), code_dim, generator=generator).to(origins).requires_grad_()
    jitter = None if seed is None else torch.Generator().manual_seed(seed)
    moved = replace(rays, origins=origins, directions=directions)
    render = renderer(moved, generator=jitter, appearance=codes)
    distortion = render.extras["distortion"]
    values = {
        "rgb": render.rgb,
        "opacity": render.opacity,
        "depth": render.depth,
        "distortion": distortion,
    }
    generator = torch.Generator().manual_seed(12)
    loss = origins.new_zeros(())
    for value in values.values():
        loss = loss + (value * torch.randn(value.shape, generator=generator).to(value)).sum()
    field = renderer.field
    inputs = {
        "trunk": field.decoder.trunk, "color": field.decoder.color, "origins": origins,
        "directions": directions, "codes": codes, **dict(field.backbone.named_parameters()),
    }  # fmt: skip
    inputs = {k: x for k, x in inputs.items() if x is not None and x.requires_grad and x.numel()}
    gradients = torch.autograd.grad(loss, list(inputs.values()))
    result = {name: value.detach() for name, value in values.items()}
    result["median"] = render.median_depth
    return result | {f"d_{name}": g for name, g in zip(inputs, gradients)}


@pytest.fixture(scope="session")
def make_renderer() -> Callable[..., VolumeRenderer]:
    """Renderers by backbone, decoder and domain."""
    return renderer_of


@pytest.fixture(scope="session")
def make_rays() -> Callable[..., Rays]:
    """Rays by number and seed."""
    return rays_of


@pytest.fixture(scope="session")
def outcome() -> Callable[..., dict[str, Tensor]]:
    """Values and gradients of a render."""
    return outcome_of


@pytest.fixture(scope="session")
def assert_same() -> Callable[..., None]:
    """Holds two outcomes to each other, each entry relative to its largest number."""

    def compare(a: dict[str, Tensor], b: dict[str, Tensor], tolerance: float = 1e-11) -> None:
        assert a.keys() == b.keys()
        for name, right in b.items():
            assert right.isfinite().all(), name
            scale = max(1.0, float(right.abs().max()))
            difference = float((a[name] - right).abs().max())
            assert difference <= tolerance * scale, f"{name}: {difference} of {scale}"

    return compare
