"""Grids: the cpu twin against plain torch, and both against what interpolation means."""

from __future__ import annotations

from functools import cache

import numba
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from polyfield.fields import DenseGrid, HashGrid

DIMENSIONS = [1, 2, 3, 4]
FEATURES = {1: 1, 2: 3, 3: 4, 4: 2}
TYPES = [torch.float64, torch.float32]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5}
compiled = settings(deadline=None, max_examples=25, derandomize=True)


@cache
def hash_grid(d: int, dtype: torch.dtype = torch.float64) -> HashGrid:
    """Four levels, the coarse ones dense and the fine ones hashed, with features of order one."""
    grid = HashGrid(
        4, FEATURES[d], log2_entries=2 * d + 1, base_resolution=3, max_resolution=20, in_dim=d
    )
    torch.nn.init.normal_(grid.table, generator=torch.Generator().manual_seed(d))
    return grid.to(dtype)


@cache
def dense_grid(dtype: torch.dtype = torch.float64) -> DenseGrid:
    """Two groups of channels over a lattice whose cells have exact sides in binary."""
    grid = DenseGrid((5, 3, 9), channels=8, initial=1.0, generator=torch.Generator().manual_seed(0))
    return grid.to(dtype)


def points(n: int, d: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.rand(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gradients(output: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    """The gradient of a fixed random weighting of the output."""
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(9)).to(output)
    return torch.autograd.grad((output * weights).sum(), inputs)


def assert_twins_agree(grid: HashGrid | DenseGrid, x: Tensor, position: bool = True) -> None:
    """Values, the parameters' gradient and (where it is defined) the points' gradient."""
    tolerance = TOLERANCE[x.dtype]
    x = x.detach().requires_grad_()
    ours, right = grid(x), grid.reference(x)
    assert ours.dtype == x.dtype
    torch.testing.assert_close(ours, right, rtol=tolerance, atol=tolerance)
    if len(x) == 0:
        return
    inputs = (grid.params, x) if position else (grid.params,)
    for a, b in zip(gradients(ours, *inputs), gradients(right, *inputs)):
        scale = max(1.0, float(b.abs().max()))
        torch.testing.assert_close(a, b, rtol=0, atol=20 * tolerance * scale)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_hashed_and_dense_levels_equal_the_reference(d: int) -> None:
    grid = hash_grid(d)
    assert grid.kernels is not None
    hashed = grid.kernels.ints[1 :: 4 + d][: grid.kernels.n_parts]
    assert set(hashed.tolist()) == {0, 1}
    assert_twins_agree(grid, points(300, d))


def test_single_precision_equals_the_reference() -> None:
    assert_twins_agree(hash_grid(3, torch.float32), points(300, 3, torch.float32))
    assert_twins_agree(dense_grid(torch.float32), points(300, 3, torch.float32))


def test_a_dense_grid_with_other_counts_per_axis_equals_the_reference() -> None:
    assert_twins_agree(dense_grid(), points(300, 3))


def test_time_with_a_resolution_of_its_own_equals_the_reference() -> None:
    """With 6 of 20 vertices along it; of the finest level a fifth of the time is linear."""
    grid = HashGrid(4, 2, 9, base_resolution=3, max_resolution=20, time_resolution=6, in_dim=4)
    torch.nn.init.normal_(grid.table, generator=torch.Generator().manual_seed(4))
    grid, x = grid.double(), points(300, 4)
    assert_twins_agree(grid, x)
    features = []
    for time in (0.52, 0.6, 0.68):
        x[:, 3] = time
        features.append(grid(x).detach()[:, -2:])
    torch.testing.assert_close(features[0] + features[2], 2 * features[1])


@pytest.mark.parametrize("n", [1, 255, 256, 257, 2048, 2049])
def test_sizes_around_a_block_and_a_task(n: int) -> None:
    assert_twins_agree(hash_grid(3), points(n, 3, seed=n))


def test_no_points_give_no_features_and_no_gradient() -> None:
    grid, x = hash_grid(3), torch.empty(0, 3, dtype=torch.float64, requires_grad=True)
    out = grid(x)
    assert out.shape == (0, grid.out_dim)
    d_params, d_x = torch.autograd.grad(out.sum(), (grid.params, x))
    assert not d_params.any()
    assert d_x.shape == (0, 3)


@compiled
@given(data=st.data(), d=st.sampled_from([2, 3]), n=st.integers(0, 40))
def test_any_points_near_the_cube_equal_the_reference(data: st.DataObject, d: int, n: int) -> None:
    inside = st.floats(-0.5, 1.5, width=32)
    special = st.sampled_from([0.0, 1.0, 0.5, -0.0, 1 - 2**-24, 2**-30])
    rows = st.lists(st.one_of(inside, special), min_size=n * d, max_size=n * d)
    x = torch.tensor(data.draw(rows), dtype=torch.float64).view(n, d)
    assert_twins_agree(hash_grid(d), x, position=False)


@compiled
@given(
    vertex=st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 8)),
    offset=st.sampled_from([-0.25, 0.0, 0.25]),
)
def test_points_on_faces_edges_and_vertices_equal_the_reference(
    vertex: tuple[int, int, int], offset: float
) -> None:
    """All numbers here are exact, so both twins must choose the same cell, and the same slope."""
    counts = torch.tensor([5, 3, 9])
    x = (torch.tensor(vertex, dtype=torch.float64) + torch.tensor([offset, 0, 0])) / (counts - 1)
    assert_twins_agree(dense_grid(), x[None])


