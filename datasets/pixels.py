"""Batches of rays with what the images say about them, gathered without a float copy of any image.

Letters: r rays, k images of the split, c channels.

A pixel is drawn with equal probability from all pixels of a split that no mask excludes, and whose
ray was not left out (`datasets.valid_pixels`). A distorted lens that many images share is solved
once, for all of its pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numba import prange
from torch import Tensor

from polyfield.cameras import models
from polyfield.cameras.cameras import Cameras
from polyfield.cameras.rays import Rays
from polyfield.datasets.scene import Scene
from polyfield.datasets.valid_pixels import ValidPixels, last_not_above, place_of_rank
from polyfield.errors import InputError
from polyfield.kernels.blocks import Block, specialise
from polyfield.kernels.launch import launch

SERIAL_RAYS = 8192  # below this, waking threads costs more than they save
CHUNK = 1 << 18  # rays that are looked at at once, to be kept or left out
TABLE_SHARE = 0.25  # directions of solved lenses may take this part of the memory of the images


@dataclass(frozen=True)
class RayBatch:
    """r rays and what was seen along them.

    Attributes:
        rays: in the world frame.
        rgb: straight (not premultiplied) sRGB in [0,1].
        alpha: in [0,1], where the images have it.
        z_depth: along the optical axis in world units, 0 where unknown; where depths are sampled.
        normals: unit, world, 0 where unknown; where normals are sampled.
        image_index: the number of the image in the scene.
        pixels: (x, y), pixel centres at +0.5.
    """

    rays: Rays
    rgb: Float[Tensor, "r 3"]
    alpha: Float[Tensor, " r"] | None
    z_depth: Float[Tensor, " r"] | None
    normals: Float[Tensor, "r 3"] | None
    image_index: Int[Tensor, " r"]
    pixels: Float[Tensor, "r 2"]

    def __len__(self) -> int:
        return len(self.image_index)

    def to(self, device: torch.device | str) -> RayBatch:
        """The same batch on a device."""

        def move(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device, non_blocking=True)

        return RayBatch(
            self.rays.to(device),
            self.rgb.to(device),
            move(self.alpha),
            move(self.z_depth),
            move(self.normals),
            self.image_index.to(device),
            self.pixels.to(device),
        )


class PixelSampler:
    """Draws pixels of a split.

    Decodes the images of the split once, so that a broken file is found before training starts.

    Args:
        scene: the images and cameras.
        split: "train", "test", ...
        depths, normals: whether to sample them too, where the scene has them.
    """

    def __init__(
        self, scene: Scene, split: str = "train", *, depths: bool = True, normals: bool = True
    ) -> None:
        if split not in scene.splits or not len(scene.splits[split]):
            raise InputError(
                "no images to sample from",
                file=scene.path,
                field="split",
                found=split,
                expected=" or ".join(name for name, part in scene.splits.items() if len(part)),
            )
        index = scene.splits[split]
        self._image_index = index.numpy().astype(np.int64)
        self._pixels, self._offsets = scene.images.pixel_buffer(index.tolist())
        self._depths = np.zeros((0, 1), dtype=np.float32)
        if depths and scene.depths is not None:
            self._depths = scene.depths.pixel_buffer(index.tolist())[0]
        self._normals = np.zeros((0, 3), dtype=np.float32)
        if normals and scene.normals is not None:
            self._normals = scene.normals.pixel_buffer(index.tolist())[0]
        self._times = None if scene.times is None else scene.times.float()
        cameras = scene.cameras
        self._cameras = (
            cameras.model[index].numpy(),
            cameras.intrinsics[index].numpy(),
            cameras.distortion[index].numpy(),
            np.ascontiguousarray(cameras.world_from_camera[index].numpy()),
            np.ascontiguousarray(cameras.size[index, 0].numpy()),
        )
        self._table, self._table_start = _solved_lenses(
            cameras[index], TABLE_SHARE * self._pixels.nbytes
        )
        self._valid: ValidPixels | None = None
        if scene.masks is not None:
            self._valid = ValidPixels.of(scene.masks.pixel_buffer(index.tolist())[0].ravel() != 0)
            if len(self._valid) == 0:
                raise InputError(
                    "the masks exclude every pixel", file=scene.path, field=f"masks of '{split}'"
                )

    def __len__(self) -> int:
        """How many pixels there are to draw from."""
        return int(self._offsets[-1]) if self._valid is None else len(self._valid)

    def sample(self, n_rays: int, generator: torch.Generator) -> RayBatch:
        """r = `n_rays` pixels, independent and uniform."""
        return self.gather(torch.randint(len(self), (n_rays,), generator=generator))

    def keep(self, wanted: Callable[[Rays], Bool[Tensor, " r"]]) -> int:
        """Draw only pixels whose rays are wanted from now on; all stay where none is.

        Args:
            wanted: rays -> which of them; asked chunk by chunk.

        Returns:
            How many are wanted.
        """
        chunks = torch.arange(len(self)).split(CHUNK)
        kept = np.concatenate([wanted(self.gather(ids).rays).numpy() for ids in chunks])
        n = int(self._offsets[-1])
        valid = np.ones(n, bool) if self._valid is None else self._valid.mask(n).copy()
        valid[valid] = kept
        if kept.any():
            self._valid = ValidPixels.of(valid)
        return int(kept.sum())

    def gather(self, ids: Int[Tensor, " r"]) -> RayBatch:
        """The rays of given pixels.

        Args:
            ids: in [0, len(self)): rows of the images of the split, one image after the other,
                counting only pixels that no mask excludes.
        """
        r = len(ids)
        has_alpha, has_depth = self._pixels.shape[1] == 4, len(self._depths) > 0
        origins, directions, rgb = torch.empty(3, r, 3).unbind()
        scalars = torch.empty(3, r)
        normals = torch.empty(r if len(self._normals) else 0, 3)
        pixels = torch.empty(r, 2)
        image_index = torch.empty(r, dtype=torch.int64)
        words_and_ranks = (np.zeros(0, np.uint32), np.zeros(0, np.int64))
        if self._valid is not None:
            words_and_ranks = (self._valid.words, self._valid.ranks)
        with launch():
            _compiled_gather(parallel=r > SERIAL_RAYS)(
                ids.numpy(),
                self._offsets,
                self._image_index,
                self._pixels,
                self._depths,
                self._normals,
                *words_and_ranks,
                self._table,
                self._table_start,
                *self._cameras,
                origins.numpy(),
                directions.numpy(),
                rgb.numpy(),
                scalars.numpy(),
                normals.numpy(),
                pixels.numpy(),
                image_index.numpy(),
            )
        axis_cosine, alpha, z_depth = scalars.unbind()
        times = None if self._times is None else self._times[image_index]
        return RayBatch(
            Rays(origins, directions, image_index, axis_cosine, times),
            rgb,
            alpha if has_alpha else None,
            z_depth if has_depth else None,
            normals if len(self._normals) else None,
            image_index,
            pixels,
        )


def _solved_lenses(cameras: Cameras, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Directions of all pixels of each distorted lens, in the camera frame, one after the other.

    Args:
        cameras: k, of the split.
        limit: bytes; beyond it nothing is solved in advance.

    Returns:
        directions [t,3] float32; and for each camera where its own start, or -1.
    """
    key = torch.cat(
        [cameras.model[:, None], cameras.size, cameras.intrinsics, cameras.distortion], dim=1
    )
    lenses, lens_of_camera = key.unique(dim=0, return_inverse=True)
    first = [int((lens_of_camera == lens).nonzero()[0]) for lens in range(len(lenses))]
    areas = cameras.size[first].prod(dim=1)
    if (cameras.model == models.Model.PINHOLE).all() or 12 * int(areas.sum()) > limit:
        return np.zeros((0, 3), dtype=np.float32), np.full(len(cameras), -1)
    identity = torch.eye(3, 4, dtype=torch.float64).expand(len(first), 3, 4)
    solved = replace(cameras[torch.tensor(first)], world_from_camera=identity)
    table = torch.cat([solved.image_rays(lens).directions for lens in range(len(first))])
    starts = areas.cumsum(dim=0) - areas
    return table.numpy(), starts[lens_of_camera].numpy()


