"""The frequency encoding: doubled angles against sines of the angles themselves."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from polyfield.errors import InputError
from polyfield.fields import FrequencyEncoding


def points(n: int, d: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(n, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(
        dtype
    )


@pytest.mark.parametrize("d", [1, 2, 3, 4])
@pytest.mark.parametrize("frequencies", [0, 1, 10])
def test_twins_agree_in_values_and_slopes(d: int, frequencies: int) -> None:
    encoding = FrequencyEncoding(frequencies, in_dim=d).double()
    x = (2 * points(50, d) - 0.5).requires_grad_()  # beyond the cube as well
    ours, right = encoding(x), encoding.reference(x)
    assert ours.shape == (50, encoding.out_dim) == (50, d * (1 + 2 * frequencies))
    torch.testing.assert_close(ours, right, rtol=0, atol=1e-11)
    weights = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1)).double()
    a, b = (torch.autograd.grad((out * weights).sum(), x)[0] for out in (ours, right))
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-9)


def test_columns_are_in_the_documented_order() -> None:
    x = points(10, 2)
    y = 2 * x - 1
    right = [y]
    for i in range(3):
        right += [torch.sin(2**i * math.pi * y), torch.cos(2**i * math.pi * y)]
    out = FrequencyEncoding(3, in_dim=2).double()(x)
    torch.testing.assert_close(out, torch.cat(right, -1), rtol=0, atol=1e-12)


def test_doubling_loses_nothing_in_single_precision() -> None:
    """Ten doublings of an angle in float32 would lose three digits; these are made in float64."""
    x = points(200, 3, torch.float32)
    single = FrequencyEncoding(10)(x)
    exact = FrequencyEncoding(10).double().reference(x.double())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=0, atol=2e-7)


def test_gradients_are_those_of_finite_differences() -> None:
    encoding = FrequencyEncoding(3).double()
    x = points(4, 3).requires_grad_()
    assert torch.autograd.gradcheck(encoding, (x,))
    assert torch.autograd.gradgradcheck(encoding.reference, (x,))
    (slope,) = torch.autograd.grad(encoding(x).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="reference twin"):
        slope.sum().backward()


def test_no_points_strided_points_and_not_a_number() -> None:
    encoding = FrequencyEncoding(2).double()
    assert encoding(points(0, 3)).shape == (0, 15)
    x = points(12, 6)
    assert torch.equal(encoding(x[:, ::2]), encoding(x[:, ::2].contiguous()))
    x = x[:, :3].clone()
    right = encoding(x)
    x[4, 1] = float("nan")
    out = encoding(x)
    others = [i for i in range(12) if i != 4]
    assert torch.equal(out[others], right[others])
    assert out[4, 1::3].isnan().all()
    assert torch.equal(out[4, ::3], right[4, ::3])


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"frequencies": -1}, "field.frequencies"),
        ({"frequencies": 21}, "field.frequencies"),
        ({"in_dim": 0}, "field.in_dim"),
        ({"in_dim": 5}, "field.in_dim"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments: dict[str, int], field: str) -> None:
    with pytest.raises(InputError) as error:
        FrequencyEncoding(**arguments)
    assert error.value.field == field
