"""The sharpest frames of a video as photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from polyfield.datasets import ffmpeg
from polyfield.durable import replace_file
from polyfield.errors import InputError
from polyfield.structure.photos import Progress, encode
from polyfield.structure.settings import LEAST
from polyfield.structure.sharpness import sharpest, sharpness

SIDE = 640  # of the frames that are compared, pixels: finer than motion blurs


def choose_frames(video: Path, count: int, progress: Progress) -> list[int]:
    """The numbers of about `count` frames, spread evenly, each the sharpest around.

    Args:
        progress: told how many frames were seen, and of how many, as far as the file says.

    Raises:
        InputError: when the video cannot be decoded, or is too short.
    """
    stream = ffmpeg.probe(video)
    expected = round(stream.seconds * stream.rate)
    scores = []
    for frame in ffmpeg.stream_frames(video, _shrink(SIDE), grey=True):
        scores.append(sharpness(frame[..., 0]))
        progress(len(scores), max(expected, len(scores)))
    if not scores:
        raise InputError("cannot be decoded", file=video, found="no frames", expected="a video")
    if len(scores) < LEAST:
        found = f"a video of {len(scores)} frame{'s' if len(scores) > 1 else ''}"
        raise InputError(file=video, found=found, expected=f"at least {LEAST}")
    progress(len(scores), len(scores))
    return sharpest(np.array(scores), count)


def frame_name(number: int) -> str:
    """The photo of a frame."""
    return f"frame_{number:06d}.jpg"


def write_frames(
    video: Path, numbers: list[int], folder: Path, max_size: int | None, progress: Progress
) -> list[str]:
    """Write those frames that are not there yet, as upright photos.

    Returns:
        The names of all of them.

    Raises:
        InputError: when fewer come than were asked for.
    """
    absent = [n for n in numbers if not (folder / frame_name(n)).exists()]
    done = len(numbers) - len(absent)
    if absent:
        chosen = "+".join(f"eq(n\\,{n})" for n in absent)
        steps = [f"select='{chosen}'", *([_shrink(max_size)] if max_size else [])]
        rest = iter(absent)
        for frame, number in zip(ffmpeg.stream_frames(video, ",".join(steps)), rest):
            replace_file(folder / frame_name(number), encode(Image.fromarray(frame)))
            done += 1
            progress(done, len(numbers))
    if done < len(numbers):
        found = f"{done} of {len(numbers)} frames"
        raise InputError("cannot be decoded again", file=video, found=found)
    progress(done, len(numbers))
    return [frame_name(n) for n in numbers]


def _shrink(side: int) -> str:
    """The filter that brings frames to a longer side of at most `side`."""
    fit = "force_original_aspect_ratio=decrease"
    return f"scale=w='min(iw,{side})':h='min(ih,{side})':{fit}:flags=area"
