"""What was learned of a signal on a grid, as a file of its kind and at any size.

Letters: n_1 ... n_d samples, k channels.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import imageio.v3 as iio
import numpy as np
from jaxtyping import Float

from polyfield.datasets.ffmpeg import require_ffmpeg
from polyfield.datasets.grid import Grid
from polyfield.durable import replacing
from polyfield.errors import InputError
from polyfield.training.grid_scores import shown

LARGEST = 1 << 31  # samples
WAV_MOST = (1 << 32) - 1024  # bytes of samples, and bytes a second, that the header holds


class Format(NamedTuple):
    """How a kind is written.

    Attributes:
        suffixes: of its files, the usual one first.
        write: path, grid, values scaled to [0, 1].
    """

    suffixes: tuple[str, ...]
    write: Callable[[Path, Grid, np.ndarray], None]


def parse_size(size: str | int | float | None, grid: Grid) -> tuple[int, ...]:
    """Samples along each axis of the grid.

    Args:
        size: `WxH` of a picture, `N1xN2...` along the axes of others, a factor such as `2x`; None
            for those of the data. A factor and `WxH` leave the number of a video's frames.

    Raises:
        InputError: for anything else.
    """
    if size is None:
        return grid.counts
    text = str(size).lower().replace(" ", "")
    fixed = grid.counts[:1] if grid.kind == "video" else ()
    rest = grid.counts[len(fixed) :]
    factor = re.fullmatch(r"(\d+(?:\.\d+)?)x", text)
    if factor:
        scaled = [max(round(n * float(factor.group(1))), 1) for n in rest]
        return _checked(text, [*fixed, *scaled], grid)
    if not re.fullmatch(r"\d+(x\d+)*", text):
        raise InputError(field="size", found=size, expected=_expected(grid))
    counts = [int(number) for number in text.split("x")]
    if grid.kind in ("image", "video") and len(counts) == 2:
        counts = [*fixed, *counts[::-1]]
    return _checked(text, counts, grid)


def _checked(text: str, counts: list[int], grid: Grid) -> tuple[int, ...]:
    if len(counts) != grid.d or not all(counts) or math.prod(counts) * grid.channels > LARGEST:
        raise InputError(field="size", found=text, expected=_expected(grid))
    return tuple(counts)


def _expected(grid: Grid) -> str:
    forms = {"image": "WIDTHxHEIGHT", "video": "WIDTHxHEIGHT", "audio": "a number of samples"}
    axes = "x".join("N" * grid.d)
    return f"{forms.get(grid.kind, axes)} of no more than {LARGEST:,} numbers, or a factor as 2x"


def default_name(grid: Grid) -> str:
    """`image.png`."""
    return grid.kind + FORMATS[grid.kind].suffixes[0]


def check_out(path: Path, grid: Grid, counts: Sequence[int]) -> None:
    """Refuse what could not be written, before anything is computed; makes the folder.

    Args:
        path: of the file.
        grid: the data, or its record.
        counts: samples along each axis.

    Raises:
        InputError: for an ending that the kind is not written with, a folder that cannot be written
            to, a video without ffmpeg, or more than a WAV file holds.
    """
    known = FORMATS[grid.kind]
    if path.suffix.lower() not in known.suffixes:
        expected = f"a name that ends in {' or '.join(known.suffixes)}"
        raise InputError(field="out", found=path.name, expected=expected)
    if path.is_dir():
        raise InputError(field="out", found=f"{path}, a folder", expected="a file")
    if grid.kind == "video":
        require_ffmpeg(path)
    if grid.kind == "audio":
        frame = grid.channels * np.dtype(grid.dtype).itemsize
        if max(_wav_rate(grid, counts[0]), counts[0]) * frame > WAV_MOST:
            found = f"{counts[0]:,} samples at {_wav_rate(grid, counts[0]):,} Hz"
            raise InputError(field="size", found=found, expected="no more than a WAV file holds")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        found = f"{path}: {error.strerror}"
        raise InputError("cannot be written", field="out", found=found) from None


def write_samples(path: Path, grid: Grid, values: Float[np.ndarray, "*n k"]) -> None:
    """Write what was learned as the data was: its type, and its rate if it has one.

    Args:
        path: its ending chooses among the formats of the kind.
        grid: the data, or its record.
        values: scaled, 0 for the data's `low`, 1 for its `high`.

    Raises:
        InputError: as `check_out`; a file of that name stands as it was.
    """
    check_out(path, grid, values.shape)
    with replacing(path) as unfinished:
        FORMATS[grid.kind].write(unfinished, grid, values)


def _write_image(path: Path, grid: Grid, values: np.ndarray) -> None:
    """8 bits as PNG; the numbers as they are as TIFF or .npy."""
    stored = grid.stored(values)
    if path.suffix.lower() == ".npy":
        _save(path, stored)
        return
    flat = stored[..., 0] if grid.channels == 1 else stored
    if path.suffix.lower() in (".tif", ".tiff"):
        import tifffile

        layout: dict[str, Any] = {"photometric": "rgb" if grid.channels >= 3 else "minisblack"}
        if grid.channels in (2, 4):
            layout.update(planarconfig="contig", extrasamples=["unassalpha"])
        tifffile.imwrite(path, flat, **layout)
        return
    if grid.dtype != "uint8":  # of floats, what a screen can show
        scaled = stored if grid.dtype == "float32" else values
        stored = (np.clip(scaled, 0, 1) * 255 + 0.5).astype(np.uint8)
        flat = stored[..., 0] if grid.channels == 1 else stored
    iio.imwrite(path, flat, plugin="pillow", extension=".png")


def _write_audio(path: Path, grid: Grid, values: np.ndarray) -> None:
    """The type of the data; more samples are a higher rate, so that it lasts as long."""
    from scipy.io import wavfile

    samples = grid.stored(values)
    rate = _wav_rate(grid, len(samples))
    wavfile.write(path, rate, samples[:, 0] if grid.channels == 1 else samples)


def _wav_rate(grid: Grid, n: int) -> int:
    """Samples a second, where the sound has n."""
    return max(round(grid.rate * n / grid.counts[0]), 1)


def _write_volume(path: Path, grid: Grid, values: np.ndarray) -> None:
    stored = grid.stored(values)
    _save(path, stored[..., 0] if grid.channels == 1 else stored)


def _save(path: Path, values: np.ndarray) -> None:
    with path.open("wb") as file:  # of a name in capitals numpy would make `a.NPY.npy`
        np.save(file, values)


def _write_video(path: Path, grid: Grid, values: np.ndarray) -> None:
    """Frames at the rate of the data, 8 bits."""
    from polyfield.export.video import write_video

    frames = (shown(frame) for frame in values)
    write_video(path, frames, grid.rate * len(values) / grid.counts[0] or 30.0)


FORMATS = {
    "image": Format((".png", ".tif", ".tiff", ".npy"), _write_image),
    "audio": Format((".wav",), _write_audio),
    "volume": Format((".npy",), _write_volume),
    "video": Format((".mp4",), _write_video),
}
