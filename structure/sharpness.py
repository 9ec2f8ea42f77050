"""How sharp a picture is: the variance of its Laplacian, as Pech-Pacheco et al. 2000 have it.

It compares pictures of about the same thing and size; frames that lie close together are such.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def sharpness(grey: np.ndarray) -> float:
    """Of a picture [h,w] of 8 bits; 0 for one without an inside."""
    if min(grey.shape[:2]) < 3:
        return 0.0
    x = grey.astype(np.float32)
    laplacian = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] - 4 * x[1:-1, 1:-1]
    return float(laplacian.var())


def sharpest(scores: np.ndarray, count: int) -> list[int]:
    """The sharpest frame of each of `count` windows of equal length; all where there are fewer.

    Args:
        scores: of all frames, in order.
    """
    if len(scores) <= count:
        return list(range(len(scores)))
    edges = np.linspace(0, len(scores), count + 1).round().astype(int)
    return [int(a + scores[a:b].argmax()) for a, b in pairwise(edges)]
