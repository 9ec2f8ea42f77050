"""Colour heads: from a sample's geometry features and its ray's encoded direction to rgb.

Letters: n rows, k geometry features, q numbers a ray (the direction's spherical harmonics, then
any appearance code; of the linear head what a network makes of these), e harmonics, b features of a
basis, l octaves. All heads end in a sigmoid.

`shape` (int64) is [e, k, then the network's shape as in `kernels.mlp`].

The head with a basis is TensoRF's (Chen et al. 2022, section 4.2 and appendix B): a = geometry B,
B [k, b] without bias, and a network over [a, sin a, cos a, sin 2a, cos 2a, ..., ray features]. Its
parameters are B, row by row, and then the network's.

The linear head is that of K-Planes' explicit model (Fridovich-Keil et al. 2023, section 3.3): what
weights a direction gives to the features is computed once a ray.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types

from polyfield.kernels.blocks import Block, block, leaf, unbound, variant
from polyfield.kernels.exponential import exponential
from polyfield.kernels.links import Link, caller
from polyfield.kernels.mlp import add_to, mlp_backward, mlp_forward, output
from polyfield.kernels.sine import sine_and_cosine

HARMONICS = 9  # e; bound anew by `harmonics_head`
BASIS, OCTAVES = 1, 0  # b and l; bound anew by `basis_head`
CHUNK = 256  # rows whose geometry is made contiguous at once

fill_inputs: Block = unbound


def forward_prototype(f: Any) -> tuple[Any, ...]:
    """Of a head's forward, for a floating type f."""
    number, whole = types.int64, types.int64[::1]
    inputs = (f[:, :], types.int32[::1], f[:, ::1], f[::1], whole, f[::1])
    return (*inputs, number, number, number, f[:, ::1])


def backward_prototype(f: Any) -> tuple[Any, ...]:
    """Of a head's backward."""
    return (*forward_prototype(f), f[:, ::1], f[:, :], f[:, ::1], f[::1])


class Head(NamedTuple):
    """A colour head: its forward and backward."""

    forward: Link
    backward: Link


def _head(forward: Block, backward: Block) -> Head:
    return Head(Link(forward, forward_prototype), Link(backward, backward_prototype))


call_forward = caller(forward_prototype)
call_backward = caller(backward_prototype)


@leaf
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
        ray = rays[r0 + row]
        for c in range(3):
            value = geometry[row, c * HARMONICS] * ray_features[ray, 0]
            for b in range(1, HARMONICS):
                value += geometry[row, c * HARMONICS + b] * ray_features[ray, b]
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


def harmonics_head(harmonics: int) -> Head:
    """The head of e harmonics."""
    return _head(
        variant(harmonics_forward, HARMONICS=harmonics),
        variant(harmonics_backward, HARMONICS=harmonics),
    )


@block
def linear_forward(geometry, rays, ray_features, params, shape, acts, capacity, r0, r1, rgb):  # type: ignore[no-untyped-def]
    """rgb[r0:r1] from k features a row: sigmoid(<g, b_c>); arguments as the harmonics' head.

    Args:
        ray_features: [r, 3 k], the weights b of red, then those of green and of blue.
    """
    k = shape[1]
    for row in range(r1 - r0):
        ray = rays[r0 + row]
        for c in range(3):
            value = rgb.dtype.type(0)
            for i in range(k):
                value += geometry[row, i] * ray_features[ray, c * k + i]
            rgb[r0 + row, c] = value
    sigmoids(rgb[r0:r1])


@block
def linear_backward(  # type: ignore[no-untyped-def]
    geometry, rays, ray_features, params, shape, acts, capacity, r0, r1, rgb, d_rgb,
    d_geometry, d_ray_features, d_params,
):  # fmt: skip
    """The backward of `linear_forward`; arguments as the harmonics' head."""
    k, one = shape[1], rgb.dtype.type(1)
    wanted = d_ray_features.shape[0] > 0
    for row in range(r1 - r0):
        ray = rays[r0 + row]
        for i in range(k):
            d_geometry[row, i] = 0
        for c in range(3):
            value = rgb[r0 + row, c]
            slope = d_rgb[row, c] * value * (one - value)
            for i in range(k):
                d_geometry[row, i] += slope * ray_features[ray, c * k + i]
            if wanted:
                for i in range(k):
                    d_ray_features[ray, c * k + i] += slope * geometry[row, i]


def linear_head() -> Head:
    """The head whose colours are linear in the features, before the sigmoid."""
    return _head(linear_forward, linear_backward)


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


def network_head() -> Head:
    """The head that is a network."""
    return _head(network_forward, network_backward)


@block
def contiguous_rows(values, first, last):  # type: ignore[no-untyped-def]
    """A copy of rows first..last that BLAS can read."""
    rows = np.empty((last - first, values.shape[1]), values.dtype)
    for row in range(last - first):
        for c in range(values.shape[1]):
            rows[row, c] = values[first + row, c]
    return rows


