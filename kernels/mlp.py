"""Multi-layer perceptrons over a block of rows, by BLAS, forward and backward.

Letters: n rows, l layers, w_0 the input's width and w_l the output's. Hidden layers are rectified,
the last is linear. Parameters lie in one flat vector, layer by layer: weight [w_in, w_out]
row-major, then bias [w_out]. A skip layer takes [previous activations, inputs].

`shape` (int64) describes the network: [l, skip, w_0, w_1, ..., w_l], skip = -1 for none.
`activations` is flat: one [capacity, w_i] region per layer i >= 1, one after the other, so that a
range of rows of a layer is contiguous, as BLAS wants it.
"""

from __future__ import annotations

import numpy as np

from polyfield.kernels.blocks import block


@block
def layer(activations, shape, capacity, i, r0, r1):  # type: ignore[no-untyped-def]
    """Rows r0..r1 of layer i's activations, a contiguous view [r1-r0, w_i]."""
    offset = 0
    for j in range(1, i):
        offset += shape[2 + j]
    width = shape[2 + i]
    start = capacity * offset
    return activations[start + r0 * width : start + r1 * width].reshape(r1 - r0, width)


@block
def output(activations, shape, capacity, r0, r1):  # type: ignore[no-untyped-def]
    """Rows r0..r1 of the last layer."""
    return layer(activations, shape, capacity, shape[0], r0, r1)


@block
def mlp_forward(inputs, params, shape, activations, capacity, r0, r1):  # type: ignore[no-untyped-def]
    """Fill rows r0..r1 of every layer's activations.

    Args:
        inputs: [r1-r0, w_0] contiguous rows.
    """
    n, n_layers, skip, w_0 = r1 - r0, shape[0], shape[1], shape[2]
    previous, at = inputs, 0
    for i in range(1, n_layers + 1):
        w_in, w_out = shape[1 + i], shape[2 + i]
        result = layer(activations, shape, capacity, i, r0, r1)
        weight = params[at : at + w_in * w_out].reshape(w_in, w_out)
        at += w_in * w_out
        np.dot(previous, weight, result)
        if i == skip:
            weight = params[at : at + w_0 * w_out].reshape(w_0, w_out)
            at += w_0 * w_out
            extra = np.dot(inputs, weight)
            for row in range(n):
                for c in range(w_out):
                    result[row, c] += extra[row, c]
        bias = params[at : at + w_out]
        at += w_out
        zero = result.dtype.type(0)
        if i < n_layers:
            for row in range(n):
                for c in range(w_out):
                    result[row, c] = max(result[row, c] + bias[c], zero)
        else:
            for row in range(n):
                for c in range(w_out):
                    result[row, c] += bias[c]
        previous = result


@block
def mlp_backward(inputs, params, shape, activations, capacity, r0, r1, d_out, d_params, d_inputs):  # type: ignore[no-untyped-def]
    """Add the parameters' gradient to `d_params` and write the inputs' to `d_inputs`.

    Args:
        d_out: [r1-r0, w_l] contiguous gradient of the output.
        d_inputs: [r1-r0, w_0]; may be `inputs` itself, which is read before it is written.
    """
    n, n_layers, skip, w_0 = r1 - r0, shape[0], shape[1], shape[2]
    end = 0
    for i in range(1, n_layers + 1):
        end += (shape[1 + i] + 1) * shape[2 + i]
        if i == skip:
            end += w_0 * shape[2 + i]
    d_result = d_out
    d_skipped = np.zeros((0, w_0), d_out.dtype)
    for i in range(n_layers, 0, -1):
        w_in, w_out = shape[1 + i], shape[2 + i]
        end -= w_out
        d_bias = d_params[end : end + w_out]
        for row in range(n):
            for c in range(w_out):
                d_bias[c] += d_result[row, c]
        if i == skip:
            end -= w_0 * w_out
            add_to(np.dot(inputs.T, d_result), d_params[end : end + w_0 * w_out])
            weight = params[end : end + w_0 * w_out].reshape(w_0, w_out)
            d_skipped = np.dot(d_result, weight.T)
        end -= w_in * w_out
        weight = params[end : end + w_in * w_out].reshape(w_in, w_out)
        if i == 1:
            add_to(np.dot(inputs.T, d_result), d_params[end : end + w_in * w_out])
            np.dot(d_result, weight.T, d_inputs)
        else:
            previous = layer(activations, shape, capacity, i - 1, r0, r1)
            add_to(np.dot(previous.T, d_result), d_params[end : end + w_in * w_out])
            d_result = np.dot(d_result, weight.T)
            for row in range(n):
                for c in range(w_in):
                    if previous[row, c] <= 0:
                        d_result[row, c] = 0
    if d_skipped.shape[0] == n:
        for row in range(n):
            for c in range(w_0):
                d_inputs[row, c] += d_skipped[row, c]


@block
def add_to(values, total):  # type: ignore[no-untyped-def]
    """total += values, flat."""
    flat = values.reshape(-1)
    for i in range(flat.shape[0]):
        total[i] += flat[i]
