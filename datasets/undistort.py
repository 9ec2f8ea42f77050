"""Photos of lenses that bend straight lines become photos of pinhole cameras.

For what renders pictures of pinhole cameras alone, such as a rasteriser. Letters: h, w pixels, c
channels, m pixel positions. Every pixel of the new photo looks along a direction, which the lens
sees at some place of the old one: colours are bilinear there, of premultiplied colour where there
is alpha; masks, depths and normals take the nearest pixel, because a mean of two surfaces lies on
neither. Poses stay, so that depths along the optical axis stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from polyfield.cameras.cameras import Cameras
from polyfield.cameras.models import Model
from polyfield.datasets.images import Images
from polyfield.datasets.scene import Scene
from polyfield.errors import InputError
from polyfield.kernels.blocks import specialise

WIDEST = 110.0  # degrees that a pinhole camera sees across; beyond, edges take most of the pixels
KEEP_FOCAL = (Model.PINHOLE, Model.OPENCV, Model.DIVISION)
MAPS = 8  # lenses whose maps are kept, 9 bytes a pixel each

Map = tuple[Float32[np.ndarray, "h w 2"], Bool[np.ndarray, "h w"]]


def undistorted(scene: Scene, widest: float = WIDEST) -> Scene:
    """The scene with PINHOLE cameras alone; the same object where it has no others.

    Photos keep their sizes, and are resampled when they are first asked for. Pixels that look where
    the old photo saw nothing are masked.

    Args:
        scene: of lenses that `pinholes` can replace.
        widest: degrees, see `pinholes`.

    Raises:
        InputError: see `pinholes`.
    """
    source = scene.cameras
    if bool((source.model == Model.PINHOLE).all()):
        return scene
    cameras = pinholes(source, widest)
    maps = _Maps(source, cameras)

    def resampled(stack: Images | None, pick: Callable[[np.ndarray, Map], np.ndarray]) -> Images:
        assert stack is not None

        def decode(i: int) -> np.ndarray:
            raster = stack.fresh(i)
            return raster if maps.are_same(i) else pick(np.ascontiguousarray(raster), maps[i])

        return Images(stack.names, stack.sizes, stack.channels, decode, stack.dtype.type)

    masks = scene.masks
    if masks is None and not all(maps.covered(i) for i in range(len(scene))):
        masks = Images(scene.images.names, scene.images.sizes, 1, _all_valid(source))
    return replace(
        scene,
        cameras=cameras,
        images=resampled(scene.images, _blend),
        masks=None if masks is None else resampled(masks, _nearest),
        depths=None if scene.depths is None else resampled(scene.depths, _nearest),
        normals=None if scene.normals is None else resampled(scene.normals, _nearest),
    )


def pinholes(cameras: Cameras, widest: float = WIDEST) -> Cameras:
    """Pinhole cameras of the same poses, sizes and principal points.

    Lenses that see as a perspective does, but for some distortion (OPENCV, DIVISION), keep their
    focal lengths, and with them the scale of the pixels. Those of wide lenses (fisheyes, FOV, EUCM)
    are such that the middles of all four edges of the photo stay in it, as far as they lie less
    than `widest` / 2 from the optical axis.

    Args:
        widest: degrees between 0 and 180.

    Raises:
        InputError: for another `widest`, or a photo of all directions.
    """
    if not 0 < widest < 180:
        expected = "degrees between 0 and 180"
        raise InputError(field="widest", found=widest, expected=expected)
    spheres = (cameras.model == Model.EQUIRECTANGULAR).nonzero()
    if len(spheres):
        raise InputError(
            "a photo of all directions cannot become that of a pinhole camera",
            field=f"camera {int(spheres[0])}",
            found="EQUIRECTANGULAR",
            expected="a perspective or fisheye lens",
        )
    intrinsics = cameras.intrinsics.clone()
    for i, model in enumerate(cameras.model.tolist()):
        if model not in KEEP_FOCAL:
            intrinsics[i, :2] *= _zoom(cameras, i, math.tan(math.radians(0.5 * widest)))
    return replace(
        cameras,
        intrinsics=intrinsics,
        distortion=torch.zeros_like(cameras.distortion),
        model=torch.full_like(cameras.model, Model.PINHOLE),
    )


def _zoom(cameras: Cameras, i: int, most: float) -> float:
    """The factor of the focal lengths for which slopes up to `most` come to lie in the photo."""
    width, height = cameras.size[i].tolist()
    fx, fy, cx, cy = cameras.intrinsics[i].tolist()
    edges = torch.tensor([[0, cy], [width, cy], [cx, 0], [cx, height]], dtype=torch.float64)
    camera = _at_origin(cameras, i)
    ahead = camera.rays(torch.zeros(4, dtype=torch.int64), edges).directions.tolist()
    room = (cx / fx, (width - cx) / fx, cy / fy, (height - cy) / fy)
    slopes = (most if z <= 0 else min(most, math.hypot(x, y) / z) for x, y, z in ahead)
    wanted = [have / slope for have, slope in zip(room, slopes) if have > 0 and slope > 0]
    return min(wanted, default=1.0)


def _at_origin(cameras: Cameras, i: int) -> Cameras:
    pose = torch.eye(3, 4, dtype=torch.float64)[None]
    return replace(cameras[i], world_from_camera=pose, times=None)


class _Maps:
    """Where the pixels of new photos lie in the old ones.

    Photos of one lens share a map; few are kept, as photos may have a lens each.
    """

    def __init__(self, source: Cameras, target: Cameras) -> None:
        self._source, self._target = source, target
        sides = (source, target)
        rows = [torch.cat([s.model[:, None], s.size, s.intrinsics, s.distortion], 1) for s in sides]
        lenses, lens_of = torch.cat(rows, dim=1).unique(dim=0, return_inverse=True)
        first = [int((lens_of == lens).nonzero()[0]) for lens in range(len(lenses))]
        self._first = [first[lens] for lens in lens_of.tolist()]
        self._of_lens = lru_cache(maxsize=MAPS)(self._whole)
        self._covered = {i: self.are_same(i) or self._border_is_seen(i) for i in first}

    def __getitem__(self, i: int) -> Map:
        """Positions (x, y) in the old photo, and whether it has them: [h,w,2] and [h,w]."""
        return self._of_lens(self._first[i])

    def are_same(self, i: int) -> bool:
        """Whether photo i stays as it is: its lens bends nothing."""
        return int(self._source.model[i]) in KEEP_FOCAL and not self._source.distortion[i].any()

    def covered(self, i: int) -> bool:
        """Whether the old photo has all that the new one shows: if it has all of its border."""
        return self._covered[self._first[i]]

    def _whole(self, i: int) -> Map:
        width, height = self._target.size[i].tolist()
        x, y = torch.meshgrid(torch.arange(width) + 0.5, torch.arange(height) + 0.5, indexing="xy")
        places, seen = self._places(i, torch.stack([x, y], dim=-1).view(-1, 2).double())
        return (
            places.view(height, width, 2).float().numpy(),
            seen.view(height, width).numpy(),
        )

    def _border_is_seen(self, i: int) -> bool:
        width, height = self._target.size[i].tolist()
        x, y = torch.arange(width) + 0.5, torch.arange(height) + 0.5
        rows = [torch.stack([x, torch.full_like(x, at)], 1) for at in (0.5, height - 0.5)]
        columns = [torch.stack([torch.full_like(y, at), y], 1) for at in (0.5, width - 0.5)]
        return bool(self._places(i, torch.cat(rows + columns).double())[1].all())

    def _places(self, i: int, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Where the old lens sees what pixel positions [m,2] of the new one look at."""
        fx, fy, cx, cy = self._target.intrinsics[i].tolist()
        x, y = (pixels[:, 0] - cx) / fx, (pixels[:, 1] - cy) / fy
        ahead = torch.stack([x, y, torch.ones_like(x)], dim=1)
        places, _, seen = _at_origin(self._source, i).project(0, ahead)
        return places.nan_to_num(), seen


