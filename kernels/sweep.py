"""Density at many points, nothing kept: what refreshes occupancy, extracts meshes, fills caches.

Letters: n points, c features.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numba import prange
from torch import Tensor

from polyfield.kernels.blocks import specialise
from polyfield.kernels.launch import launch
from polyfield.kernels.samples import density_of, encode_rows, raw_density, trunk_rows
from polyfield.kernels.volume import VolumeKernels

POINTS = 1024


def _density(  # type: ignore[no-untyped-def]
    xs, encoding, density_parts, width, summed, trunk_params, trunk_shape, acts_width, kind,
    shift, scale, out,
):  # fmt: skip
    n = xs.shape[0]
    for task in prange((n + POINTS - 1) // POINTS):
        i0, i1 = task * POINTS, min((task + 1) * POINTS, n)
        features = np.empty((i1 - i0, width), xs.dtype)
        acts = np.empty((i1 - i0) * acts_width, xs.dtype)
        encode_rows(xs[i0:i1], 0, i1 - i0, 0, density_parts, encoding, features)
        rows = trunk_rows(features, summed, trunk_params, trunk_shape, acts, i1 - i0, 0, i1 - i0)
        raw_density(rows, summed, out[i0:i1])
        for i in range(i0, i1):
            out[i] = density_of(out[i], kind, shift, scale)[0]


def density_sweep(
    kernels: VolumeKernels,
    x: Float[Tensor, "n d"],
    params: Tensor,
    frames: Float[Tensor, "t d d"],
    trunk: Tensor,
) -> Float[Tensor, " n"]:
    """Density at points of the unit cube, without gradient.

    Args:
        params, frames, trunk: the encoder's flat parameters and frames, the trunk's parameters.
    """
    out = torch.empty(len(x), dtype=params.dtype)
    if len(x) == 0:
        return out
    encoder, decoder = kernels.encoder, kernels.decoder
    run = specialise(_density)
    values = params.detach().numpy()
    with launch():
        run(
            np.ascontiguousarray(x.detach().numpy(), values.dtype),
            encoder.encoding(values, frames.detach().contiguous().numpy()), kernels.density_parts,
            encoder.width, decoder.summed, trunk.detach().numpy(), decoder.trunk_shape,
            decoder.trunk_width, decoder.activation, values.dtype.type(decoder.shift),
            values.dtype.type(decoder.scale), out.numpy(),
        )  # fmt: skip
    return out
