"""The photos of the data, read when somebody asks for one.

Letters: h, w pixels.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image

from polyfield.cameras import Cameras
from polyfield.errors import InputError
from polyfield.renderers.pictures import Picture, picture
from polyfield.renderers.render import Render
from polyfield.viewer.viewed import Stage, Viewed

KEPT = 8  # photos in memory
THUMBNAIL = 96  # pixels of the longer edge
WAIT = 20.0  # seconds for a photo that is being read when the page is closed
BORDER = 24  # grey around a photo of another shape than the page


class Photos:
    """Photos of what is shown, the latest ones kept.

    Args:
        stage: whose photos.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._kept: dict[int, Picture] = {}
        self._reader: threading.Thread | None = None
        self._thumbnails: threading.Thread | None = None
        self._closed = False
        self.read: Callable[[], None] = lambda: None  # called when one has been read meanwhile
        self.missing: str | None = None

    def __getitem__(self, i: int) -> Picture | None:
        """Photo i on its background; None where there is none, `missing` says why."""
        if i in self._kept:
            return self._kept[i]
        viewed = self._stage.viewed
        if self._closed:
            return None
        if viewed.photo is None:
            self.missing = "there are no photos"
            return None
        try:
            pixels = np.asarray(viewed.photo(i))
        except (InputError, OSError) as error:
            self.missing = str(error)
            return None
        photo = _composited(pixels, viewed)
        while len(self._kept) >= KEPT:
            self._kept.pop(next(iter(self._kept)), None)
        self._kept[i] = photo
        return photo

    def soon(self, i: int) -> Picture | None:
        """Photo i if it is in memory; else it is read meanwhile, and `read` is called then."""
        if i not in self._kept and (self._reader is None or not self._reader.is_alive()):

            def read() -> None:
                if self[i] is not None:
                    self.read()

            self._reader = threading.Thread(target=read, name="polyfield-photo", daemon=True)
            self._reader.start()
        return self._kept.get(i)

    def thumbnails(self, numbers: list[int], show: Callable[[int, Picture], None]) -> None:
        """Show small photos one by one, read meanwhile; up to the first that is missing."""

        def read() -> None:
            for i in numbers:
                image = self.thumbnail(i)
                if image is None:
                    return
                show(i, image)

        self._thumbnails = threading.Thread(target=read, name="polyfield-thumbnails", daemon=True)
        self._thumbnails.start()

    def close(self) -> None:
        """Read no more, and wait for the photo that is being read."""
        self._closed = True
        for thread in (self._reader, self._thumbnails):
            if thread is not None:
                thread.join(WAIT)

    def thumbnail(self, i: int) -> Picture | None:
        """Photo i, small."""
        photo = self[i]
        if photo is None:
            return None
        image = Image.fromarray(photo)
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        return np.asarray(image)

    def fitted(self, i: int, size: tuple[int, int]) -> Picture | None:
        """Photo i as large as fits, as high as the page, as its camera would show it."""
        photo = self[i]
        if photo is None:
            return None
        width, height = size
        h, w = photo.shape[:2]
        scale = height / h
        image = Image.fromarray(photo).resize((max(round(w * scale), 1), height))
        page = Image.new("RGB", size, (BORDER, BORDER, BORDER))
        page.paste(image, ((width - image.width) // 2, 0))
        return np.asarray(page)

    def nearest(self, camera: Cameras) -> int | None:
        """The photo whose camera stands and looks most like a camera; None where there is none."""
        viewed = self._stage.viewed
        if viewed.seen is None:
            return None
        poses = viewed.seen.world_from_camera
        pose = camera.world_from_camera[0]
        apart = (poses[:, :, 3] - pose[:, 3]).norm(dim=1) / max(viewed.size, 1e-9)
        turned = 1 - poses[:, :, 2] @ pose[:, 2]
        return int((apart + turned).argmin())

    def error(
        self, camera: Cameras, render: Render, wait: bool = False
    ) -> Float[np.ndarray, "h w"] | None:
        """How far a render is from the nearest photo; NaN where that does not look; None so far.

        What the render shows of a pixel is looked up in the photo, at the place where its camera
        sees the point that the render's depth puts there. That something stands in between is not
        known.

        Args:
            wait: whether to wait until the photo has been read.
        """
        nearest = self.nearest(camera)
        look_up = self.__getitem__ if wait else self.soon
        photo = None if nearest is None else look_up(nearest)
        if photo is None:
            return None
        seen = self._stage.viewed.seen
        assert nearest is not None
        assert seen is not None
        height, width = render.depth.shape
        rays = camera.image_rays(0)
        depth = render.depth.reshape(-1, 1).double()
        points = rays.origins.double() + depth * rays.directions.double()
        pixels, _, valid = seen.project(nearest, points)
        hit = (render.opacity.reshape(-1) > 0.5) & valid
        h, w = photo.shape[:2]
        found = np.full(height * width, np.nan, np.float32)
        index = torch.nonzero(hit).flatten()
        x = pixels[index, 0].floor().clamp(0, w - 1).long().numpy()
        y = pixels[index, 1].floor().clamp(0, h - 1).long().numpy()
        shown = np.nan_to_num(render.rgb.reshape(-1, 3)[index].numpy())
        apart = np.abs(photo[y, x].astype(np.float32) / 255 - shown)
        found[index.numpy()] = apart.mean(axis=1)
        return found.reshape(height, width)


def _composited(pixels: UInt8[np.ndarray, "h w c"], viewed: Viewed) -> Picture:
    """Without alpha, on what lies behind the scene."""
    if pixels.shape[-1] == 3:
        return np.ascontiguousarray(pixels)
    behind = viewed.light().background
    color = np.zeros(3, np.float32) if behind is None else behind.numpy().astype(np.float32)
    alpha = pixels[..., 3:].astype(np.float32) / 255
    return picture(pixels[..., :3].astype(np.float32) / 255 * alpha + (1 - alpha) * color)
