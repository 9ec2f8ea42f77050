"""A texture as a picture file, in memory."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image

FASTER = 4  # of zlib's levels: a tenth larger than the slowest, several times as fast


def png(texture: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """A PNG; nothing in it says other than sRGB."""
    held = io.BytesIO()
    Image.fromarray(texture).save(held, "png", compress_level=FASTER)
    return held.getvalue()
