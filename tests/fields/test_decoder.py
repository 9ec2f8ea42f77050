"""The decoder in torch: densities, colours, layouts and refusals. Its kernels: tests/renderers."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields import RadianceDecoder


def features(n: int, c: int) -> Tensor:
    return torch.randn(n, c, generator=torch.Generator().manual_seed(0))


def unit(n: int) -> Tensor:
    return nn.functional.normalize(features(n, 3) + 0.1, dim=-1)


def as_modules(flat: Tensor, widths: list[int]) -> nn.Sequential:
    """The flat layout read as its docstring says: weight [in, out] row by row, then bias."""
    layers: list[nn.Module] = []
    at = 0
    for fan_in, fan_out in pairwise(widths):
        layer = nn.Linear(fan_in, fan_out)
        layer.weight.data = flat[at : at + fan_in * fan_out].view(fan_in, fan_out).T
        at += fan_in * fan_out
        layer.bias.data = flat[at : at + fan_out]
        at += fan_out
        layers += [layer, nn.ReLU()]
    assert at == len(flat)
    return nn.Sequential(*layers[:-1])


def test_networks_have_the_documented_layout() -> None:
    decoder = RadianceDecoder(
        6, (8, 7), geometry=5, color="mlp", hidden=(9,), sh_degree=1, shift=0.3
    )
    with torch.no_grad():
        decoder.trunk.add_(0.1)
        decoder.color.add_(0.1)
    x, directions = features(20, 6), unit(20)
    density, geometry = decoder.density(x)
    out = as_modules(decoder.trunk.detach(), [6, 8, 7, 6])(x)
    torch.testing.assert_close(density, torch.exp(out[:, 0] + 0.3))
    torch.testing.assert_close(geometry, out[:, 1:])
    ray_features = decoder.ray_features(directions)
    head = as_modules(decoder.color.detach(), [9, 9, 3])
    right = torch.sigmoid(head(torch.cat([geometry, ray_features], -1)))
    torch.testing.assert_close(decoder.color_of(geometry, ray_features), right)


def test_a_skip_layer_sees_the_features_again() -> None:
    decoder = RadianceDecoder(4, (5, 6), geometry=1, color="mlp", hidden=(), sh_degree=0, skip=2)
    sizes = [4 * 5, 5, (5 + 4) * 6, 6, 6 * 2, 2]
    w1, b1, w2, b2, w3, b3 = decoder.trunk.detach().split(sizes)
    x = features(10, 4)
    h = torch.relu(x @ w1.view(4, 5) + b1)
    h = torch.relu(torch.cat([h, x], -1) @ w2.view(9, 6) + b2)
    out = h @ w3.view(6, 2) + b3
    density, geometry = decoder.density(x)
    torch.testing.assert_close(density, torch.exp(out[:, 0]))
    torch.testing.assert_close(geometry[:, 0], out[:, 1])


def test_without_a_trunk_the_first_features_are_the_density() -> None:
    decoder = RadianceDecoder(16, None, summed=4, color="sh", sh_degree=1, activation="softplus")
    assert decoder.trunk.numel() == decoder.color.numel() == 0
    assert decoder.parameter_groups() == []
    x, directions = features(20, 16), unit(20)
    density, geometry = decoder.density(x)
    torch.testing.assert_close(density, nn.functional.softplus(x[:, :4].sum(-1)))
    assert torch.equal(geometry, x[:, 4:])
    basis = decoder.ray_features(directions)
    rgb = decoder.color_of(geometry, basis)
    for channel in range(3):
        value = (geometry[:, 4 * channel : 4 * channel + 4] * basis).sum(-1)
        torch.testing.assert_close(rgb[:, channel], torch.sigmoid(value))


def test_a_basis_is_seen_with_its_waves() -> None:
    """TensoRF's network: features by a matrix, sines and cosines of them, the view."""
    decoder = RadianceDecoder(
        9, None, summed=4, color="mlp", hidden=(6,), sh_degree=1, basis=2, octaves=2
    )
    matrix = decoder.color.detach()[: 5 * 2].view(5, 2)
    head = as_modules(decoder.color.detach()[10:], [2 * 5 + 4, 6, 3])
    geometry, view = features(20, 5), decoder.ray_features(unit(20))
    a = geometry @ matrix
    waves = [a.sin(), a.cos(), (2 * a).sin(), (2 * a).cos()]
    right = torch.sigmoid(head(torch.cat([a, *waves, view], -1)))
    torch.testing.assert_close(decoder.color_of(geometry, view), right)