direction_from_pixel = models.direction_from_pixel


@cache
def _compiled_gather(parallel: bool) -> Block:
    return specialise(
        _gather,
        parallel,
        direction_from_pixel=direction_from_pixel,
        last_not_above=last_not_above,
        place_of_rank=place_of_rank,
    )


def _gather(  # type: ignore[no-untyped-def]
    ids,
    offsets,
    image_numbers,
    colors,
    depths,
    normal_maps,
    words,
    ranks,
    table,
    table_start,
    model,
    intrinsics,
    distortion,
    world_from_camera,
    width,
    origins,
    directions,
    rgb,
    scalars,
    normals,
    pixels,
    image_index,
):
    """One pass over the drawn pixels; scalars are axis cosine, alpha, z-depth."""
    n_images = image_numbers.shape[0]
    for i in prange(ids.shape[0]):
        place = ids[i]
        if ranks.shape[0] > 0:
            place = place_of_rank(place, ranks, words)
        k = place * n_images // offsets[n_images]  # right where all images are of one size
        if place < offsets[k] or place >= offsets[k + 1]:
            k = last_not_above(offsets, place)
        row = (place - offsets[k]) // width[k]
        column = place - offsets[k] - row * width[k]
        px, py = column + 0.5, row + 0.5
        if table_start[k] >= 0:
            x, y, z = table[table_start[k] + place - offsets[k]]
        else:
            fx, fy, cx, cy = intrinsics[k]
            x, y, z = direction_from_pixel(model[k], fx, fy, cx, cy, distortion[k], px, py)
        for a in range(3):
            pose = world_from_camera[k, a]
            directions[i, a] = pose[0] * x + pose[1] * y + pose[2] * z
            origins[i, a] = pose[3]
            rgb[i, a] = colors[place, a] * np.float32(1 / 255)
        scalars[0, i] = z
        scalars[1, i] = colors[place, 3] * np.float32(1 / 255) if colors.shape[1] == 4 else 1.0
        scalars[2, i] = depths[place, 0] if depths.shape[0] > 0 else 0.0
        if normal_maps.shape[0] > 0:
            for a in range(3):
                normals[i, a] = normal_maps[place, a]
        pixels[i, 0], pixels[i, 1] = px, py
        image_index[i] = image_numbers[k]
