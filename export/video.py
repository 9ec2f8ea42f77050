"""mp4 videos that play in a browser (H.264, yuv420p), by the ffmpeg that imageio-ffmpeg ships."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import imageio.v2 as iio
import numpy as np

from polyfield.datasets.ffmpeg import require_ffmpeg
from polyfield.errors import InputError
from polyfield.renderers.pictures import Picture


def write_video(path: Path, frames: Iterable[Picture], fps: float = 30.0) -> int:
    """Write frames as they come; the file has its name only when it is whole.

    Args:
        path: ends in .mp4.
        frames: all of one size; an odd edge is doubled, because the format wants even sizes.
        fps: frames a second.

    Returns:
        The number of frames.

    Raises:
        InputError: for another ending, no ffmpeg, no frames, or what is no mp4 afterwards.
    """
    if path.suffix.lower() != ".mp4":
        raise InputError(field="out", found=path.name, expected="a name that ends in .mp4")
    require_ffmpeg(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Absolute, since ffmpeg reads `a:b.mp4` as a protocol and `-a.mp4` as an option.
    unfinished = path.absolute().with_name(f".{path.stem}.unfinished.mp4")
    count = 0
    try:
        # The plug-in by name: left to guess, imageio writes a TIFF when ffmpeg is missing.
        writer = iio.get_writer(
            unfinished, format="FFMPEG", fps=fps, codec="libx264", quality=8, macro_block_size=2
        )
        with closing(writer):
            for frame in frames:
                h, w = frame.shape[:2]
                writer.append_data(np.pad(frame, ((0, h % 2), (0, w % 2), (0, 0)), mode="edge"))
                count += 1
        if count == 0:
            raise InputError("no frames", file=path)
        _require_mp4(unfinished, path)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def _require_mp4(file: Path, name: Path) -> None:
    with file.open("rb") as stream:
        header = stream.read(12)
    if header[4:8] != b"ftyp":
        raise InputError(file=name, found=f"header {header!r}", expected="an mp4's")
