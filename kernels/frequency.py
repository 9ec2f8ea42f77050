"""The positional encoding of NeRF as block functions (Mildenhall et al. 2020, eq. 4).

Letters: n points, d dimensions, l frequencies. With y = 2 x - 1 in [-1, 1] the features are
[y, sin(pi y), cos(pi y), sin(2 pi y), ...]: column 0..d-1 the point, then for frequency i the d
sines and the d cosines.

`ints` is [l]; there are no parameters and there is one part. Higher frequencies follow from the
first by doubling the angle, in float64, so that ten doublings lose nothing.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.kernels.blocks import block
from polyfield.kernels.encode import EncoderBlocks


@block
def encode(part, x, params, ints, floats, out):  # type: ignore[no-untyped-def]
    """out[n, d (1 + 2 l)] for x [d, n]."""
    d, n = x.shape
    for j in range(n):
        for a in range(d):
            y = 2.0 * float(x[a, j]) - 1.0
            out[j, a] = y
            s, c = math.sin(math.pi * y), math.cos(math.pi * y)
            for i in range(ints[0]):
                out[j, d * (1 + 2 * i) + a] = s
                out[j, d * (2 + 2 * i) + a] = c
                s, c = 2.0 * s * c, 1.0 - 2.0 * s * s


@block
def encode_backward(part, x, d_out, params, ints, floats, d_params):  # type: ignore[no-untyped-def]
    """Nothing to learn."""


@block
def encode_gradient(part, x, d_out, params, ints, floats, d_x):  # type: ignore[no-untyped-def]
    """Add the gradient with respect to position to d_x [d, n]."""
    d, n = x.shape
    for j in range(n):
        for a in range(d):
            y = 2.0 * float(x[a, j]) - 1.0
            total = float(d_out[j, a])
            s, c, frequency = math.sin(math.pi * y), math.cos(math.pi * y), math.pi
            for i in range(ints[0]):
                total += frequency * c * d_out[j, d * (1 + 2 * i) + a]
                total -= frequency * s * d_out[j, d * (2 + 2 * i) + a]
                s, c, frequency = 2.0 * s * c, 1.0 - 2.0 * s * s, 2.0 * frequency
            d_x[a, j] += 2.0 * total


FREQUENCY_BLOCKS = EncoderBlocks(encode, encode_backward, encode_gradient)


def frequency_reference(x: Float[Tensor, "n d"], frequencies: int) -> Float[Tensor, "n c"]:
    """The same in plain torch."""
    y = 2 * x - 1
    pieces = [y]
    for i in range(frequencies):
        angle = y * (math.pi * 2.0**i)
        pieces += [torch.sin(angle), torch.cos(angle)]
    return torch.cat(pieces, dim=-1)
