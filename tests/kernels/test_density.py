"""Density as one operation: values and gradients against the composition of torch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from polyfield.fields import DenseGrid, Domain, HashGrid, RadianceDecoder, RadianceField
from polyfield.kernels.density import density_at
from polyfield.kernels.sweep import density_sweep

CUBE = torch.tensor([[-1.0] * 3, [1.0] * 3])


def hash_field() -> RadianceField:
    grid = HashGrid(levels=3, features=2, log2_entries=8, base_resolution=4, max_resolution=16)
    decoder = RadianceDecoder(grid.out_dim, trunk=(8,), sh_degree=0, activation="softplus")
    return RadianceField(Domain(CUBE), grid, decoder)


def summed_field() -> RadianceField:
    grid = DenseGrid(resolution=6, channels=4)
    decoder = RadianceDecoder(4, trunk=None, sh_degree=0, summed=1, shift=-0.5)
    return RadianceField(Domain(CUBE), grid, decoder)


@pytest.mark.parametrize(
    ("make", "dtype", "tolerance"),
    [(hash_field, torch.float32, 2e-4), (summed_field, torch.float64, 1e-12)],
)
@pytest.mark.parametrize("n", [1, 1030])
def test_density_and_gradients_are_those_of_torch(
    make: Callable[[], RadianceField], dtype: torch.dtype, tolerance: float, n: int
) -> None:
    torch.manual_seed(0)
    field = make().to(dtype)
    for parameter in field.parameters():
        parameter.data.normal_(0, 0.3)
    u = torch.rand(n, 3, dtype=dtype)
    towards = torch.randn(n, dtype=dtype)
    kernels, params, trunk = field.kernels, field.backbone.params, field.decoder.trunk
    density = density_at(kernels, u, params, trunk)
    expected = field.decoder.density(field.backbone.reference(u))[0]
    torch.testing.assert_close(density, expected, atol=tolerance, rtol=tolerance)
    swept = density_sweep(kernels, u, params, field.backbone.frames, trunk)
    torch.testing.assert_close(density.detach(), swept, atol=tolerance, rtol=tolerance)
    for parameter in (params, trunk):
        if parameter.numel():
            (gradient,) = torch.autograd.grad(density @ towards, parameter, retain_graph=True)
            (wanted,) = torch.autograd.grad(expected @ towards, parameter, retain_graph=True)
            scale = tolerance * float(wanted.abs().max())
            torch.testing.assert_close(gradient, wanted, atol=scale, rtol=tolerance)


def test_no_points_have_no_density() -> None:
    field = hash_field()
    assert field.kernels is not None
    empty = torch.empty(0, 3)
    density = density_at(field.kernels, empty, field.backbone.params, field.decoder.trunk)
    assert density.shape == (0,)
    density.sum().backward()
    for parameter in (field.backbone.params, field.decoder.trunk):
        assert not parameter.grad.any()


@pytest.mark.parametrize("make", [hash_field, summed_field])
def test_gradients_are_those_of_finite_differences(make: Callable[[], RadianceField]) -> None:
    torch.manual_seed(1)
    field = make().double()
    kernels, u = field.kernels, torch.rand(7, 3, dtype=torch.float64)
    sizes = (field.backbone.params.numel(), field.decoder.trunk.numel())
    params, trunk = (torch.randn(n, dtype=torch.float64, requires_grad=True) for n in sizes)
    inputs = [parameter for parameter in (params, trunk) if parameter.numel()]
    # In random directions of the parameters, of which there are many.
    towards = [torch.randn(4, *p.shape, dtype=torch.float64) for p in inputs]
    steps = torch.zeros(4, dtype=torch.float64, requires_grad=True)

    def density(steps: Tensor) -> Tensor:
        moved = [p.detach() + steps @ way for p, way in zip(inputs, towards)]
        return density_at(kernels, u, moved[0], moved[1] if len(moved) > 1 else trunk)

    assert torch.autograd.gradcheck(density, (steps,))