@pytest.mark.parametrize("far", [1e3, 1e10, 1e30, float("inf")])
@pytest.mark.parametrize("sign", [-1, 1])
def test_points_far_outside_have_the_features_of_the_nearest_border(far: float, sign: int) -> None:
    for dtype in TYPES:
        for grid in (dense_grid(dtype), hash_grid(3, dtype)):
            x = points(6, 3, dtype)
            x[:, 1] = sign * far
            border = x.clone()
            border[:, 1] = 0.0 if sign < 0 else 1.0
            if sign < 0 and isinstance(grid, HashGrid):
                border[:, 1] = -1.0  # vertices lie half a cell in
            torch.testing.assert_close(grid(x), grid(border), rtol=0, atol=0)
            torch.testing.assert_close(grid.reference(x), grid(border), rtol=1e-4, atol=1e-5)


def test_not_a_number_stays_in_its_row() -> None:
    for grid in (dense_grid(), hash_grid(3), hash_grid(2)):
        x = points(400, grid.in_dim)
        right = grid(x)
        x[37, 0], x[399, 1] = float("nan"), float("nan")
        out = grid(x)
        spoilt = torch.zeros(400, dtype=torch.bool)
        spoilt[[37, 399]] = True
        assert out[spoilt].isnan().all()
        assert torch.equal(out[~spoilt], right[~spoilt])


def test_views_with_strides_are_read_as_what_they_show() -> None:
    grid = hash_grid(3)
    wide = points(50, 6)
    for view in (wide[:, ::2], points(3, 50).T, wide[::3, :3], wide[:1, :3].expand(7, 3)):
        assert not view.is_contiguous()
        assert_twins_agree(grid, view)
        assert torch.equal(grid(view), grid(view.contiguous()))
    x = wide.clone().requires_grad_()
    out = grid(x[:, ::2])
    strided = torch.autograd.grad(out.sum(), x)[0]
    assert not strided[:, 1::2].any()
    expanded = torch.autograd.grad(grid(x[:, :3]), grid.params, torch.ones(1, 1).expand(out.shape))
    assert expanded[0].any()


@pytest.mark.parametrize("d", DIMENSIONS)
def test_gradients_are_those_of_finite_differences(d: int) -> None:
    grid = hash_grid(d)
    x = points(3, d, seed=4).requires_grad_()
    params = grid.params.detach().clone().requires_grad_()
    assert grid.kernels is not None
    assert torch.autograd.gradcheck(grid.kernels, (x, params), eps=1e-6, atol=1e-5, fast_mode=True)


def test_the_reference_is_differentiable_twice_and_the_twin_refuses() -> None:
    """Second derivatives mix axes: within a cell the interpolant is linear along each."""
    grid = dense_grid()
    x = points(4, 3, seed=5).requires_grad_()
    assert torch.autograd.gradgradcheck(grid.reference, (x,), eps=1e-7, atol=1e-5)
    out = grid(x)
    (slope,) = torch.autograd.grad(out.sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="reference twin"):
        slope.sum().backward()


def test_interpolation_reproduces_multilinear_functions() -> None:
    grid = DenseGrid((5, 3, 9), channels=4).double()
    axes = [torch.linspace(0, 1, n, dtype=torch.float64) for n in (5, 3, 9)]
    k, j, i = torch.meshgrid(axes[2], axes[1], axes[0], indexing="ij")  # x runs fastest

    def function(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        return torch.stack([x, y - 2 * z, x * y * z, 1 + 0 * x], dim=-1)

    grid.grid.data = function(i, j, k).reshape(-1)
    x = points(200, 3)
    torch.testing.assert_close(grid(x), function(*x.T), rtol=0, atol=1e-12)


def test_a_level_equals_the_interpolation_of_torch() -> None:
    grid = dense_grid()
    volume = grid.grid.detach().view(2, 9, 3, 5, 4).permute(0, 4, 1, 2, 3).reshape(1, 8, 9, 3, 5)
    x = points(100, 3)
    right = torch.nn.functional.grid_sample(
        volume, (2 * x - 1).view(1, -1, 1, 1, 3), align_corners=True
    )
    torch.testing.assert_close(grid(x), right.view(8, -1).T, rtol=0, atol=1e-12)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_a_hashed_vertex_has_the_row_of_the_papers_hash(d: int) -> None:
    """Equation 4 of instant-ngp, by Python's integers: the exclusive or of c_a times a prime."""
    grid, primes = hash_grid(d), (1, 2654435761, 805459861, 3674653429)
    assert grid.kernels is not None
    level, f = 3, FEATURES[d]
    hashed, size, first_row, column = grid.kernels.ints[1 + level * (4 + d) :][:4].tolist()
    assert hashed
    scale = float(grid.kernels.floats[level * (d + 1)])
    vertices = torch.randint(1, 19, (20, d), generator=torch.Generator().manual_seed(1))
    out = grid((vertices.double() - 0.5) / scale)
    for row, vertex in enumerate(vertices.tolist()):
        index = 0
        for c, prime in zip(vertex, primes):
            index ^= c * prime % 2**32
        start = (first_row + index % size) * f
        right = grid.table[start : start + f]
        torch.testing.assert_close(out[row, column : column + f], right, rtol=0, atol=1e-10)


def test_the_parameters_gradient_does_not_depend_on_the_number_of_threads() -> None:
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("one thread on this machine")
    grid, x = hash_grid(3), points(3000, 3)
    before = numba.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            numba.set_num_threads(threads)
            results.append(gradients(grid(x), grid.params)[0])
    finally:
        numba.set_num_threads(before)
    assert torch.equal(*results)
