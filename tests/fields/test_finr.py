"""F-INR: networks of single coordinates, by points, by vertices and on products of coordinates."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from polyfield.errors import InputError
from polyfield.fields import FInr, RadianceDecoder, SignalDecoder, SignalField
from polyfield.fields.factored.product_grid import grid_points
from polyfield.training.optimizers import Adam

KINDS = [("cp", d) for d in (1, 2, 3, 4)] + [(k, d) for k in ("tt", "tucker") for d in (2, 3, 4)]
VERTICES = 6


def finr(reduction: Any = "cp", d: int = 3, **settings: Any) -> FInr:
    """A small one in double precision: of cp three parts of 4 features, of others one of 8."""
    size = {"channels": 12} if reduction == "cp" else {"channels": 8, "rank": 3}
    usual = {"first_omega": 30.0, "hidden": [9, 9], "max_resolution": VERTICES, "in_dim": d}
    generator = torch.Generator().manual_seed(0)
    return FInr(reduction, generator=generator, **{**size, **usual, **settings}).double()


class LargestTensor(TorchDispatchMode):
    """Inside, `numbers` is the size of the largest tensor that was made."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor):
            self.numbers = max(self.numbers, made.numel())
        return made


def somewhere(n: int, d: int) -> Tensor:
    return torch.rand(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def axes_of(counts: list[int]) -> list[Tensor]:
    return [somewhere(n, 1)[:, 0] for n in counts]


@pytest.mark.parametrize(("reduction", "d"), KINDS)
def test_between_vertices_it_is_interpolated_and_at_them_exact(reduction: str, d: int) -> None:
    field = finr(reduction, d)
    vertices = grid_points([torch.linspace(0, 1, VERTICES, dtype=torch.float64)] * d)
    torch.testing.assert_close(field.reference(vertices), field.exact(vertices))
    x = somewhere(40, d)
    assert not torch.allclose(field.reference(x), field.exact(x), rtol=1e-3)
    fine = finr(reduction, d, max_resolution=600, first_omega=3.0, omega=2.0)
    torch.testing.assert_close(fine.reference(x), fine.exact(x), rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("reduction", ["cp", "tt", "tucker"])
def test_the_compiled_kernels_agree_with_the_reference(reduction: str) -> None:
    """Values, and the gradients of points and of every parameter of every network."""
    field, x = finr(reduction), somewhere(60, 3).requires_grad_()
    weights = torch.randn(60, field.out_dim, dtype=torch.float64)
    inputs = [x, *field.parameters()]
    results = []
    for twin in (field.forward, field.reference):
        out = twin(x)
        results.append([out, *torch.autograd.grad((out * weights).sum(), inputs)])
    for ours, expected in zip(*results):
        assert bool(expected.any())
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize(("reduction", "d"), KINDS)
def test_on_a_grid_it_is_what_it_is_at_its_points(reduction: str, d: int) -> None:
    """Values, and the gradients of coordinates, of the map and of every parameter."""
    field, counts = finr(reduction, d), [5, 3, 4, 2][:d]
    axes = [axis.requires_grad_() for axis in axes_of(counts)]
    mix = somewhere(field.out_dim, 2).requires_grad_()
    weights = torch.randn(*counts, 2, dtype=torch.float64)
    inputs = [*axes, mix, *field.parameters()]
    results = []
    for values in (field.on_grid(axes, mix), field.exact(grid_points(axes)) @ mix):
        values = values.reshape(*counts, 2)
        results.append([values, *torch.autograd.grad((values * weights).sum(), inputs)])
    for ours, expected in zip(*results):
        assert bool(expected.any())
        torch.testing.assert_close(ours, expected)


def test_a_grid_costs_as_many_evaluations_as_it_has_coordinates() -> None:
    field, seen = finr(), []
    for network in field.networks:
        network.register_forward_hook(lambda module, inputs, out: seen.append(len(inputs[0])))
    field.on_grid(axes_of([20, 30, 10]), torch.eye(12, dtype=torch.float64))
    assert seen == [20, 30, 10]


@pytest.mark.parametrize("reduction", ["cp", "tt", "tucker"])
def test_a_slab_takes_the_memory_of_a_slab(reduction: str) -> None:
    """Whatever lies along the other axes: no number is made for each of their combinations."""
    field = finr(reduction)
    with LargestTensor() as largest:
        values = field.on_grid(axes_of([1, 60, 90]), somewhere(field.out_dim, 3))
    assert largest.numbers <= 1.1 * values.numel()


def test_the_reductions_are_those_of_their_definitions() -> None:
    x = somewhere(7, 3)
    for reduction in ("cp", "tt", "tucker"):
        field = finr(reduction)
        a, b, c = field.lines(list(x.T))
        if reduction == "cp":
            expected = (a * b * c).reshape(7, 12)
        elif reduction == "tt":
            b, c = b.view(7, 3, 3), c.view(7, 3, 8)
            expected = torch.einsum("ni,nij,njf->nf", a[:, 0], b, c)
        else:
            assert field.core is not None
            core = field.core.view(3, 3, 3, 8)
            expected = torch.einsum("ni,nj,nk,ijkf->nf", a[:, 0], b[:, 0], c[:, 0], core)
        torch.testing.assert_close(field.exact(x), expected)


def test_a_signal_on_a_grid_is_the_signal_at_its_points() -> None:
    backbone = finr(d=2, max_resolution=VERTICES)
    axes = [torch.linspace(0, 1, VERTICES, dtype=torch.float64)] * 2
    for output in ("linear", "sigmoid"):
        field = SignalField(backbone, SignalDecoder(12, 3, hidden=[], output=output).double())
        assert field.separable
        values = field.on_grid(axes)
        assert values.shape == (VERTICES, VERTICES, 3)
        torch.testing.assert_close(values.reshape(-1, 3), field(grid_points(axes)))
    assert not SignalField(backbone, SignalDecoder(12, 3, hidden=[4])).separable


def test_without_gradients_the_table_is_kept_until_a_parameter_changes() -> None:
    field = finr().float()
    optimizer = Adam(field.parameter_groups(), lr=1e-2)
    x = somewhere(10, 3).float()
    with torch.no_grad():
        first = field.params
        assert field.params is first
    field(x).square().sum().backward()
    with torch.no_grad():
        assert field.params is first
        optimizer.step()
        after = field.params
        assert not torch.equal(after, first)
        torch.testing.assert_close(after, field._table())
        field.load_state_dict(finr(network="siren", omega=5.0).float().state_dict())
        assert field.params is not after
    assert field.params.requires_grad


@pytest.mark.parametrize("reduction", ["cp", "tt", "tucker"])
def test_the_density_has_features_of_its_own(reduction: str) -> None:
    field = finr(reduction, channels=24, density=8, hidden=[8])
    assert (field.summed, field.density_parts) == (8, 8 // field.features)
    decoder = RadianceDecoder(24, None, summed=field.summed, color="mlp").double()
    features = field.exact(somewhere(5, 3))
    density, geometry = decoder.density(features)
    assert geometry.shape == (5, 16)
    torch.testing.assert_close(density, features[:, :8].sum(dim=1).exp())


def test_a_network_of_hashed_tables_learns_them_at_their_own_rate() -> None:
    field = finr(network="hash", first_omega=None)
    groups = {group["name"]: group for group in field.parameter_groups()}
    assert len(groups["grid"]["params"]) == 3
    assert groups["grid"]["sparse"]
    assert groups["grid"]["lr_scale"] > groups["network"]["lr_scale"] == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reduction": "vm"}, r"field\.reduction: found vm, expected cp or tt or tucker"),
        ({"rank": 8}, r"field\.rank: found 8, expected null: the rank of cp is field\.channels"),
        ({"reduction": "tt", "rank": 0}, r"field\.rank: found 0, expected 1 to 32"),
        ({"reduction": "tucker", "in_dim": 1}, r"field\.in_dim: found 1, expected 2 to 4, for"),
        ({"channels": 0}, r"field\.channels: found 0"),
        ({"density": 200}, r"field\.density: found 200, expected 0 to 128"),
        ({"max_resolution": 1}, r"field\.max_resolution: found 1, expected 2 or more"),
        ({"network": "mlp"}, r"field\.network: found mlp"),
        ({"hidden": []}, r"field\.hidden"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        FInr(**settings)


def test_one_coordinate_each_is_enough_for_what_is_separable() -> None:
    """A product of waves that is one term of rank: learned from all of a grid at once."""
    torch.manual_seed(0)
    axis = torch.linspace(0, 1, 48)
    truth = torch.sin(25 * axis)[:, None] * torch.cos(17 * axis + 1)
    field = FInr("cp", "siren", 2, hidden=[24, 24], first_omega=30, in_dim=2)
    mix = torch.ones(2, 1)
    optimizer = Adam(field.parameter_groups(), lr=3e-3)
    for _ in range(300):
        loss = (field.on_grid([axis, axis], mix)[..., 0] - truth).square().mean()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 1e-3 * float(truth.square().mean())