def _all_valid(cameras: Cameras) -> Callable[[int], np.ndarray]:
    sizes = cameras.size.tolist()
    return lambda i: np.full((sizes[i][1], sizes[i][0], 1), 255, np.uint8)


def _nearest(raster: np.ndarray, where: Map) -> np.ndarray:
    """The pixels [h,w,c] in which places lie; 0 where they are not seen."""
    places, seen = where
    height, width = raster.shape[:2]
    column = np.clip(np.floor(places[..., 0]), 0, width - 1).astype(np.int64)
    row = np.clip(np.floor(places[..., 1]), 0, height - 1).astype(np.int64)
    return np.where(seen[..., None], raster[row, column], raster.dtype.type(0))


def _blend(photo: np.ndarray, where: Map) -> np.ndarray:
    """Colours [h,w,c] at places, c = 3 or 4; 0 where they are not seen."""
    places, seen = where
    out = np.empty((*seen.shape, photo.shape[2]), np.uint8)
    specialise(_bilinear, parallel=False)(photo, places, seen, out)  # decoders run side by side
    return out


def _bilinear(photo, places, seen, out):  # type: ignore[no-untyped-def]
    height, width, channels = photo.shape
    half, one, zero = np.float32(0.5), np.float32(1), np.float32(0)
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            if not seen[row, column]:
                for c in range(channels):
                    out[row, column, c] = 0
                continue
            x = min(max(places[row, column, 0] - half, zero), np.float32(width - 1))
            y = min(max(places[row, column, 1] - half, zero), np.float32(height - 1))
            left, top = int(x), int(y)
            right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
            x, y = x - np.float32(left), y - np.float32(top)
            a, b = (one - x) * (one - y), x * (one - y)
            d, e = (one - x) * y, x * y
            total = one
            if channels == 4:  # colours count by how much of their pixels they cover
                a, b = a * photo[top, left, 3], b * photo[top, right, 3]
                d, e = d * photo[bottom, left, 3], e * photo[bottom, right, 3]
                total = np.float32(a + b + d + e)
                out[row, column, 3] = np.uint8(total + half)
            scale = one / total if total > zero else zero
            for c in range(3):
                value = a * photo[top, left, c] + b * photo[top, right, c]
                value += d * photo[bottom, left, c] + e * photo[bottom, right, c]
                out[row, column, c] = np.uint8(value * scale + half)