def test_densities_are_scaled_and_learn_at_their_own_rate() -> None:
    plain, scaled = (
        RadianceDecoder(4, None, color="sh", sh_degree=0, scale=scale) for scale in (1.0, 25.0)
    )
    x = features(10, 4)
    torch.testing.assert_close(scaled.density(x)[0], 25 * plain.density(x)[0])
    (group,) = RadianceDecoder(4, (8,), lr_scale=0.05).parameter_groups()
    assert group["lr_scale"] == 0.05


@pytest.mark.parametrize("activation", ["exp", "softplus"])
def test_densities_are_positive_finite_and_keep_a_slope(activation: Any) -> None:
    decoder = RadianceDecoder(4, None, color="sh", sh_degree=0, activation=activation)
    raw = torch.tensor([-80.0, -5.0, 0.0, 5.0, 14.9, 15.1, 80.0])
    x = torch.zeros(7, 4)
    x[:, 0] = raw
    x.requires_grad_()
    density, _ = decoder.density(x)
    assert density.isfinite().all()
    assert (density >= 0).all()
    (slope,) = torch.autograd.grad(density.sum(), x)
    if activation == "exp":
        right = torch.exp(raw.clamp(max=15))
        torch.testing.assert_close(density, right)
        torch.testing.assert_close(slope[:, 0], right)  # beyond the cut as well
    else:
        torch.testing.assert_close(density, nn.functional.softplus(raw, threshold=15))
        torch.testing.assert_close(slope[:, 0], torch.sigmoid(raw), rtol=1e-5, atol=1e-6)


def test_codes_follow_the_harmonics_and_are_zero_when_not_given() -> None:
    decoder = RadianceDecoder(4, (8,), color="mlp", code_dim=3, sh_degree=2)
    directions, codes = unit(5), features(5, 3)
    given = decoder.ray_features(directions, codes)
    assert given.shape == (5, 12)
    assert torch.equal(given[:, 9:], codes)
    assert not decoder.ray_features(directions)[:, 9:].any()
    geometry = features(5, 15)
    assert (decoder.color_of(geometry, given) != decoder.color_of(geometry, 0 * given)).any()


def test_weights_start_by_hes_rule_from_the_generator() -> None:
    first, again = (
        RadianceDecoder(32, (64,), generator=torch.Generator().manual_seed(1)) for _ in range(2)
    )
    assert torch.equal(first.trunk, again.trunk)
    weight, bias = first.trunk.detach()[: 32 * 64], first.trunk.detach()[32 * 64 : 33 * 64]
    assert float(weight.std()) == pytest.approx(math.sqrt(2 / 32), rel=0.05)
    assert not bias.any()


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"color": "rgb"}, "decoder.color"),
        ({"activation": "relu"}, "decoder.activation"),
        ({"color": "sh", "code_dim": 2}, "decoder.color"),
        ({"trunk": None, "color": "sh", "sh_degree": 2}, "decoder.sh_degree"),
        ({"color": "sh", "sh_degree": 5}, "decoder.sh_degree"),
        ({"color": "mlp", "sh_degree": -1}, "decoder.sh_degree"),
        ({"trunk": None, "color": "mlp", "summed": 17}, "decoder.summed"),
        ({"trunk": None, "color": "mlp", "summed": 0}, "decoder.summed"),
        ({"scale": 0.0}, "decoder.scale"),
        ({"lr_scale": -1.0}, "decoder.lr_scale"),
        ({"basis": 3, "color": "sh"}, "decoder.basis"),
        ({"basis": 3, "color": "linear"}, "decoder.basis"),
        ({"geometry": 0, "color": "linear"}, "decoder.geometry"),
        ({"basis": -1, "color": "mlp"}, "decoder.basis"),
        ({"octaves": 2, "color": "mlp"}, "decoder.octaves"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as error:
        RadianceDecoder(16, **arguments)
    assert error.value.field == field


def test_a_decoder_learns_at_its_own_rate() -> None:
    (group,) = RadianceDecoder(16, lr_scale=0.25).parameter_groups()
    assert group["lr_scale"] == 0.25