def basis_inputs(geometry, rays, ray_features, basis, inputs, r0):  # type: ignore[no-untyped-def]
    """Fill the network's inputs [n, b (1 + 2 l) + q]; higher octaves by doubling the angle."""
    n, seen = inputs.shape[0], BASIS * (1 + 2 * OCTAVES)
    two, one = inputs.dtype.type(2), inputs.dtype.type(1)
    sines = np.empty(CHUNK * BASIS, inputs.dtype)
    cosines = np.empty(CHUNK * BASIS, inputs.dtype)
    for first in range(0, n, CHUNK):
        last = min(first + CHUNK, n)
        projected = np.dot(contiguous_rows(geometry, first, last), basis)
        if OCTAVES > 0:
            angles = projected.reshape(-1)
            for i in range(angles.shape[0]):
                sines[i], cosines[i] = sine_and_cosine(angles[i])
        for row in range(last - first):
            into = inputs[first + row]
            for c in range(BASIS):
                into[c] = projected[row, c]
            if OCTAVES > 0:
                for c in range(BASIS):
                    into[BASIS + c] = sines[row * BASIS + c]
                    into[2 * BASIS + c] = cosines[row * BASIS + c]
            for i in range(1, OCTAVES):
                at = (2 * i - 1) * BASIS
                for c in range(BASIS):
                    sine, cosine = into[at + c], into[at + BASIS + c]
                    into[at + 2 * BASIS + c] = two * sine * cosine
                    into[at + 3 * BASIS + c] = one - two * sine * sine
    for row in range(n):
        ray = rays[r0 + row]
        for c in range(ray_features.shape[1]):
            inputs[row, seen + c] = ray_features[ray, c]


def basis_forward(geometry, rays, ray_features, params, shape, acts, capacity, r0, r1, rgb):  # type: ignore[no-untyped-def]
    """rgb[r0:r1] by a basis and a network; arguments as the harmonics' head."""
    k, width = shape[1], shape[4]
    split = k * BASIS
    inputs = acts[r0 * width : r1 * width].reshape(r1 - r0, width)
    fill_inputs(geometry, rays, ray_features, params[:split].reshape(k, BASIS), inputs, r0)
    layers = acts[capacity * width :]
    mlp_forward(inputs, params[split:], shape[2:], layers, capacity, r0, r1)
    logits = output(layers, shape[2:], capacity, r0, r1)
    for row in range(r1 - r0):
        for c in range(3):
            rgb[r0 + row, c] = logits[row, c]
    sigmoids(rgb[r0:r1])


def basis_backward(  # type: ignore[no-untyped-def]
    geometry, rays, ray_features, params, shape, acts, capacity, r0, r1, rgb, d_rgb,
    d_geometry, d_ray_features, d_params,
):  # fmt: skip
    """The backward of `basis_forward`; arguments as the harmonics' head."""
    n, k, width = r1 - r0, shape[1], shape[4]
    split, seen = k * BASIS, BASIS * (1 + 2 * OCTAVES)
    one = rgb.dtype.type(1)
    d_logits = np.empty((n, 3), rgb.dtype)
    for row in range(n):
        for c in range(3):
            value = rgb[r0 + row, c]
            d_logits[row, c] = d_rgb[row, c] * value * (one - value)
    inputs = acts[r0 * width : r1 * width].reshape(n, width)
    layers = acts[capacity * width :]
    d_inputs = np.empty((n, width), rgb.dtype)
    mlp_backward(
        inputs, params[split:], shape[2:], layers, capacity, r0, r1, d_logits, d_params[split:],
        d_inputs,
    )  # fmt: skip
    if d_ray_features.shape[0] > 0:
        for row in range(n):
            for c in range(width - seen):
                d_ray_features[rays[r0 + row], c] += d_inputs[row, seen + c]
    d_projected = np.empty((n, BASIS), rgb.dtype)
    for row in range(n):
        for c in range(BASIS):
            d_projected[row, c] = d_inputs[row, c]
        frequency = one
        for i in range(OCTAVES):
            at = (2 * i + 1) * BASIS
            for c in range(BASIS):
                d_projected[row, c] += frequency * (
                    inputs[row, at + BASIS + c] * d_inputs[row, at + c]
                    - inputs[row, at + c] * d_inputs[row, at + BASIS + c]
                )
            frequency += frequency
    basis = params[:split].reshape(k, BASIS)
    for first in range(0, n, CHUNK):
        last = min(first + CHUNK, n)
        rows = contiguous_rows(geometry, first, last)
        add_to(np.dot(rows.T, d_projected[first:last]), d_params[:split])
        back = np.dot(d_projected[first:last], basis.T)
        for row in range(last - first):
            for c in range(k):
                d_geometry[first + row, c] = back[row, c]


def basis_head(features: int, octaves: int) -> Head:
    """The head with a basis of b features and l octaves."""
    constants = {"BASIS": features, "OCTAVES": octaves}
    fill = variant(basis_inputs, **constants)
    return _head(
        variant(basis_forward, **constants, fill_inputs=fill),
        variant(basis_backward, **constants),
    )
