"""Adam over flat parameters, which can leave entries without a gradient as they are.

    m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2,
    p <- p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)        (Kingma and Ba 2015)

With `skip_zero`, an entry whose gradient is exactly zero keeps its value and its moments, as
instant-ngp and DVGO do for grids: most of a table is not touched in a step, and not read either.
"""

from __future__ import annotations

import math

import torch
from numba import get_num_threads, prange
from torch import Tensor

from polyfield.kernels.blocks import specialise
from polyfield.kernels.launch import launch

LINE = 16  # entries looked at together: a cache line of float32


def _adam(param, grad, m, v, scale, root, beta1, beta2, eps, decay, skip_zero, clear, n_threads):  # type: ignore[no-untyped-def]
    n = param.shape[0]
    lines = (n + LINE - 1) // LINE
    per_thread = (lines + n_threads - 1) // n_threads
    one, zero = param.dtype.type(1), param.dtype.type(0)
    for thread in prange(n_threads):
        for line in range(thread * per_thread, min((thread + 1) * per_thread, lines)):
            i0 = line * LINE
            i1 = min(i0 + LINE, n)
            p, g, first, second = param[i0:i1], grad[i0:i1], m[i0:i1], v[i0:i1]
            if skip_zero:
                largest = zero
                for i in range(i1 - i0):
                    largest += abs(g[i])
                if largest == zero:
                    continue
                for i in range(i1 - i0):
                    value = g[i] + decay * p[i]
                    a = beta1 * first[i] + (one - beta1) * value
                    b = beta2 * second[i] + (one - beta2) * value * value
                    touched = g[i] != zero
                    first[i] = a if touched else first[i]
                    second[i] = b if touched else second[i]
                    p[i] -= (scale * a / (math.sqrt(b) * root + eps)) if touched else zero
            else:
                for i in range(i1 - i0):
                    value = g[i] + decay * p[i]
                    first[i] = beta1 * first[i] + (one - beta1) * value
                    second[i] = beta2 * second[i] + (one - beta2) * value * value
                    p[i] -= scale * first[i] / (math.sqrt(second[i]) * root + eps)
            if clear:
                for i in range(i1 - i0):
                    g[i] = zero


def adam_step(
    param: Tensor,
    grad: Tensor,
    m: Tensor,
    v: Tensor,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    step: int,
    weight_decay: float = 0.0,
    skip_zero: bool = False,
    clear: bool = False,
) -> None:
    """One step in place on contiguous CPU tensors of one dtype and shape.

    Args:
        step: counts from 1.
        skip_zero: leave entries without a gradient alone.
        clear: set the gradient to zero on the way, while it is in cache.
    """
    if not all(tensor.is_contiguous() for tensor in (param, grad, m, v)):
        raise ValueError("adam_step works in place: its tensors must be contiguous")
    number = param.detach().numpy().dtype.type
    flat = [tensor.detach().reshape(-1).numpy() for tensor in (param, grad, m, v)]
    scale = lr / (1 - beta1**step)
    root = 1 / math.sqrt(1 - beta2**step)
    threads = get_num_threads() if param.numel() > 16384 else 1
    run = specialise(_adam)
    with launch():
        run(
            *flat,
            number(scale),
            number(root),
            number(beta1),
            number(beta2),
            number(eps),
            number(weight_decay),
            skip_zero,
            clear,
            threads,
        )


def adam_step_reference(
    param: Tensor,
    grad: Tensor,
    m: Tensor,
    v: Tensor,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    step: int,
    weight_decay: float = 0.0,
    skip_zero: bool = False,
    clear: bool = False,
) -> None:
    """The same step in plain torch, any device."""
    with torch.no_grad():
        touched = grad != 0 if skip_zero else torch.ones_like(grad, dtype=torch.bool)
        value = grad + weight_decay * param
        m.copy_(torch.where(touched, beta1 * m + (1 - beta1) * value, m))
        v.copy_(torch.where(touched, beta2 * v + (1 - beta2) * value * value, v))
        update = lr / (1 - beta1**step) * m / ((v / (1 - beta2**step)).sqrt() + eps)
        param.sub_(torch.where(touched, update, torch.zeros_like(update)))
        if clear:
            grad.zero_()
