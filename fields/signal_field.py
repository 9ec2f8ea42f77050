"""A field of a signal: backbone -> decoder, over points of the unit cube.

Letters: n points, d coordinates, k numbers of the signal.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields.backbone import Backbone, Replacement
from polyfield.fields.signal_decoder import SignalDecoder

CHUNK = 1 << 17  # points whose features are in memory at once


class SignalField(nn.Module):
    """Points of the unit cube -> a signal: a colour, a distance, an amplitude.

    Args:
        backbone: points [n, d] -> features.
        decoder: features -> signal [n, k].
    """

    def __init__(self, backbone: Backbone, decoder: SignalDecoder) -> None:
        super().__init__()
        if backbone.out_dim != decoder.in_dim:
            raise InputError(
                field="decoder.in_dim", found=decoder.in_dim, expected=f"{backbone.out_dim}"
            )
        self.backbone, self.decoder = backbone, decoder

    @property
    def in_dim(self) -> int:
        """Coordinates of a point, d."""
        return self.backbone.in_dim

    @property
    def out_dim(self) -> int:
        """Numbers of the signal, k."""
        return self.decoder.out_dim

    def forward(self, u: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """The signal at points of the unit cube; differentiable."""
        return self.decoder(self.backbone(u))

    @torch.no_grad()
    def signal(self, u: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """The signal at any number of points, without gradient."""
        return torch.cat([self(part) for part in u.split(CHUNK)] or [u.new_zeros(0, self.out_dim)])

    @property
    def separable(self) -> bool:
        """Whether the signal on a product of coordinates costs far less than at its points."""
        return self.backbone.separable and self.decoder.linear is not None

    def on_grid(self, axes: Sequence[Float[Tensor, " n"]]) -> Float[Tensor, "*n k"]:
        """The signal at all combinations of coordinates, where `separable`; differentiable.

        Args:
            axes: coordinates in [0, 1] along each axis.
        """
        assert self.decoder.linear is not None
        matrix, bias = self.decoder.linear
        return self.decoder.finished(self.backbone.on_grid(axes, matrix) + bias)

    def parameter_groups(self) -> list[dict]:
        """Groups for the optimiser."""
        return self.backbone.parameter_groups() + self.decoder.parameter_groups()

    def regularization(self) -> Tensor:
        """The backbone's penalty."""
        return self.backbone.regularization()

    def grow(self, step: int, progress: float) -> list[Replacement]:
        """Let the backbone change resolution; what was replaced."""
        return self.backbone.grow(step, progress)
