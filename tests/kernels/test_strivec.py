"""Clouds of tri-vector tensors: the cpu twin against plain torch, and the voxel hash by itself."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from torch import Tensor

from polyfield.errors import InputError
from polyfield.fields import Strivec
from polyfield.kernels.strivec import NEAREST
from polyfield.kernels.voxel_hash import find_list, voxel_hash


def sphere(n: int, radius: float = 0.3) -> Tensor:
    """Points on a sphere in the middle of the unit cube."""
    points = torch.randn(n, 3, generator=torch.Generator().manual_seed(n))
    return 0.5 + radius * torch.nn.functional.normalize(points, dim=1)


@cache
def cloud(spacing: float = 4 / 3, double: bool = True) -> Strivec:
    """Two levels around a sphere, with values of order one; colour two registers wide."""
    field = Strivec((0.2, 0.1), spacing, max_resolution=24, density=8, color=16)
    generator = torch.Generator().manual_seed(1)
    field.place(sphere(400), generator)
    torch.nn.init.normal_(field.table, generator=generator)
    return field.double() if double else field


def points(n: int, spread: float = 1.2) -> Tensor:
    """Points of a cube somewhat larger than the unit cube."""
    x = torch.rand(n, 3, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    return (x - 0.5) * spread + 0.5


@pytest.mark.parametrize("n", [1, 3000])
@pytest.mark.parametrize("spacing", [4 / 3, 0.5])
def test_twins_agree(n: int, spacing: float) -> None:
    """Values, and gradients of points and vectors; with half the spacing many more than K cover."""
    field, x = cloud(spacing), points(n).requires_grad_()
    ours, right = field(x), field.reference(x)
    torch.testing.assert_close(ours, right, rtol=1e-11, atol=1e-11)
    weights = torch.randn(ours.shape, generator=torch.Generator().manual_seed(2)).double()
    gradients = [torch.autograd.grad((y * weights).sum(), [x, field.table]) for y in (ours, right)]
    for a, b in zip(*gradients):
        assert b.any() or n == 1
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def covering(field: Strivec, x: Tensor) -> Tensor:
    """How many tensors of the finest level a point lies in, [n]."""
    level = field.levels[-1]
    apart = (x[:, None] - torch.from_numpy(level.centers)).abs()
    return (apart <= level.half).all(dim=-1).sum(dim=1)


def test_a_point_sees_the_nearest_and_no_more() -> None:
    field, x = cloud(0.5), points(2000)
    many = covering(field, x) > NEAREST
    assert many.sum() > 20
    kept = field(x)[many]
    without = Strivec((0.2, 0.1), 0.5, max_resolution=24, density=8, color=16).double()
    without.take_structure(field.state_dict())
    without.load_state_dict(field.state_dict())
    with torch.no_grad():  # the farthest of those that cover the first point
        level, point = field.levels[-1], x[many][:1]
        apart = point - torch.from_numpy(level.centers)
        inside = (apart.abs() <= level.half).all(dim=-1)
        farthest = int(apart.norm(dim=-1).where(inside, torch.tensor(-1.0)).argmax())
        for view in without._views(without.table)[1::2]:
            view[farthest] = 1e6
    torch.testing.assert_close(without(point)[0], kept[0])


def test_gradients_are_those_of_finite_differences() -> None:
    """Away from where tensors begin and end, and from where points are clamped."""
    field, step = cloud(), 1e-6
    x = points(400, 0.9)
    around = [x + sign * 2 * step * torch.eye(3)[a] for sign in (-1, 1) for a in range(3)]
    sets = [[(covering(field, y), field(y)) for y in (x, *around)]][0]
    calm = torch.stack([(count == sets[0][0]) & (count > 1) for count, _ in sets]).all(dim=0)
    x = x[calm][:6].requires_grad_()
    assert len(x) == 6
    assert field.kernels is not None
    table = field.table.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, table: field.kernels(x, table)[:, ::5], (x, table), eps=step, atol=1e-4,
        fast_mode=True,
    )  # fmt: skip


def test_features_are_three_linear_in_the_vectors_and_nothing_outside() -> None:
    field, x = cloud(), points(500)
    assert field.kernels is not None
    once, twice = field.kernels(x, field.table), field.kernels(x, 2 * field.table)
    torch.testing.assert_close(twice, 8 * once)
    far = torch.tensor([[0.99, 0.01, 0.99], [0.01, 0.01, 0.99]], dtype=torch.float64)
    assert torch.equal(field(far), torch.zeros(2, field.out_dim, dtype=torch.float64))


def test_a_constant_is_kept_by_the_weights() -> None:
    """They are normalised: vectors of ones make ones wherever there is a tensor."""
    field, x = cloud(), points(800)
    assert field.kernels is not None
    ones = field.kernels(x, torch.ones_like(field.table))
    torch.testing.assert_close(ones, ones.round())
    assert set(ones.round().unique().tolist()) == {0.0, 1.0}
    seen = (covering(field, x.clamp(0, 1)) > 0).double()
    torch.testing.assert_close(ones[:, 4], seen)


def test_single_precision_is_close_and_no_points_are_none() -> None:
    double, single = cloud(), cloud(double=False)
    x = points(2000).float()
    ours, right = single(x), single.reference(x)
    torch.testing.assert_close(ours, right, rtol=1e-3, atol=1e-3)
    assert single(x[:0]).shape == (0, single.out_dim)
    close = (ours.double() - double(x.double())).abs().amax(dim=1) < 1e-3
    assert close.float().mean() > 0.99  # all but those within a rounding of a tensor's end


def test_what_is_no_number_does_not_pass_for_empty_space() -> None:
    field = cloud()
    x = torch.tensor([[0.5, float("nan"), 0.5], [0.01, 0.01, 0.99]], dtype=torch.float64)
    for values in (field(x), field.reference(x)):
        assert values[0].isnan().all()
        assert not values[1].any()


def test_a_table_of_another_length_is_refused_before_it_is_read() -> None:
    field = cloud()
    assert field.kernels is not None
    with pytest.raises(InputError, match="parameters"):
        field.kernels(points(3), field.table[:-1])


@njit
def listed(table, bits, keys, out):  # type: ignore[no-untyped-def]
    for i in range(len(keys)):
        out[i] = find_list(table, bits, keys[i])


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.integers(0, 60), st.integers(1, 40), st.floats(0.001, 0.5))
def test_the_hash_lists_every_box_that_reaches_into_a_cell(n: int, cells: int, half: float) -> None:
    random = np.random.default_rng(n)
    centers, x = random.random((n, 3)), random.random((50, 3))
    table, bits = voxel_hash(centers, half, cells)
    i, j, k = np.minimum((x * cells).astype(np.int64), cells - 1).T
    found = np.empty(50, np.int64)
    listed(table, bits, (i * cells + j) * cells + k, found)
    for point, at in zip(x, found):
        boxes = [] if at < 0 else table[at + 1 : at + 1 + table[at]].tolist()
        inside = np.nonzero((np.abs(point - centers) <= half).all(axis=1))[0]
        assert set(inside) <= set(boxes)
        assert boxes == sorted(set(boxes))
