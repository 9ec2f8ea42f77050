"""From features to a signal: a small network.

Letters: n points, c features, k numbers of the signal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields.network import initial_parameters, network

OUTPUTS = ("linear", "sigmoid")


class SignalDecoder(nn.Module):
    """Features -> signal.

    Args:
        in_dim: features, c.
        out_dim: numbers of the signal, k.
        hidden: widths of the hidden layers; empty for a linear map.
        output: what the last layer's numbers go through, "linear" or "sigmoid".
        lr_scale: learning rate relative to the optimiser's.
        generator: source of the initial weights.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int = 1,
        hidden: Sequence[int] = (64, 64),
        output: Literal["linear", "sigmoid"] = "linear",
        lr_scale: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if any(width < 1 for width in hidden):
            raise InputError(field="decoder.hidden", found=list(hidden), expected="positive widths")
        if output not in OUTPUTS:
            expected = " or ".join(OUTPUTS)
            raise InputError(field="decoder.output", found=output, expected=expected)
        if not lr_scale >= 0:
            raise InputError(field="decoder.lr_scale", found=lr_scale, expected="0 or more")
        self.in_dim, self.out_dim, self.output = in_dim, out_dim, output
        self.widths, self.lr_scale = [in_dim, *hidden, out_dim], lr_scale
        self.weights = nn.Parameter(initial_parameters(self.widths, generator=generator))

    def forward(self, features: Float[Tensor, "n c"]) -> Float[Tensor, "n k"]:
        """The signal of features."""
        return self.finished(network(features, self.weights, self.widths))

    @property
    def linear(self) -> tuple[Float[Tensor, "c k"], Float[Tensor, " k"]] | None:
        """The map from features to what `finished` takes, and its bias; None with hidden layers."""
        if len(self.widths) > 2:
            return None
        matrix, bias = self.weights.split([self.in_dim * self.out_dim, self.out_dim])
        return matrix.view(self.in_dim, self.out_dim), bias

    def finished(self, numbers: Float[Tensor, "*n k"]) -> Float[Tensor, "*n k"]:
        """The signal of what the last layer gave."""
        return torch.sigmoid(numbers) if self.output == "sigmoid" else numbers

    def parameter_groups(self) -> list[dict]:
        """Groups for the optimiser."""
        group = {"params": [self.weights], "name": "decoder", "sparse": False}
        return [{**group, "lr_scale": self.lr_scale}]
