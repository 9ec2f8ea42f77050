"""Networks of coordinates: how they begin, what they tell apart, their derivatives."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from polyfield.errors import InputError
from polyfield.fields import CoordinateNetwork
from polyfield.fields.activations import ACTIVATIONS, SIGMA
from polyfield.fields.coordinate_network import NETWORKS


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_the_layers_are_those_of_the_papers() -> None:
    z, omega = torch.linspace(-2, 2, 41, dtype=torch.float64), 7.0
    values = {name: kind.value(z, omega) for name, kind in ACTIVATIONS.items()}
    torch.testing.assert_close(values["siren"], torch.sin(omega * z))
    outward = torch.where(z > 0, z + z * z, z - z * z)
    torch.testing.assert_close(values["finer"], torch.sin(omega * outward))
    wavelet = torch.exp(1j * omega * z - (SIGMA * z).square())
    torch.testing.assert_close(values["wire"], wavelet.real)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_layers_of_sines_begin_alike_however_many(d: int) -> None:
    """SIREN's initialisation (theorem 1.8): what goes into a sine has twice the variance v of what
    comes out of the one before, so that v = (1 - exp(-4 v)) / 2, whatever the depth."""
    x = torch.rand(4096, d)
    for depth in (2, 4, 8):
        features = CoordinateNetwork("siren", [256] * depth, in_dim=d)(x)
        assert float(features.detach().square().mean()) == pytest.approx(0.41, abs=0.05)
        assert float(features.detach().mean()) == pytest.approx(0.0, abs=0.06)


@pytest.mark.parametrize("network", [name for name in NETWORKS if name != "hash"])
def test_derivatives_of_both_orders_are_those_of_finite_differences(network: Any) -> None:
    made = CoordinateNetwork(network, [5, 5], 2, frequencies=2, max_resolution=4, in_dim=2).double()
    x = torch.rand(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(made, x)
    assert torch.autograd.gradgradcheck(made, x, atol=1e-4)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("d", [1, 3])
def test_any_network_gives_what_it_says_and_learns_all_it_has(
    network: Any, d: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYFIELD_KERNELS", "reference")
    for outputs, width in ((None, 6), (4, 4)):
        made = CoordinateNetwork(network, [8, 6], outputs, in_dim=d, log2_entries=8)
        x = torch.rand(50, d)
        out = made(x)
        assert out.shape == (50, width) == (50, made.out_dim)
        out.square().sum().backward()
        assert all(p.grad is not None and bool(p.grad.any()) for p in made.parameters())
        grouped = [p for group in made.parameter_groups() for p in group["params"]]
        assert {id(p) for p in grouped} == {id(p) for p in made.parameters()}
        assert made(x[:0]).shape == (0, width)


@pytest.mark.parametrize("network", ["relu", "tanh"])
def test_an_encoding_can_just_show_the_samples_that_it_is_made_for(network: Any) -> None:
    """Its fastest wave changes sign from one of R samples to the next, its slowest never."""
    R = 40
    encoding = CoordinateNetwork(network, [4], max_resolution=R, in_dim=1).encoding
    assert encoding is not None
    centres = ((torch.arange(R, dtype=torch.float64) + 0.5) / R)[:, None]
    waves = encoding(centres)[:, 1:33]
    assert int((waves[1:, -1].sign() != waves[:-1, -1].sign()).sum()) == R - 1
    assert int((waves[1:, 0].sign() != waves[:-1, 0].sign()).sum()) == 1


def test_the_last_layer_is_scaled_to_the_deviation_that_is_asked_for() -> None:
    made, x = CoordinateNetwork("siren", [32, 32], 5, in_dim=1), torch.rand(500, 1)
    made.spread(0.3, x)
    assert float(made(x).detach().std()) == pytest.approx(0.3)


def test_a_network_that_is_given_a_seed_is_the_same() -> None:
    x = torch.rand(20, 2)
    values = [
        CoordinateNetwork("finer", [8], in_dim=2, generator=torch.Generator().manual_seed(3))(x)
        for _ in range(2)
    ]
    assert torch.equal(*values)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "sine"}, r"field\.network: found sine, expected relu or tanh or siren"),
        ({"hidden": []}, r"field\.hidden"),
        ({"hidden": [8, 0]}, r"field\.hidden: found \[8, 0\]"),
        ({"omega": 0.0}, r"field\.omega: found 0\.0, expected above 0"),
        ({"first_omega": math.nan}, r"field\.first_omega: found nan"),
        ({"network": "relu", "omega": 3.0}, r"field\.omega: found 3\.0, expected null"),
        ({"network": "relu", "frequencies": 0}, r"field\.frequencies: found 0"),
        ({"network": "relu", "max_resolution": 1}, r"field\.max_resolution: found 1"),
        ({"network": "hash", "log2_entries": 2}, r"field\.log2_entries: found 2"),
        ({"in_dim": 5}, r"field\.in_dim: found 5"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CoordinateNetwork(**settings)
