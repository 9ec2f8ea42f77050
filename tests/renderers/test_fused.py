"""The fused render step against the same composed from operations: values and all gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch

PAIRS = [
    ("hash", "trunk_sh"),
    ("hash", "trunk_mlp"),
    ("hash", "summed_sh"),
    ("hash", "summed_mlp"),
    ("dense", "trunk_sh"),
    ("dense", "trunk_mlp"),
    ("dense", "summed_sh"),
    ("dense", "summed_mlp"),
    ("frequency", "trunk_sh"),
    ("frequency", "trunk_mlp"),
    ("cp", "summed_mlp"),
    ("vm", "summed_mlp"),
    ("vm", "trunk_sh"),
    ("kplanes", "trunk_sh"),
    ("kplanes", "linear"),
    ("triplane", "trunk_sh"),
    ("tt", "trunk_sh"),
    ("tucker", "trunk_sh"),
    ("tilted", "summed_mlp"),
    ("vm", "summed_basis"),
    ("tilted_kplanes", "trunk_sh"),
    ("finr", "trunk_sh"),
    ("finr_summed", "summed_mlp"),
    ("strivec", "summed_mlp"),
    ("strivec_dense", "summed_mlp"),
]


def codes_of(renderer: Any) -> int:
    return renderer.field.decoder.code_dim


@pytest.mark.parametrize("domain", ["box", "contract_l2", "contract_linf"])
@pytest.mark.parametrize(("backbone", "decoder"), PAIRS)
def test_fused_equals_modular(
    backbone: str,
    decoder: str,
    domain: str,
    make_renderer: Any,
    make_rays: Any,
    outcome: Any,
    assert_same: Any,
) -> None:
    renderer = make_renderer(backbone, decoder, domain)
    assert renderer.fused
    rays, options = make_rays(90), {"seed": 3, "code_dim": codes_of(renderer)}
    fused = outcome(renderer, rays, **options)
    renderer.backend = "modular"
    assert not renderer.fused
    modular = outcome(renderer, rays, **options)
    assert float(modular["opacity"].max()) > 0.5
    assert all(value.any() for value in modular.values())
    assert_same(fused, modular)


@pytest.mark.parametrize(
    "options",
    [
        {"cone": 0.03},
        {"cone": 0.03, "domain": "contract_linf", "far": 40.0},
        {"gradient_near": 2.0},
        {"stop": 0.0},
        {"stop": 0.5},
        {"near": 1.0, "far": 2.0},
        {"occupancy": 1.0},
        {"occupancy": 0.001},
        {"changes": {"activation": "softplus", "shift": 1.0}},
        {"changes": {"scale": 3.0}},
        {"backbone": "vm", "decoder": "summed_basis"},
        {"backbone": "vm", "decoder": "summed_basis", "faint": 0.02},
        {"backbone": "dense", "decoder": "summed_mlp", "faint": 0.02, "stop": 0.0},
        {"backbone": "strivec_dense", "decoder": "summed_mlp", "faint": 0.02},
        {"backbone": "strivec", "decoder": "summed_mlp", "changes": {"summed": 4}},
        {"backbone": "strivec", "decoder": "summed_mlp", "changes": {"summed": 12}},
        {"backbone": "strivec", "decoder": "summed_mlp", "changes": {"summed": 12}, "faint": 0.02},
        {"changes": {"trunk": ()}},
        {"changes": {"trunk": (9, 7), "skip": 1, "sh_degree": 0}},
        {"decoder": "trunk_mlp", "changes": {"hidden": (), "geometry": 0, "activation": "exp"}},
    ],
    ids=str,
)
def test_fused_equals_modular_and_the_reference_in_every_setting(
    options: dict[str, Any],
    make_renderer: Any,
    make_rays: Any,
    outcome: Any,
    assert_same: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renderer = make_renderer(**options)
    rays, settings = make_rays(60, seed=1), {"seed": 4, "code_dim": codes_of(renderer)}
    fused = outcome(renderer, rays, **settings)
    renderer.backend = "modular"
    assert_same(fused, outcome(renderer, rays, **settings), 1e-10)
    renderer.backend = "auto"
    monkeypatch.setenv("POLYFIELD_KERNELS", "reference")
    assert not renderer.fused
    assert_same(fused, outcome(renderer, rays, **settings), 1e-10)


def test_where_the_density_is_cut_off_fused_still_equals_modular(
    make_renderer: Any, make_rays: Any, outcome: Any, assert_same: Any
) -> None:
    """A density of e^15 magnifies the rounding of the light that is left."""
    renderer, rays = make_renderer(changes={"shift": 14.8}), make_rays(60)
    fused = outcome(renderer, rays)
    renderer.backend = "modular"
    assert_same(fused, outcome(renderer, rays), 1e-5)


def test_single_precision_agrees_to_rounding(
    make_renderer: Any, make_rays: Any, outcome: Any, assert_same: Any
) -> None:
    renderer = make_renderer(dtype=torch.float32, occupancy=1.0)
    rays = make_rays(60, dtype=torch.float32)
    fused = outcome(renderer, rays)
    assert fused["rgb"].dtype == torch.float32
    renderer.backend = "modular"
    assert_same(fused, outcome(renderer, rays), 1e-4)


def test_gradients_are_those_of_finite_differences(make_renderer: Any, make_rays: Any) -> None:
    renderer = make_renderer("dense", "trunk_mlp", stop=0.0)
    field, rays = renderer.field, make_rays(5)
    geometry = renderer.geometry(rays.origins.numpy().dtype)
    settings = torch.tensor([0.0, 0.5, 0.0, 2.0, 0.0], dtype=torch.float64).numpy()
    features = field.decoder.ray_features(rays.directions)
    tensors = (features, *field.params)
    inputs = tuple(tensor.detach().clone().requires_grad_() for tensor in tensors)

    def render(*inputs: torch.Tensor) -> torch.Tensor:
        arguments = (rays.origins, rays.directions, inputs[0], inputs[1:], geometry, settings)
        return field.kernels(*arguments)[0]

    assert torch.autograd.gradcheck(render, inputs, eps=1e-6, atol=1e-5, fast_mode=True)


@pytest.mark.parametrize("backend", ["fused", "modular"])
def test_what_makes_a_table_makes_it_once_a_step(
    backend: str, make_renderer: Any, make_rays: Any
) -> None:
    renderer, rays = make_renderer("finr", "trunk_sh"), make_rays(20)
    renderer.backend = backend
    with torch.no_grad():
        renderer(rays)  # without gradients it is kept, and modular looks at density so
    calls: list[int] = []
    for network in renderer.field.backbone.networks:
        network.register_forward_hook(lambda *_: calls.append(1))
    assert not renderer.occupancy.due(1001)
    renderer.update(1001)
    renderer(rays, generator=torch.Generator().manual_seed(0)).rgb.sum().backward()
    assert len(calls) == len(renderer.field.backbone.networks)


def test_no_rays(make_renderer: Any, make_rays: Any, outcome: Any) -> None:
    renderer = make_renderer()
    for backend in ("fused", "modular"):
        renderer.backend = backend
        with torch.no_grad():
            render = renderer(make_rays(0))
        assert render.rgb.shape == (0, 3)
        assert render.extras["n_samples"] == 0


def test_rays_that_see_nothing(make_renderer: Any, make_rays: Any, outcome: Any) -> None:
    renderer, rays = make_renderer(), make_rays(20)
    rays.origins.add_(100.0)
    for backend in ("fused", "modular"):
        renderer.backend = backend
        assert not any(value.any() for value in outcome(renderer, rays).values())


def test_without_gradient_as_with_it(make_renderer: Any, make_rays: Any) -> None:
    for options in ({}, {"decoder": "summed_sh", "backbone": "dense"}):
        renderer, rays = make_renderer(**options), make_rays(80)
        kept = renderer(rays)
        with torch.no_grad():
            fast = renderer(rays)
        assert kept.rgb.requires_grad
        assert not fast.rgb.requires_grad
        torch.testing.assert_close(fast.rgb, kept.rgb, rtol=0, atol=1e-13)
        torch.testing.assert_close(fast.depth, kept.depth, rtol=0, atol=1e-12)
        assert fast.extras["n_samples"] == kept.extras["n_samples"]


def test_not_a_number_stays_on_its_ray(make_renderer: Any, make_rays: Any) -> None:
    renderer, good, bad = make_renderer(), make_rays(20), make_rays(20)
    bad.origins[3, 1] = float("nan")
    bad.directions[9, 2] = float("nan")
    others = [i for i in range(20) if i not in (3, 9)]
    right, ours = renderer(good), renderer(bad)
    torch.testing.assert_close(ours.rgb[others], right.rgb[others], rtol=0, atol=1e-13)


def test_a_field_that_diverged_shows(make_renderer: Any, make_rays: Any) -> None:
    """What is no number must reach the picture and not pass for empty space."""
    renderer, rays = make_renderer(occupancy=1.0), make_rays(20)
    with torch.no_grad():
        renderer.field.decoder.trunk[0] = float("nan")
        for backend in ("fused", "modular"):
            renderer.backend = backend
            render = renderer(rays)
            assert render.rgb.isnan().any()
