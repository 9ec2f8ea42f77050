"""A small network for each cluster: from a place to the attributes of what is there.

    place in [0,1]^3 -> sines and cosines of 2^l pi x -> tanh layers -> attributes

Letters: c clusters, m places of one, n of all, e numbers of an encoded place, a attributes, f
frequencies l = 0 ... f - 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.errors import InputError


class ClusterNetworks(nn.Module):
    """c networks of one shape.

    Args:
        clusters: c.
        outputs: a.
        width: of a hidden layer.
        layers: hidden ones.
        frequencies: f.
        generator: of the first weights; None for zeros, to be read from a file.

    Raises:
        InputError: for a shape that is no network, or none that a file holds.
    """

    def __init__(
        self,
        clusters: int,
        outputs: int,
        width: int = 64,
        layers: int = 3,
        frequencies: int = 10,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        bounds = {"width": (width, 1, 1024), "layers": (layers, 1, 16)}
        for name, (found, low, high) in {**bounds, "frequencies": (frequencies, 0, 16)}.items():
            if not low <= found <= high:
                raise InputError(field=name, found=found, expected=f"{low} to {high}")
        self.frequencies = frequencies
        self.widths = widths_of(outputs, width, layers, frequencies)
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for before, after in pairwise(self.widths):
            weight = torch.zeros(clusters, before, after)
            if generator is not None:
                bound = math.sqrt(6 / (before + after))  # Glorot's, for tanh
                weight.uniform_(-bound, bound, generator=generator)
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(clusters, 1, after)))

    def __len__(self) -> int:
        """c."""
        return len(self.weights[0])

    def forward(self, encoded: Float[Tensor, "c m e"]) -> Float[Tensor, "c m a"]:
        """As many encoded places of every cluster."""
        return _network(encoded, list(zip(self.weights, self.biases)))

    def each(self, encoded: Iterable[Float[Tensor, "m e"]]) -> Float[Tensor, "n a"]:
        """The encoded places of one cluster after the other, any number of each."""
        # Taken apart at once: a slice of each would have a gradient as large as all.
        parts = [[*zip(*(p.split(1) for p in pair))] for pair in zip(self.weights, self.biases)]
        made = [
            _network(piece[None], [layer[i] for layer in parts]) for i, piece in enumerate(encoded)
        ]
        return torch.cat(made, dim=1)[0]

    @torch.no_grad()
    def rescale_outputs(self, size: Float[Tensor, " a"], mean: Float[Tensor, " a"]) -> None:
        """Give size x output + mean from now on."""
        self.weights[-1].mul_(size)
        self.biases[-1].mul_(size).add_(mean)

    @torch.no_grad()
    def flat(self) -> Float[Tensor, "c p"]:
        """All parameters of each network: layer after layer, weights [in, out], then biases."""
        pairs = zip(self.weights, self.biases)
        return torch.cat([tensor.flatten(1) for pair in pairs for tensor in pair], dim=1)

    @torch.no_grad()
    def load_flat(self, flat: Float[Tensor, "c p"]) -> None:
        """Undo `flat`."""
        tensors = [tensor for pair in zip(self.weights, self.biases) for tensor in pair]
        pieces = flat.split([tensor[0].numel() for tensor in tensors], dim=1)
        for tensor, piece in zip(tensors, pieces):
            tensor.copy_(piece.reshape(tensor.shape))


def widths_of(outputs: int, width: int, layers: int, frequencies: int) -> list[int]:
    """Of all layers, the encoded place first."""
    return [3 + 6 * frequencies, *[width] * layers, outputs]


def parameter_count(widths: Sequence[int]) -> int:
    """p of a network."""
    return sum((before + 1) * after for before, after in pairwise(widths))


def encoded(places: Float[Tensor, "*b 3"], frequencies: int) -> Float[Tensor, "*b e"]:
    """The place in [-1,1], and sines and cosines of 2^l pi times it in [0,1]."""
    factors = math.pi * 2.0 ** torch.arange(frequencies, dtype=places.dtype)
    angles = (places[..., None] * factors).flatten(-2)
    return torch.cat([2 * places - 1, angles.sin(), angles.cos()], dim=-1)


def _network(
    h: Float[Tensor, "c m e"], layers: Sequence[tuple[Tensor, Tensor]]
) -> Float[Tensor, "c m a"]:
    for weight, bias in layers[:-1]:
        h = torch.baddbmm(bias, h, weight).tanh()
    weight, bias = layers[-1]
    return torch.baddbmm(bias, h, weight)
