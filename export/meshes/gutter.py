"""What lies between the charts of a texture.

Letters: h x w texels, c channels.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float


def spread(
    texture: Float[np.ndarray, "h w c"], known: Bool[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w c"]:
    """Fill texels that are not known with means of those around, near ones first.

    A texel of half the size is the mean of the known ones of its four; what has none takes over the
    texel of half the size, filled in the same way. So smaller copies of the texture, which programs
    make for surfaces far away, mix charts with nothing but colours of their own kind.
    """
    if known.all() or not known.any():
        return texture
    h, w = known.shape
    padding = ((0, h % 2), (0, w % 2))
    values = np.pad(texture * known[..., None], (*padding, (0, 0)))
    counts = np.pad(known, padding).astype(np.float32)
    summed, number = _of_four(values), _of_four(counts[..., None])
    half = spread(summed / number.clip(1), number[..., 0] > 0)
    larger = half.repeat(2, axis=0).repeat(2, axis=1)[:h, :w]
    filled: np.ndarray = np.where(known[..., None], texture, larger)
    return filled


def _of_four(values: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "h2 w2 c"]:
    """Sums of blocks of two by two."""
    h, w, c = values.shape
    summed: np.ndarray = values.reshape(h // 2, 2, w // 2, 2, c).sum(axis=(1, 3))
    return summed
