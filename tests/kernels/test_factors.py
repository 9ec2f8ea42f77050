"""Factored grids: the cpu twin against plain torch, with gradients of points and of rotations."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from polyfield.errors import InputError
from polyfield.fields import CP, TT, VM, KPlanes, TriPlane, Tucker
from polyfield.fields.factored import Factor, FactoredGrid, Layout, Part, products

# Constructor and arguments of tiny grids, by name and dimensions. Products and sums have parts of
# two features but for one, tensor trains and Tucker decompositions one rank: what is compiled for
# one serves the others.
GRIDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "cp1": (CP, {"in_dim": 1, "resolution": 5, "density": 2, "color": 6}),
    "cp3": (CP, {"in_dim": 3, "resolution": (4, 7), "density": 4, "color": 8}),
    "cp4": (CP, {"in_dim": 4, "resolution": 4, "density": 0, "color": 6}),
    "vm2": (VM, {"in_dim": 2, "resolution": 6, "density": 0, "color": 6}),
    "vm3": (VM, {"in_dim": 3, "resolution": 6, "density": 6, "color": 12}),
    "vm4": (VM, {"in_dim": 4, "resolution": 4, "density": 0, "color": 18}),
    "kplanes2": (KPlanes, {"in_dim": 2, "resolution": (3, 6), "channels": 12}),
    "kplanes3": (KPlanes, {"in_dim": 3, "resolution": (3, 6), "channels": 12}),
    "kplanes4": (KPlanes, {"in_dim": 4, "resolution": (3,), "channels": 6, "time_resolution": 5}),
    "tt2": (TT, {"in_dim": 2, "resolution": 5, "rank": 3, "channels": 4}),
    "tt3": (TT, {"in_dim": 3, "resolution": 5, "rank": 3, "channels": 4}),
    "tt4": (TT, {"in_dim": 4, "resolution": 4, "rank": 3, "channels": 4}),
    "tucker2": (Tucker, {"in_dim": 2, "resolution": 5, "rank": 3, "channels": 4}),
    "tucker3": (Tucker, {"in_dim": 3, "resolution": 5, "rank": 3, "channels": 4}),
    "tucker4": (Tucker, {"in_dim": 4, "resolution": 4, "rank": 3, "channels": 4}),
    "triplane3": (TriPlane, {"in_dim": 3, "resolution": 6, "channels": 24}),
}
TILTED = ["vm2", "cp3", "vm3", "kplanes3", "triplane3", "kplanes4", "tt3", "tucker3"]


@cache
def grid_of(name: str, transforms: int = 0, reach: float = 1.0) -> FactoredGrid:
    """A grid in double precision whose values are all of order one."""
    constructor, settings = GRIDS[name]
    settings = dict(settings)
    if transforms:
        columns = "channels" if "channels" in settings else "color"
        settings[columns] *= transforms
        settings.update(transforms=transforms, reach=reach)
        if "density" in settings:
            settings["density"] *= transforms
    generator = torch.Generator().manual_seed(1)
    grid = constructor(generator=generator, **settings)
    torch.nn.init.normal_(grid.table, generator=generator)
    if transforms:
        torch.nn.init.normal_(grid.rotations.delta, std=0.3, generator=generator)
    return grid.double()


def points(n: int, d: int, spread: float = 1.0) -> Tensor:
    """Points of the cube, or of one that is larger by `spread`."""
    x = torch.rand(n, d, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    return (x - 0.5) * spread + 0.5


def assert_twins_agree(grid: FactoredGrid, x: Tensor) -> None:
    """Values, and the gradients of everything that they depend on."""
    x = x.detach().requires_grad_()
    ours, right = grid(x), grid.reference(x)
    torch.testing.assert_close(ours, right, rtol=1e-12, atol=1e-12)
    inputs = [x, grid.table] + ([grid.rotations.delta] if grid.rotations else [])
    weights = torch.randn(ours.shape, generator=torch.Generator().manual_seed(2)).double()
    gradients = [torch.autograd.grad((y * weights).sum(), inputs) for y in (ours, right)]
    for a, b in zip(*gradients):
        assert b.any() or len(x) < 2
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("n", [1, 700])
@pytest.mark.parametrize("name", GRIDS)
def test_twins_agree(name: str, n: int) -> None:
    grid = grid_of(name)
    assert_twins_agree(grid, points(n, grid.in_dim, spread=1.2))


@pytest.mark.parametrize("reach", [1.0, 1.8])
@pytest.mark.parametrize("name", TILTED)
def test_twins_agree_in_turned_frames(name: str, reach: float) -> None:
    grid = grid_of(name, transforms=2, reach=reach)
    assert grid.kernels is not None
    assert grid.kernels.n_frames == 2
    assert_twins_agree(grid, points(600, grid.in_dim))


@pytest.mark.parametrize("name", ["cp3", "vm3", "kplanes3", "triplane3", "tt3", "tucker3"])
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    grid = grid_of(name, transforms=2)
    x = points(5, 3).requires_grad_()

    def function(x: Tensor, table: Tensor, delta: Tensor) -> Tensor:
        assert grid.kernels is not None
        rotations = grid.rotations
        assert rotations is not None
        from polyfield.fields.rotations import skew

        frames = rotations.base @ torch.matrix_exp(skew(delta, 3))
        return grid.kernels(x, table, frames)

    delta = grid.rotations.delta.detach().clone().requires_grad_()  # type: ignore[union-attr]
    table = grid.table.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(
        function, (x, table, delta), eps=1e-7, atol=1e-5, fast_mode=True
    )


def test_a_sum_of_lines_is_linear_in_them_and_a_product_is_not() -> None:
    """Twice the table: sums double, products of k factors grow by 2^k."""
    powers = {"triplane3": 1, "vm3": 2, "cp3": 3, "kplanes4": 6, "tt3": 3, "tucker3": 4}
    for name, power in powers.items():
        grid = grid_of(name)
        x = points(20, grid.in_dim)
        assert grid.kernels is not None
        once, twice = grid.kernels(x, grid.table), grid.kernels(x, 2 * grid.table)
        torch.testing.assert_close(twice, 2.0**power * once)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.lists(st.floats(-0.5, 1.5, width=32), min_size=3, max_size=3))
def test_points_outside_are_those_on_the_faces(where: list[float]) -> None:
    grid = grid_of("vm3")
    x = torch.tensor([where], dtype=torch.float64)
    torch.testing.assert_close(grid(x), grid(x.clamp(0, 1)))


def test_features_at_vertices_are_products_of_what_is_stored() -> None:
    grid = grid_of("vm3")
    # (x, y), last coordinate first, and (z)
    plane, line = (place.view(grid.table) for place in grid.layout.places[:2])
    x = torch.tensor([[2, 3, 5]], dtype=torch.float64) / 5
    torch.testing.assert_close(grid(x)[0, : grid.layout.features], plane[3, 2] * line[5])


def test_single_precision_is_close_and_nothing_is_lost_with_no_points() -> None:
    for name in GRIDS:
        double = grid_of(name)
        constructor, settings = GRIDS[name]
        single = constructor(**settings)
        single.table.data.copy_(double.table)
        x = points(300, double.in_dim)
        torch.testing.assert_close(single(x.float()).double(), double(x), rtol=1e-4, atol=1e-4)
        assert single(x[:0].float()).shape == (0, single.out_dim)


def test_factors_may_be_volumes() -> None:
    """Three coordinates by one: what no family uses, and the composition allows."""
    volume, line = Factor((0, 2, 3), (3, 4, 2)), Factor((1,), (5,))

    def layout(shares: Sequence[float]) -> Layout:
        return products([Part((volume, line)), Part((volume,), "sum")], 4)

    def initial(shape: tuple[int, int], factor: Factor, generator: Any) -> Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(shape[0]))

    grid = FactoredGrid(layout, 4, initial).double()
    assert grid.out_dim == 8
    assert_twins_agree(grid, points(300, 4, spread=1.2))
    with pytest.raises(InputError, match="axes"):
        FactoredGrid(layout, 3, initial)


def test_a_table_of_another_length_is_refused_before_it_is_read() -> None:
    grid = grid_of("vm3")
    assert grid.kernels is not None
    with pytest.raises(InputError, match="parameters"):
        grid.kernels(points(3, 3), grid.table[:-1])


def test_two_threads_or_one_give_the_same_bits() -> None:
    import numba

    grid, results = grid_of("kplanes3", transforms=2), []
    for threads in (1, numba.config.NUMBA_NUM_THREADS):
        numba.set_num_threads(threads)
        grid.zero_grad()
        grid(points(5000, 3)).square().sum().backward()
        results.append((grid.table.grad, grid.rotations.delta.grad))  # type: ignore[union-attr]
    for a, b in zip(*results):
        assert torch.equal(a, b)
