"""The map of the world to the unit cube: the kernels' against the field's, autograd and itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from polyfield.errors import InputError
from polyfield.fields import Domain
from polyfield.kernels.blocks import specialise
from polyfield.kernels.domain import to_unit, to_unit_backward
from polyfield.kernels.packed_reference import to_unit_reference

BOUNDS = [[-1.0, -0.75, -1.25], [1.125, 0.875, 1.0]]
KINDS = ["box", "contract_l2", "contract_linf"]
CONTRACTIONS = KINDS[1:]
kinds = pytest.mark.parametrize("kind", KINDS)


def _images(kind, box, x, u):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        u[i, 0], u[i, 1], u[i, 2] = to_unit(kind, box, x[i, 0], x[i, 1], x[i, 2])


def _slopes(kind, box, x, d_u, d_x):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        d_x[i, 0], d_x[i, 1], d_x[i, 2] = to_unit_backward(
            kind, box, x[i, 0], x[i, 1], x[i, 2], d_u[i, 0], d_u[i, 1], d_u[i, 2]
        )


def box_of() -> np.ndarray:
    lower, upper = np.array(BOUNDS)
    return np.concatenate([lower, 1 / (upper - lower)])


def images(domain: Domain, x: Tensor) -> Tensor:
    """What the kernels make of points."""
    u = torch.empty_like(x)
    specialise(_images, parallel=False)(domain.code, box_of(), x.numpy(), u.numpy())
    return u


def slopes(domain: Domain, x: Tensor, d_u: Tensor) -> Tensor:
    """What the kernels make of gradients."""
    d_x = torch.empty_like(x)
    arrays = (x.numpy(), d_u.numpy(), d_x.numpy())
    specialise(_slopes, parallel=False)(domain.code, box_of(), *arrays)
    return d_x


def world(n: int, scale: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return scale * torch.randn(n, 3, generator=generator, dtype=torch.float64)


@kinds
def test_the_kernels_map_as_the_domain_does(kind: Any) -> None:
    domain = Domain(BOUNDS, kind)
    for scale in (0.5, 3.0, 1e4):
        x = world(500, scale)
        torch.testing.assert_close(images(domain, x), domain.to_unit(x), rtol=1e-12, atol=1e-12)
        right = to_unit_reference(domain.code, torch.from_numpy(box_of()), x)
        torch.testing.assert_close(domain.to_unit(x), right, rtol=1e-12, atol=1e-12)


@kinds
def test_the_kernels_gradient_is_that_of_autograd(kind: Any) -> None:
    domain = Domain(BOUNDS, kind)
    x = world(500)
    d_u = torch.randn(500, 3, generator=torch.Generator().manual_seed(1)).double()
    leaf = x.clone().requires_grad_()
    (right,) = torch.autograd.grad((domain.to_unit(leaf) * d_u).sum(), leaf)
    torch.testing.assert_close(slopes(domain, x, d_u), right, rtol=1e-10, atol=1e-12)


@kinds
def test_the_world_comes_back(kind: Any) -> None:
    domain = Domain(BOUNDS, kind)
    x = world(500)
    torch.testing.assert_close(domain.to_world(domain.to_unit(x)), x, rtol=1e-9, atol=1e-9)
    assert domain.to_world(domain.to_unit(x.float())).dtype == torch.float32


def test_a_box_maps_its_corners_to_those_of_the_cube() -> None:
    domain = Domain(BOUNDS)
    corners = domain.to_unit(torch.tensor(BOUNDS, dtype=torch.float64))
    assert torch.equal(corners, torch.tensor([[0.0] * 3, [1.0] * 3], dtype=torch.float64))


@pytest.mark.parametrize("kind", CONTRACTIONS)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    direction=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda d: max(map(abs, d)) > 1e-3),
    exponent=st.floats(-3, 15),
)
def test_a_contraction_keeps_all_of_space_within_the_cube(
    kind: Any, direction: tuple[float, float, float], exponent: float
) -> None:
    domain = Domain(BOUNDS, kind)
    x = 10.0**exponent * torch.tensor([direction], dtype=torch.float64)
    for u in (domain.to_unit(x), images(domain, x), domain.to_unit(x.float())):
        assert (u >= 0).all()
        assert (u <= 1).all()
    if kind == "contract_l2":
        assert torch.linalg.vector_norm(4 * domain.to_unit(x) - 2) <= 2 + 1e-9


@pytest.mark.parametrize("kind", CONTRACTIONS)
def test_a_contraction_is_continuous_with_its_slope_where_it_begins(kind: Any) -> None:
    """At |x| = 1, in units of half the box: c and its derivative along the ray agree."""
    domain = Domain(BOUNDS, kind)
    lower, upper = torch.tensor(BOUNDS, dtype=torch.float64)
    middle, half = (lower + upper) / 2, (upper - lower) / 2
    direction = torch.randn(50, 3, generator=torch.Generator().manual_seed(2)).double()
    order = 2.0 if kind == "contract_l2" else float("inf")
    direction = direction / torch.linalg.vector_norm(direction, ord=order, dim=-1, keepdim=True)
    eps = 1e-6

    def at(radius: float) -> Tensor:
        return images(domain, middle + radius * half * direction)

    torch.testing.assert_close(at(1.0), 0.5 + 0.25 * direction, rtol=0, atol=1e-12)
    torch.testing.assert_close(at(1 + 1e-12), at(1 - 1e-12), rtol=0, atol=1e-11)
    inner, outer = (at(1.0) - at(1 - eps)) / eps, (at(1 + eps) - at(1.0)) / eps
    torch.testing.assert_close(inner, outer, rtol=0, atol=1e-5)
    torch.testing.assert_close(at(2.0), 0.5 + 0.25 * 1.5 * direction, rtol=0, atol=1e-12)
    torch.testing.assert_close(at(1e9), 0.5 + 0.25 * 2 * direction, rtol=0, atol=1e-8)


@pytest.mark.parametrize("kind", CONTRACTIONS)
def test_the_box_fills_the_middle_half(kind: Any) -> None:
    domain = Domain(BOUNDS, kind)
    lower, upper = torch.tensor(BOUNDS, dtype=torch.float64)
    faces = ((lower + upper) / 2).repeat(6, 1)
    for axis in range(3):
        faces[2 * axis, axis], faces[2 * axis + 1, axis] = lower[axis], upper[axis]
    u = domain.to_unit(faces)
    for axis in range(3):
        assert float(u[2 * axis, axis]) == pytest.approx(0.25)
        assert float(u[2 * axis + 1, axis]) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"bounds": BOUNDS, "kind": "sphere"}, "domain.kind"),
        ({"bounds": [[1, 0, 0], [0, 1, 1]]}, "domain.bounds"),
        ({"bounds": [[0, 0, 0], [0, 1, 1]]}, "domain.bounds"),
        ({"bounds": [0, 1]}, "domain.bounds"),
        ({"bounds": [[float("nan"), 0, 0], [1, 1, 1]]}, "domain.bounds"),
        ({"bounds": [[0, 0, 0], [1, float("inf"), 1]]}, "domain.bounds"),
        ({"bounds": [[0, float("-inf"), 0], [1, float("inf"), 1]]}, "domain.bounds"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments: dict, field: str) -> None:
    with pytest.raises(InputError) as error:
        Domain(**arguments)
    assert error.value.field == field
