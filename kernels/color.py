"""Colour heads: from a sample's geometry features and its ray's encoded direction to rgb.

Letters: n rows, k geometry features, q numbers a ray (the direction's spherical harmonics, then
any appearance code), e harmonics. Both heads end in a sigmoid.

`shape` (int64) is [e, k, then the network's shape as in `kernels.mlp`].
"""

from __future__ import annotations

import numpy as np

from polyfield.kernels.blocks import Block, block, variant
from polyfield.kernels.exponential import exponential
from polyfield.kernels.mlp import mlp_backward, mlp_forward, output

HARMONICS = 9  # e; bound anew by `harmonics_blocks`


@block
def sigmoids(values):  # type: ignore[no-untyped-def]
    """The sigmoid of contiguous values, in place."""
    flat = values.reshape(-1)
    one = flat.dtype.type(1)
    for i in range(flat.shape[0]):
        flat[i] = one / (one + exponential(-flat[i]))


def harmonics_forward(geometry, rays, ray_features, params, shape, acts, capacity, r0, r1, rgb):  # type: ignore[no-untyped-def]
    """rgb[r0:r1] from k = 3 e coefficients a row: sigmoid(sum_b g[c e + b] Y_b(direction)).

    Args:
        geometry: [r1-r0, k]; rays: [capacity] ray of each row; ray_features: [r, q], Y first.
    """
    for row in range(r1 - r0):
        basis = ray_features[rays[r0 + row]]
        for c in range(3):
            value = geometry[row, c * HARMONICS] * basis[0]
            for b in range(1, HARMONICS):
                value += geometry[row, c * HARMONICS + b] * basis[b]
            rgb[r0 + row, c] = value
    sigmoids(rgb[r0:r1])


def harmonics_backward(  # type: ignore[no-untyped-def]
    geometry, rays, ray_features, params, shape, acts, capacity, r0, r1, rgb, d_rgb,
    d_geometry, d_ray_features, d_params,
):  # fmt: skip
    """Write d_geometry [r1-r0, k] and add to d_ray_features [r, q], from d_rgb [r1-r0, 3].

    Args:
        d_ray_features: empty where nobody asks for it.
    """
    one, wanted = rgb.dtype.type(1), d_ray_features.shape[0] > 0
    for row in range(r1 - r0):
        ray = rays[r0 + row]
        for c in range(3):
            value = rgb[r0 + row, c]
            slope = d_rgb[row, c] * value * (one - value)
            if wanted:
                for b in range(HARMONICS):
                    d_ray_features[ray, b] += slope * geometry[row, c * HARMONICS + b]
            for b in range(HARMONICS):
                d_geometry[row, c * HARMONICS + b] = slope * ray_features[ray, b]


def harmonics_blocks(harmonics: int) -> tuple[Block, Block]:
    """The head's forward and backward for e harmonics."""
    return (
        variant(harmonics_forward, HARMONICS=harmonics),
        variant(harmonics_backward, HARMONICS=harmonics),
    )


@block
def _network_inputs(geometry, rays, ray_features, shape, acts, capacity, r0, r1):  # type: ignore[no-untyped-def]
    """The network's inputs [geometry, ray features], kept in the first region of `acts`."""
    k, width = shape[1], shape[4]
    inputs = acts[r0 * width : r1 * width].reshape(r1 - r0, width)
    for row in range(r1 - r0):
        ray = rays[r0 + row]
        for c in range(k):
            inputs[row, c] = geometry[row, c]
        for c in range(width - k):
            inputs[row, k + c] = ray_features[ray, c]
    return inputs


@block
def network_forward(geometry, rays, ray_features, params, shape, acts, capacity, r0, r1, rgb):  # type: ignore[no-untyped-def]
    """rgb[r0:r1] by a network over [geometry, ray features]; arguments as the harmonics' head."""
    inputs = _network_inputs(geometry, rays, ray_features, shape, acts, capacity, r0, r1)
    layers = acts[capacity * shape[4] :]
    mlp_forward(inputs, params, shape[2:], layers, capacity, r0, r1)
    logits = output(layers, shape[2:], capacity, r0, r1)
    for row in range(r1 - r0):
        for c in range(3):
            rgb[r0 + row, c] = logits[row, c]
    sigmoids(rgb[r0:r1])


@block
def network_backward(  # type: ignore[no-untyped-def]
    geometry, rays, ray_features, params, shape, acts, capacity, r0, r1, rgb, d_rgb,
    d_geometry, d_ray_features, d_params,
):  # fmt: skip
    """The backward of `network_forward`; arguments as the harmonics' head."""
    k, width = shape[1], shape[4]
    one = rgb.dtype.type(1)
    d_logits = np.empty((r1 - r0, 3), rgb.dtype)
    for row in range(r1 - r0):
        for c in range(3):
            value = rgb[r0 + row, c]
            d_logits[row, c] = d_rgb[row, c] * value * (one - value)
    inputs = acts[r0 * width : r1 * width].reshape(r1 - r0, width)
    layers = acts[capacity * width :]
    mlp_backward(
        inputs, params, shape[2:], layers, capacity, r0, r1, d_logits, d_params, inputs
    )  # fmt: skip
    for row in range(r1 - r0):
        ray = rays[r0 + row]
        for c in range(k):
            d_geometry[row, c] = inputs[row, c]
        if d_ray_features.shape[0] > 0:
            for c in range(width - k):
                d_ray_features[ray, c] += inputs[row, k + c]
