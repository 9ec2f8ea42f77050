"""A video as a signal: a file, or a folder of frames. A frame is as long as a pixel is wide."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polyfield.datasets import ffmpeg
from polyfield.datasets.grid import Grid, make_grid
from polyfield.datasets.image_files import list_images, natural_order
from polyfield.datasets.picture import read_picture
from polyfield.errors import InputError


def load_video(path: Path, frames: int | None = None, fps: float | None = None) -> Grid:
    """A video, [f, h, w, k]: 8 bits of red, green, blue from a file, what they hold from frames.

    Args:
        path: a file that ffmpeg reads, or a folder of pictures of one size, in natural order.
        frames: at most as many, from the first.
        fps: frames a second; by default those of the file, 30 of a folder.

    Raises:
        InputError: for what is no video, or frames of different sizes.
    """
    for name, value in {"frames": frames, "fps": fps}.items():
        if value is not None and not value > 0:
            raise InputError(field=f"dataset.{name}", found=value, expected="above 0")
    if path.is_dir():
        return make_grid("video", _read_folder(path, frames), path, rate=float(fps or 30))
    stream = ffmpeg.probe(path)
    values = ffmpeg.decode(path, "rgb24", "u1", 3, stream, most=frames, rate=stream.rate)
    return make_grid("video", values, path, rate=float(fps or stream.rate))


def _read_folder(path: Path, most: int | None) -> np.ndarray:
    files = sorted(list_images(path), key=lambda file: natural_order(file.name))[:most]
    if not files:
        raise InputError(file=path, field="frames", found="no pictures", expected="a frame a file")
    first = read_picture(files[0])
    values = np.empty((len(files), *first.shape), first.dtype)
    for i, file in enumerate(files):
        frame = first if i == 0 else read_picture(file)
        if frame.shape != first.shape or frame.dtype != first.dtype:
            found, expected = (f"{list(f.shape)} {f.dtype}" for f in (frame, first))
            hint = f"as {files[0].name}"
            raise InputError(file=file, field="frame", found=found, expected=expected, hint=hint)
        values[i] = frame
    return values
