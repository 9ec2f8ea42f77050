"""A radiance field: its parts composed, its two densities, its edges."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from polyfield.errors import InputError
from polyfield.fields import (
    Backbone,
    DenseGrid,
    Domain,
    FrequencyEncoding,
    HashGrid,
    RadianceDecoder,
    RadianceField,
)

BOUNDS = [[-1.0, -0.75, -1.25], [1.125, 0.875, 1.0]]
KINDS = ["box", "contract_l2", "contract_linf"]


def field_of(
    name: str = "hash", kind: Any = "box", dtype: torch.dtype = torch.float64, **decoder: Any
) -> RadianceField:
    generator = torch.Generator().manual_seed(0)
    backbone: Backbone = FrequencyEncoding(3)
    if name == "hash":
        backbone = HashGrid(7, 4, 6, 3, 24)
        torch.nn.init.normal_(backbone.table, std=0.5, generator=generator)
    if name == "dense":
        backbone = DenseGrid((6, 5, 7), channels=28, initial=0.5, generator=generator)
    head = RadianceDecoder(backbone.out_dim, **({"trunk": (8,), "generator": generator} | decoder))
    return RadianceField(Domain(BOUNDS, kind), backbone, head).to(dtype)


def world(n: int, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return scale * torch.randn(n, 3, generator=generator, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "decoder"),
    [
        ("hash", {}),
        ("hash", {"trunk": (8, 8, 8), "skip": 2, "activation": "softplus", "shift": 1.0}),
        ("dense", {"trunk": None}),
        ("frequency", {}),
    ],
    ids=str,
)
def test_the_sweep_gives_the_density_that_is_differentiated(
    name: str, decoder: dict[str, Any], kind: str
) -> None:
    field, x = field_of(name, kind, **decoder), world(1500)
    differentiable = field.density(x)
    assert differentiable.requires_grad == bool(list(field.parameters()))
    with torch.no_grad():
        swept = field.density(x)
    torch.testing.assert_close(swept, differentiable.detach(), rtol=1e-11, atol=1e-12)
    assert (swept > 0).any()


def test_a_density_of_more_features_than_a_part_holds_sums_them_all() -> None:
    """A dense grid keeps four channels a part, and reads no more than the density needs."""
    backbone = DenseGrid(4, channels=16, initial=0.5, generator=torch.Generator().manual_seed(0))
    for summed, parts in ((1, 1), (4, 1), (5, 2), (8, 2), (13, 4)):
        decoder = RadianceDecoder(16, None, color="mlp", hidden=(), summed=summed)
        field = RadianceField(Domain(BOUNDS), backbone, decoder)
        assert field.kernels is not None
        assert field.kernels.density_parts == parts


@pytest.mark.parametrize("kind", KINDS)
def test_density_is_zero_outside_a_box_and_nowhere_else(kind: Any) -> None:
    field, x = field_of(kind=kind), world(400, 3.0)
    bounds = torch.tensor(BOUNDS, dtype=torch.float64)
    inside = ((x >= bounds[0]) & (x < bounds[1])).all(-1)
    assert inside.any()
    assert not inside.all()
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            density = field.density(x)
        assert (density[inside] > 0).all()
        assert (density[~inside] > 0).all() if kind != "box" else not density[~inside].any()


def test_radiance_is_encode_then_decode() -> None:
    field, x = field_of(), world(50, 0.6)
    directions = torch.nn.functional.normalize(world(50), dim=-1)
    density, rgb = field.radiance(x, directions)
    assert torch.equal(density, field.density(x))
    assert (density == 0).any()  # beyond the box, where the split knows no better
    again = field.decode(field.encode(x), directions)
    assert torch.equal(density[density > 0], again[0][density > 0])
    assert torch.equal(rgb, again[1])
    assert ((rgb > 0) & (rgb < 1)).all()
    other = field.radiance(x, -directions)
    assert torch.equal(other[0], density)
    assert (other[1] != rgb).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_points_of_another_precision_than_the_parameters_are_understood(
    dtype: torch.dtype,
) -> None:
    other = torch.float64 if dtype == torch.float32 else torch.float32
    field, x = field_of(dtype=dtype), world(100, 0.4)
    right = field.double().density(x).detach()
    field = field.to(dtype)
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            density = field.density(x.to(other)).detach()
        torch.testing.assert_close(density.double(), right, rtol=1e-4, atol=1e-5)


def test_points_have_slopes_through_the_domain() -> None:
    field = field_of(kind="contract_l2")
    x = world(6, 2.0).requires_grad_()
    assert torch.autograd.gradcheck(field.density, (x,), eps=1e-7, atol=1e-4)


def test_the_reference_is_taken_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    field, x = field_of(), world(100, 0.4)
    right = field.density(x)
    assert field.kernels is not None
    monkeypatch.setenv("POLYFIELD_KERNELS", "reference")
    assert field.kernels is None
    monkeypatch.setattr(type(field.backbone.kernels), "__call__", None)
    torch.testing.assert_close(field.density(x), right, rtol=1e-11, atol=1e-12)
    with torch.no_grad():
        torch.testing.assert_close(field.density(x), right.detach(), rtol=1e-11, atol=1e-12)


def test_no_points() -> None:
    field, x = field_of(), torch.empty(0, 3, dtype=torch.float64)
    assert field.density(x).shape == (0,)
    with torch.no_grad():
        assert field.density(x).shape == (0,)
    assert [len(part) for part in field.radiance(x, x)] == [0, 0]


def test_groups_hold_every_parameter_once() -> None:
    for decoder in ({}, {"trunk": None}):
        field = field_of("dense", **decoder)
        held = [p for group in field.parameter_groups() for p in group["params"]]
        assert {id(p) for p in held} == {id(p) for p in field.parameters() if p.numel()}
        assert len(held) == len({id(p) for p in held})
        assert field.parameter_groups()[0]["sparse"]


def test_parts_that_do_not_fit_are_refused_by_name() -> None:
    domain = Domain(BOUNDS)
    with pytest.raises(InputError) as error:
        RadianceField(domain, FrequencyEncoding(2, in_dim=2), RadianceDecoder(10))
    assert error.value.field == "field.in_dim"
    with pytest.raises(InputError) as error:
        RadianceField(domain, FrequencyEncoding(2), RadianceDecoder(10))
    assert error.value.field == "decoder.in_dim"


def test_a_backbone_without_kernels_serves_through_torch() -> None:
    class Waves(Backbone):
        def __init__(self) -> None:
            super().__init__(in_dim=3, out_dim=4)
            self.frequency = torch.nn.Parameter(torch.tensor([1.0, 2.0, 3.0, 4.0]))

        def forward(self, x: Tensor) -> Tensor:
            return torch.sin(x.sum(-1, keepdim=True) * self.frequency)

    field = RadianceField(Domain(BOUNDS), Waves(), RadianceDecoder(4, (8,)))
    assert field.kernels is None
    x = world(20, 0.4, torch.float32)
    with torch.no_grad():
        density = field.density(x)
    torch.testing.assert_close(density, field.density(x).detach())
    field.density(x).sum().backward()
    assert field.backbone.frequency.grad is not None


def test_a_backbone_with_nothing_to_run_says_so() -> None:
    with pytest.raises(TypeError, match="Backbone has no reference twin"):
        Backbone(3, 4)(torch.zeros(1, 3))
