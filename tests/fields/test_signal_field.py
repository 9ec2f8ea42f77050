"""Fields of signals: any number of coordinates and numbers, with gradients, in parts."""

from __future__ import annotations

import pytest
import torch

from polyfield.errors import InputError
from polyfield.fields import (
    DenseGrid,
    FrequencyEncoding,
    HashGrid,
    SignalDecoder,
    SignalField,
    signal_field,
)


@pytest.mark.parametrize("d", [1, 2, 3, 4])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("kind", ["hash", "dense", "frequency"])
def test_any_backbone_makes_any_signal(d: int, k: int, kind: str) -> None:
    backbone = {
        "hash": lambda: HashGrid(levels=3, log2_entries=8, max_resolution=32, in_dim=d),
        "dense": lambda: DenseGrid(resolution=5, channels=4, in_dim=d),
        "frequency": lambda: FrequencyEncoding(frequencies=3, in_dim=d),
    }[kind]()
    field = SignalField(backbone, SignalDecoder(backbone.out_dim, k, hidden=[8]))
    u = torch.rand(50, d)
    out = field(u)
    assert out.shape == (50, k)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in field.parameters())
    grouped = [p for group in field.parameter_groups() for p in group["params"]]
    assert {id(p) for p in grouped} == {id(p) for p in field.parameters()}


def test_many_points_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = HashGrid(levels=3, log2_entries=8, max_resolution=32, in_dim=2)
    field = SignalField(backbone, SignalDecoder(backbone.out_dim, 2))
    u = torch.rand(101, 2)
    monkeypatch.setattr(signal_field, "CHUNK", 10)
    torch.testing.assert_close(field.signal(u), field(u).detach())
    assert field.signal(u[:0]).shape == (0, 2)


def test_a_sigmoid_stays_in_the_unit_interval_and_no_hidden_layer_is_linear() -> None:
    x = 50 * torch.randn(100, 6)
    out = SignalDecoder(6, 3, output="sigmoid")(x)
    assert 0 <= out.min() < 0.1 < 0.9 < out.max() <= 1
    line = SignalDecoder(6, 3, hidden=[])
    torch.testing.assert_close(line(x) + line(-x), 2 * line(0 * x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": [0]}, r"decoder\.hidden"),
        ({"output": "tanh"}, r"decoder\.output: found tanh"),
        ({"lr_scale": -1.0}, r"decoder\.lr_scale"),
    ],
)
def test_wrong_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SignalDecoder(4, 1, **settings)


def test_parts_must_fit() -> None:
    with pytest.raises(InputError, match=r"decoder\.in_dim: found 5, expected 21"):
        SignalField(FrequencyEncoding(frequencies=3), SignalDecoder(5))
