"""Where a grid's gradient goes: into a new array for autograd, or straight into `.grad`.

A table's gradient is as large as the table and mostly zero: handing autograd a new one every step
costs more than computing it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from torch import Tensor

_direct = threading.local()


@contextmanager
def direct_gradients() -> Iterator[None]:
    """Let backward passes inside add to the `.grad` that a grid's parameters already have.

    For training loops; `torch.autograd.grad` wants it off. Of this thread alone; may be nested.
    """
    before = getattr(_direct, "on", False)
    _direct.on = True
    try:
        yield
    finally:
        _direct.on = before


def direct_gradient(params: Tensor, needed: bool) -> np.ndarray | None:
    """The flat `.grad` of parameters to add to, or None where autograd wants an array of its own.

    Args:
        needed: whether anybody asks for this gradient.
    """
    if not (needed and getattr(_direct, "on", False) and params.is_leaf):
        return None
    gradient = params.grad
    if gradient is None or gradient.device.type != "cpu" or not gradient.is_contiguous():
        return None
    return gradient.view(-1).numpy()
