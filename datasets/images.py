"""A stack of rasters (photos, masks, depth maps) decoded when asked for.

Letters: n images, h x w pixels, c channels. What is stored for a stack is at most its decoded
pixels in their own type, uint8 for photos: never a float copy, never a pixel twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from polyfield.errors import InputError


class Images:
    """n images, each decoded on first use and then kept.

    Args:
        names: what each image is called, unique.
        sizes: [n,2] width and height in pixels.
        channels: c, of every image.
        decode: the image of a number, [h,w,c]; called from several threads.
        dtype: of the pixels.
    """

    def __init__(
        self,
        names: Sequence[str],
        sizes: np.ndarray,
        channels: int,
        decode: Callable[[int], np.ndarray],
        dtype: type[np.generic] = np.uint8,
    ) -> None:
        self.names = list(names)
        self.sizes = np.asarray(sizes, dtype=np.int64).reshape(len(self.names), 2)
        self.channels = channels
        self.dtype = np.dtype(dtype)
        self._decode = decode
        self._decoded: dict[int, np.ndarray] = {}

    @classmethod
    def from_arrays(
        cls, arrays: np.ndarray | Sequence[np.ndarray], names: Sequence[str] | None = None
    ) -> Images:
        """Images that are in memory already.

        They count as decoded: once a buffer holds them, nothing here refers to the arrays given.

        Args:
            arrays: [n,h,w,c], or n arrays [h,w,c] that may differ in size; not copied.
            names: by default 0000, 0001, ...
        """
        images = list(arrays)
        if not images or any(image.ndim != 3 for image in images):
            raise InputError(
                field="images",
                found=[np.shape(image) for image in images[:3]],
                expected="arrays of shape [h,w,c], at least one",
            )
        channels, dtype = images[0].shape[2], images[0].dtype
        for i, image in enumerate(images):
            if image.shape[2] != channels or image.dtype != dtype:
                raise InputError(
                    field=f"images[{i}]",
                    found=f"{image.shape[2]} channels of {image.dtype}",
                    expected=f"{channels} of {dtype}, as in the first",
                )
        sizes = np.array([(image.shape[1], image.shape[0]) for image in images])
        if names is None:
            names = [f"{i:04d}" for i in range(len(images))]
        stack = cls(names, sizes, channels, _nothing_to_decode, dtype.type)
        stack._decoded = dict(enumerate(images))
        return stack

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> np.ndarray:
        """Image i as [h,w,c]; the array is shared, do not write into it."""
        i = range(len(self))[i]
        if i not in self._decoded:
            self._decoded[i] = self._checked(i)
        return self._decoded[i]

    def fresh(self, i: int) -> np.ndarray:
        """Image i as [h,w,c], decoded without keeping it unless it is kept already."""
        i = range(len(self))[i]
        return self._decoded[i] if i in self._decoded else self._checked(i)

    def pixel_buffer(self, indices: Sequence[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The pixels of some images, one image after the other, row-major.

        Images decoded this way are views of the buffer from then on, so nothing is held twice.

        Args:
            indices: k image numbers; by default all.

        Returns:
            pixels [total,c], and offsets [k+1] int64: image j has rows offsets[j]:offsets[j+1].
        """
        chosen = list(range(len(self))) if indices is None else [int(i) for i in indices]
        areas = self.sizes[chosen].prod(axis=1) if chosen else np.zeros(0, dtype=np.int64)
        offsets = np.concatenate([[0], np.cumsum(areas)]).astype(np.int64)
        pixels = np.empty((int(offsets[-1]), self.channels), dtype=self.dtype)

        def fill(j: int) -> None:
            width, height = self.sizes[chosen[j]]
            view = pixels[offsets[j] : offsets[j + 1]].reshape(height, width, self.channels)
            known = self._decoded.get(chosen[j])
            view[:] = self._checked(chosen[j]) if known is None else known
            self._decoded[chosen[j]] = view

        with ThreadPoolExecutor(max_workers=min(32, os.cpu_count() or 1)) as pool:
            for _ in pool.map(fill, range(len(chosen))):
                pass
        return pixels, offsets

    def _checked(self, i: int) -> np.ndarray:
        image = self._decode(i)
        width, height = self.sizes[i]
        if image.shape != (height, width, self.channels) or image.dtype != self.dtype:
            raise InputError(
                field=self.names[i],
                found=f"{image.dtype} {list(image.shape)}",
                expected=f"{self.dtype} {[int(height), int(width), self.channels]}",
            )
        return image


def _nothing_to_decode(i: int) -> np.ndarray:
    raise IndexError(f"image {i} of a stack in memory")
