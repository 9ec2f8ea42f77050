"""What the layers of a coordinate network go through, and how their weights begin.

Letters: z what a layer's weights and bias give, n inputs of a layer, m outputs, o (omega) a
frequency, s (sigma) a bandwidth.

    relu    max(z, 0)                 weights within sqrt(6 / n)        He et al. 2015
    tanh    tanh(z)                   sqrt(6 / (n + m))                 Glorot and Bengio 2010
    siren   sin(o z)                  sqrt(6 / n) / o, first 1 / n      Sitzmann et al. 2020, 3.2
    finer   sin(o (|z| + 1) z)        as siren                          Liu et al. 2024, eq. 4
    wire    cos(o z) exp(-(s z)^2)    1 / sqrt(n)                       Saragadam et al. 2023, real

Biases begin at 0, but those of the first layer of the last three, which begin within 1: so sines
begin at all phases and wavelets at many places, and finer's neurons at many frequencies, since its
slope grows with |z|. Wire's is the real part of a Gabor wavelet.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Activation(NamedTuple):
    """A family of layers.

    Attributes:
        value: of z and omega.
        bound: of weights, which begin uniformly, by inputs, outputs, omega and whether first.
        first_bias: bound of the first layer's biases; the others begin at 0.
        omega, first_omega: of hidden layers and of the first; None where there are none.
    """

    value: Callable[[Tensor, float], Tensor]
    bound: Callable[[int, int, float, bool], float]
    first_bias: float = 0.0
    omega: float | None = None
    first_omega: float | None = None


SIGMA = 5.0  # of wire


def _rectified(z: Tensor, omega: float) -> Tensor:
    return F.relu(z)


def _tanh(z: Tensor, omega: float) -> Tensor:
    return torch.tanh(z)


def _sine(z: Tensor, omega: float) -> Tensor:
    return torch.sin(omega * z)


def _variable_sine(z: Tensor, omega: float) -> Tensor:
    return torch.sin(omega * (z.abs() + 1) * z)


def _gabor(z: Tensor, omega: float) -> Tensor:
    return torch.cos(omega * z) * torch.exp(-(SIGMA * z).square())


def _he(n: int, m: int, omega: float, first: bool) -> float:
    return math.sqrt(6 / n)


def _glorot(n: int, m: int, omega: float, first: bool) -> float:
    return math.sqrt(6 / (n + m))


def _sitzmann(n: int, m: int, omega: float, first: bool) -> float:
    return 1 / n if first else math.sqrt(6 / n) / omega


def _plain(n: int, m: int, omega: float, first: bool) -> float:
    return 1 / math.sqrt(n)


ACTIVATIONS = {
    "relu": Activation(_rectified, _he),
    "tanh": Activation(_tanh, _glorot),
    "siren": Activation(_sine, _sitzmann, 1.0, omega=30.0, first_omega=30.0),
    "finer": Activation(_variable_sine, _sitzmann, 1.0, omega=30.0, first_omega=30.0),
    "wire": Activation(_gabor, _plain, 1.0, omega=5.0, first_omega=5.0),
}
