"""Memory that calls of kernels share, one after the other: pages that are new cost more than sums.

What a call needs for itself is taken from here, under the launch lock, and is anybody's afterwards.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

LINE = 64  # bytes of a cache line
SPARE = 1.25  # room that is left for the next, somewhat larger call


class Workspace:
    """Buffers by name, each as large as the largest call so far asked for."""

    def __init__(self) -> None:
        self._buffers: dict[str, np.ndarray] = {}

    def take(self, name: str, shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> np.ndarray:
        """An array of any contents that begins with a cache line; only under the launch lock."""
        shape = (shape,) if isinstance(shape, int) else shape
        size = math.prod(shape) * np.dtype(dtype).itemsize
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) < size + LINE:
            buffer = np.empty(int(SPARE * size) + LINE, np.uint8)
            self._buffers[name] = buffer
        start = -buffer.ctypes.data % LINE
        return buffer[start : start + size].view(dtype).reshape(shape)

    def zeros(self, name: str, shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> np.ndarray:
        """As `take`, filled with zeros."""
        array = self.take(name, shape, dtype)
        array.fill(0)
        return array
