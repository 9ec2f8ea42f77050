"""Networks of coordinates: implicit neural representations, and the axis networks of F-INR.

Letters: n points, d coordinates, c features, L frequencies, R samples across the cube.

Networks see t = 2 x - 1 in [-1, 1]^d; those whose layers cannot tell neighbours apart see it
through an encoding:

    relu, tanh          (t, sin(f t), cos(f t)) at L frequencies f, evenly spaced in their logarithm
                        from pi / 2 to pi R / 2, where half a wave is as long as a sample
    siren, finer, wire  t itself
    hash                a multiresolution hash grid (`fields.hash_grid`), then rectified layers

Plain torch, on any device; derivatives of any order but for the hash grid's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields.activations import ACTIVATIONS
from polyfield.fields.backbone import Backbone
from polyfield.fields.hash_grid import HashGrid

NETWORKS = (*ACTIVATIONS, "hash")
LEVELS, BASE = 16, 16  # of a hash grid, and its coarsest cells
TABLE = 0.1  # within which its entries begin
TABLE_RATE = 10.0  # at which its table learns, relative to the layers

Network = Literal["relu", "tanh", "siren", "finer", "wire", "hash"]


class CoordinateNetwork(Backbone):
    """A network from coordinates to features.

    Args:
        network: one of `NETWORKS`.
        hidden: widths of the hidden layers.
        outputs: c, of a linear last layer; None: the last hidden layer is the features.
        omega, first_omega: frequency of hidden layers and of the first, where the network has one;
            None: those of `ACTIVATIONS`.
        frequencies: L, of an encoding.
        log2_entries: binary logarithm of the entries of a hash grid's level.
        max_resolution: R, the finest that an encoding tells apart.
        in_dim: coordinates, 1 to 4.
        generator: source of the initial values.
    """

    head = ()

    def __init__(
        self,
        network: Network = "siren",
        hidden: Sequence[int] = (256, 256, 256, 256),
        outputs: int | None = None,
        omega: float | None = None,
        first_omega: float | None = None,
        frequencies: int = 32,
        log2_entries: int = 14,
        max_resolution: int = 256,
        in_dim: int = 3,
        generator: torch.Generator | None = None,
    ) -> None:
        if network not in NETWORKS:
            expected = " or ".join(NETWORKS)
            raise InputError(field="field.network", found=network, expected=expected)
        if not hidden or any(width < 1 for width in hidden):
            expected = "positive widths, at least one"
            raise InputError(field="field.hidden", found=list(hidden), expected=expected)
        super().__init__(in_dim=in_dim, out_dim=hidden[-1] if outputs is None else outputs)
        self.activation = ACTIVATIONS["relu" if network == "hash" else network]
        self.omegas = _omegas(network, first_omega, omega, len(hidden))
        self.encoding: nn.Module | None = None
        inputs = in_dim
        if network in ("relu", "tanh"):
            self.encoding = _Waves(frequencies, max_resolution)
            inputs = in_dim * (1 + 2 * frequencies)
        if network == "hash":
            self.encoding = HashGrid(
                LEVELS, 2, log2_entries, min(BASE, max_resolution), max_resolution,
                in_dim=in_dim, generator=generator,
            )  # fmt: skip
            # What a product is made of must not begin at nothing.
            nn.init.uniform_(self.encoding.table, -TABLE, TABLE, generator)
            inputs = self.encoding.out_dim
        widths = [inputs, *hidden]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for i, (n, m) in enumerate(zip(widths, hidden)):
            bound = self.activation.bound(n, m, self.omegas[i], i == 0)
            shift = self.activation.first_bias if i == 0 else 0.0
            self._add(n, m, bound, shift, generator)
        self.linear = outputs is not None
        if outputs is not None:
            self._add(hidden[-1], outputs, math.sqrt(3 / hidden[-1]), 0.0, generator)

    def _add(
        self, n: int, m: int, bound: float, shift: float, generator: torch.Generator | None
    ) -> None:
        for into, shape, within in (
            (self.weights, (m, n), bound),
            (self.biases, (m,), shift),
        ):
            values = torch.empty(shape).uniform_(-within, within, generator=generator)
            into.append(nn.Parameter(values))

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        """Features of points in [0, 1]^d."""
        x = x.to(self.weights[0].dtype)
        h = 2 * x - 1 if self.encoding is None else self.encoding(x)
        layers = list(zip(self.weights, self.biases))
        for omega, (weight, bias) in zip(self.omegas, layers):
            h = self.activation.value(nn.functional.linear(h, weight, bias), omega)
        return nn.functional.linear(h, *layers[-1]) if self.linear else h

    def reference(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        """The same: there is one twin."""
        return self.forward(x)

    @torch.no_grad()
    def spread(self, deviation: float, x: Float[Tensor, "n d"]) -> None:
        """Scale the last layer so that features of these points begin with this deviation."""
        self.weights[-1].mul_(deviation / self.forward(x).std())

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The layers, and the table of a hash grid at a rate of its own."""
        layers = [*self.weights, *self.biases]
        groups: list[dict[str, Any]] = [
            {"params": layers, "name": "network", "lr_scale": 1.0, "sparse": False}
        ]
        if isinstance(self.encoding, HashGrid):
            table = {"params": [self.encoding.table], "name": "grid", "sparse": True}
            groups.append({**table, "lr_scale": TABLE_RATE})
        return groups


class _Waves(nn.Module):
    """Coordinates, and sines and cosines of them.

    Args:
        count: L; resolution: R.
    """

    frequencies: Tensor

    def __init__(self, count: int, resolution: int) -> None:
        super().__init__()
        limits = {"frequencies": (count, 1, 1024), "max_resolution": (resolution, 2, 1 << 20)}
        for name, (value, low, high) in limits.items():
            if not low <= value <= high:
                raise InputError(field=f"field.{name}", found=value, expected=f"{low} to {high}")
        octaves = torch.linspace(0, math.log2(resolution), count, dtype=torch.float64)
        self.register_buffer("frequencies", math.pi / 2 * octaves.exp2(), persistent=False)

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        t = 2 * x - 1
        phases = (t[:, :, None] * self.frequencies.to(t.dtype)).flatten(1)
        return torch.cat([t, phases.sin(), phases.cos()], dim=1)


def _omegas(network: str, first: float | None, other: float | None, layers: int) -> list[float]:
    """The frequency of each hidden layer, 0 where the network has none."""
    known = ACTIVATIONS.get(network, ACTIVATIONS["relu"])
    made = []
    for name, value, usual in (
        ("first_omega", first, known.first_omega),
        ("omega", other, known.omega),
    ):
        if usual is None and value is not None:
            expected = f"null: network={network} has none"
            raise InputError(field=f"field.{name}", found=value, expected=expected)
        if value is not None and not 0 < value < math.inf:
            raise InputError(field=f"field.{name}", found=value, expected="above 0, finite")
        made.append(float(value if value is not None else usual or 0.0))
    return [made[0], *[made[1]] * (layers - 1)]
