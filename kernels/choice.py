"""Which twin of a kernel runs: the compiled one, or its reference in plain torch."""

from __future__ import annotations

import os

from torch import Tensor


def forced() -> bool:
    """Whether the user asks for the reference twins, by POLYFIELD_KERNELS=reference."""
    return os.environ.get("POLYFIELD_KERNELS") == "reference"


def plain(tensor: Tensor) -> bool:
    """Whether a tensor's device, or the user, asks for the reference twin."""
    return forced() or tensor.device.type != "cpu"
