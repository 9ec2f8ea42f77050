"""What our kernels are timed against computes the same."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from polyfield.benchmarks.operations import shell
from polyfield.benchmarks.torch_composite import composite
from polyfield.benchmarks.torch_hash_grid import TorchHashGrid
from polyfield.fields import HashGrid
from polyfield.kernels.packed import march_packed
from polyfield.kernels.packed_reference import composite_reference


@pytest.mark.parametrize("form", ["gather", "bags", "unrolled"])
@pytest.mark.parametrize(
    ("levels", "log2_entries", "in_dim"), [(5, 9, 3), (3, 15, 3), (4, 3, 3), (4, 6, 2), (3, 3, 1)]
)
def test_the_hash_grid_is_that_of_the_reference(
    form: str, levels: int, log2_entries: int, in_dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polyfield.benchmarks.torch_hash_grid.CHUNK", 50)
    generator = torch.Generator().manual_seed(0)
    grid = HashGrid(
        levels=levels,
        features=2,
        log2_entries=log2_entries,
        base_resolution=4,
        max_resolution=40,
        in_dim=in_dim,
        generator=generator,
    )
    x = torch.rand(120, in_dim, generator=generator)
    x[:4] = torch.tensor([0.0, 1.0, 0.5, 1 - 1e-7])[:, None]
    d_out = torch.randn(120, grid.out_dim, generator=generator)
    expected = grid.reference(x)
    (d_expected,) = torch.autograd.grad(expected, grid.table, d_out)
    found = getattr(TorchHashGrid(grid), form)(x, grid.table)
    (d_found,) = torch.autograd.grad(found, grid.table, d_out)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-4)
    torch.testing.assert_close(d_found, d_expected, atol=1e-5, rtol=1e-4)


def test_a_table_of_other_values_changes_the_features() -> None:
    grid = HashGrid(levels=2, features=2, log2_entries=6)
    plain, x = TorchHashGrid(grid), torch.rand(8, 3)
    assert not torch.equal(plain.gather(x, grid.table), plain.gather(x, 2 * grid.table))


@pytest.mark.parametrize("stop", [0.0, 1e-2])
def test_compositing_is_that_of_the_reference(stop: float) -> None:
    samples = march_packed(*shell(64))
    assert len(samples.t) > 100
    assert bool((samples.offsets.diff() == 0).any()), "a ray without samples belongs to the test"
    generator = torch.Generator().manual_seed(0)
    n = len(samples.t)
    inputs = [
        (torch.rand(n, generator=generator) * 30).double().requires_grad_(),
        torch.rand(n, 3, generator=generator).double().requires_grad_(),
    ]
    samples = samples._replace(t=samples.t.double(), dt=samples.dt.double())
    d_out = torch.randn(64, 6, generator=generator).double()
    outputs = [run(*inputs, samples, stop) for run in (composite, composite_reference)]
    torch.testing.assert_close(*outputs)
    gradients = [torch.autograd.grad(out, inputs, d_out) for out in outputs]
    torch.testing.assert_close(*gradients)


def test_a_failing_compiler_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    from polyfield.benchmarks import hash_grid

    def broken(*_: object) -> torch.Tensor:
        raise RuntimeError("no compiler\nand more")

    monkeypatch.setattr(hash_grid, "torch", SimpleNamespace(compile=lambda f: broken))
    grid = HashGrid(levels=1, log2_entries=4)
    made, reason = hash_grid.compiled_encoding(broken, torch.rand(2, 3), grid.table, torch.ones(2))
    assert made is None
    assert reason == "RuntimeError: no compiler"
