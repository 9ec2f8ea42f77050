"""Whole photos in planes, as image losses read them.

Letters: h, w pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from polyfield.datasets.scene import Scene


@dataclass(frozen=True)
class PlanarPhoto:
    """One photo.

    Attributes:
        rgb: [3,h,w] sRGB, straight where there is alpha.
        alpha: [h,w]; None where there is none.
        mask: [h,w] 0 where a pixel says nothing; None where all count.
    """

    rgb: UInt8[Tensor, "3 h w"]
    alpha: UInt8[Tensor, "h w"] | None
    mask: UInt8[Tensor, "h w"] | None


class PlanarPhotos:
    """The photos of a split by their numbers in the scene, decoded once.

    Args:
        scene: the photos.
        split: "train", "val" or "test".
    """

    def __init__(self, scene: Scene, split: str) -> None:
        self._photos = {i: _photo(scene, i) for i in scene.splits[split].tolist()}

    def __getitem__(self, i: int) -> PlanarPhoto:
        """Photo i of the scene."""
        return self._photos[i]


def _photo(scene: Scene, i: int) -> PlanarPhoto:
    image = scene.images.fresh(i)
    planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    alpha = planes[3] if len(planes) == 4 else None
    mask = None
    if scene.masks is not None:
        mask = torch.from_numpy(np.ascontiguousarray(scene.masks.fresh(i)[..., 0]))
    return PlanarPhoto(planes[:3], alpha, mask)
