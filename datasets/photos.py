"""Whole photos of a split, one after the other, as kernels that make whole pictures read them.

Letters: n photos of the split, h, w pixels. Pictures are planar, [3,h,w], so that a row of one
channel is contiguous. Every photo comes once an epoch, in an order that follows from a seed: what
a checkpoint has to know is that seed and the place within the epoch.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from polyfield.datasets.images import Images
from polyfield.datasets.resample import resize_nearest, shrink_mask, shrink_photo
from polyfield.datasets.scene import Scene
from polyfield.errors import InputError

FACTORS = (1, 2, 4, 8)
SEEDS = 1 << 62


@dataclass(frozen=True)
class Photo:
    """One photo; its tensors are shared, do not write into them.

    Attributes:
        index: its number in the scene.
        rgb: straight (not premultiplied) sRGB.
        alpha: how much of a pixel is covered; None where photos have none.
        mask: 0 where a pixel says nothing; None where all say something.
        z_depth: along the optical axis, world units, 0 where unknown; None where there are none.
        normals: unit, world, 0 where unknown; None where there are none.
    """

    index: int
    rgb: UInt8[Tensor, "3 h w"]
    alpha: UInt8[Tensor, "h w"] | None = None
    mask: UInt8[Tensor, "h w"] | None = None
    z_depth: Float[Tensor, "h w"] | None = None
    normals: Float[Tensor, "3 h w"] | None = None


class PlanarPhotos:
    """The photos of a split, in memory.

    All are decoded here, side by side, so that a broken file is found before training starts. They
    take as many bytes as they have pixels and channels (what the scene's own stacks have decoded
    before stays there beside them), depths and normals 4 a number; smaller sizes a third more, once
    they have been asked for.

    Args:
        scene: the images and cameras.
        split: "train", "test", ...
        depths, normals: whether to keep them too, where the scene has them.

    Raises:
        InputError: for a split without photos, or with masks that exclude every pixel.
    """

    def __init__(
        self, scene: Scene, split: str = "train", *, depths: bool = True, normals: bool = True
    ) -> None:
        if split not in scene.splits or not len(scene.splits[split]):
            raise InputError(
                "no images to learn from",
                file=scene.path,
                field="split",
                found=split,
                expected=" or ".join(name for name, part in scene.splits.items() if len(part)),
            )
        self._sizes = {factor: scene.cameras.scaled(1 / factor).size.tolist() for factor in FACTORS}

        def decode(i: int) -> Photo | None:
            return _decode(
                scene, i, scene.depths if depths else None, scene.normals if normals else None
            )

        numbers = scene.splits[split].tolist()
        with ThreadPoolExecutor(max_workers=min(32, os.cpu_count() or 1)) as pool:
            photos = dict(zip(numbers, pool.map(decode, numbers)))
        self._photos = {(i, 1): photo for i, photo in photos.items() if photo is not None}
        self.indices = [i for i, _ in self._photos]
        if not self.indices:
            raise InputError(
                "the masks exclude every pixel", file=scene.path, field=f"masks of '{split}'"
            )
        self._seed, self._position = 0, len(self.indices)
        self._order = self.indices

    def __len__(self) -> int:
        """n, without photos of which a mask excludes every pixel: there is nothing to learn."""
        return len(self.indices)

    def sample(self, generator: torch.Generator, factor: int = 1) -> Photo:
        """The next photo of the epoch, at 1 / factor of its size.

        Args:
            generator: drawn from when an epoch begins, once.
            factor: as in `at`.
        """
        if self._position == len(self):
            seed = int(torch.randint(SEEDS, (), generator=generator))
            self.load_state({"seed": seed, "position": 0})
        index = self._order[self._position]
        self._position += 1
        return self.at(index, factor)

    def at(self, index: int, factor: int = 1) -> Photo:
        """A photo at 1 / factor of its size, kept once it was made.

        Each pixel is the mean of what it covers, and valid where all of that is; depths and normals
        are the nearest. Its size is that of `scene.cameras.scaled(1 / factor)`.

        Args:
            index: its number in the scene, one of `indices`.
            factor: 1, 2, 4 or 8.
        """
        if factor not in FACTORS:
            expected = " or ".join(map(str, FACTORS))
            raise InputError(field="factor", found=factor, expected=expected)
        if (index, 1) not in self._photos:
            expected = f"one of the {len(self)} photos of the split"
            raise InputError(field="index", found=index, expected=expected)
        if (index, factor) not in self._photos:
            width, height = self._sizes[factor][index]
            self._photos[index, factor] = _shrunk(self._photos[index, 1], (width, height))
        return self._photos[index, factor]

    def state(self) -> dict[str, Any]:
        """Plain data from which the order goes on."""
        return {"seed": self._seed, "position": self._position}

    def load_state(self, state: dict[str, Any]) -> None:
        """Undo `state`."""
        self._seed, self._position = int(state["seed"]), int(state["position"])
        shuffle = torch.Generator().manual_seed(self._seed)
        places = torch.randperm(len(self), generator=shuffle).tolist()
        self._order = [self.indices[place] for place in places]


def _decode(scene: Scene, i: int, depths: Images | None, normals: Images | None) -> Photo | None:
    """Photo i; None where a mask excludes all of it."""
    mask = None if scene.masks is None else scene.masks.fresh(i)
    if mask is not None and not mask.any():
        return None
    return _photo(
        i,
        scene.images.fresh(i),
        mask,
        None if depths is None else depths.fresh(i),
        None if normals is None else normals.fresh(i),
    )


def _photo(
    i: int,
    pixels: np.ndarray,
    mask: np.ndarray | None,
    depth: np.ndarray | None,
    normals: np.ndarray | None,
) -> Photo:
    """Of rasters [h,w,c]."""
    return Photo(
        i,
        _planes(pixels[..., :3]),
        _planes(pixels[..., 3:])[0] if pixels.shape[2] == 4 else None,
        None if mask is None or mask.all() else _planes(mask)[0],
        None if depth is None else _planes(depth)[0],
        None if normals is None else _planes(normals),
    )


def _planes(raster: np.ndarray) -> Tensor:
    """[c,h,w] of [h,w,c], with memory of its own."""
    return torch.from_numpy(np.array(raster.transpose(2, 0, 1), order="C"))


def _raster(planes: Tensor | None) -> np.ndarray | None:
    """[h,w,c] of [c,h,w] or [h,w]."""
    if planes is None:
        return None
    stacked = planes if planes.ndim == 3 else planes[None]
    return np.ascontiguousarray(stacked.numpy().transpose(1, 2, 0))


def _shrunk(photo: Photo, size: tuple[int, int]) -> Photo:
    layers = [_raster(photo.rgb), _raster(photo.alpha)]
    pixels = np.concatenate([layer for layer in layers if layer is not None], axis=2)
    mask, depth, normals = (_raster(x) for x in (photo.mask, photo.z_depth, photo.normals))
    return _photo(
        photo.index,
        shrink_photo(pixels, size),
        None if mask is None else shrink_mask(mask, size),
        None if depth is None else resize_nearest(depth, size),
        None if normals is None else resize_nearest(normals, size),
    )
