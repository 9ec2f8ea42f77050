"""Shrinking decoded rasters, each kind in the way that keeps it true.

Photos shrink by area averaging, of premultiplied colour where there is alpha; a mask pixel stays
valid only if all that it covers is; depths and normals take the nearest sample, because a mean of
two surfaces lies on neither. The edges of the raster stay where they are, so intrinsics follow the
ratio of the sizes exactly.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

BOX = Image.Resampling.BOX
SLIVER = 1e-5  # less of a pixel than this is rounding


def shrink_photo(photo: UInt8[np.ndarray, "h w c"], size: tuple[int, int]) -> np.ndarray:
    """A photo with c = 3 or 4 at another width and height."""
    if photo.shape[1::-1] == size:
        return photo
    image = Image.fromarray(photo)
    if image.mode == "RGBA":
        return np.asarray(_shrink(image.convert("RGBa"), size).convert("RGBA"))
    return np.asarray(_shrink(image, size))


def shrink_mask(mask: UInt8[np.ndarray, "h w 1"], size: tuple[int, int]) -> np.ndarray:
    """A mask of 0 and 255 at another width and height."""
    if mask.shape[1::-1] == size:
        return mask
    valid = Image.fromarray((mask[..., 0] > 0).astype(np.float32))
    covered = np.asarray(valid.resize(size, BOX))  # the part of each pixel that is valid
    return np.where(covered > 1 - SLIVER, np.uint8(255), np.uint8(0))[..., None]


def _shrink(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The mean of what each pixel covers; by a whole factor it is rounded once only."""
    width, height = size
    if image.width % width == 0 and image.height % height == 0:
        return image.reduce((image.width // width, image.height // height))
    return image.resize(size, BOX)


def resize_nearest(depth: Float32[np.ndarray, "h w c"], size: tuple[int, int]) -> np.ndarray:
    """A map of depths (c = 1) or normals (c = 3) at another width and height."""
    width, height = size
    rows = (np.arange(height) * 2 + 1) * depth.shape[0] // (2 * height)
    columns = (np.arange(width) * 2 + 1) * depth.shape[1] // (2 * width)
    return depth[rows[:, None], columns[None]]
