"""Which resolution of the photos is read, and cameras to match.

A format records the size of each camera; the files may be smaller by a whole factor, and several
sizes may lie side by side (`images`, `images_2`, `images_8`). `downscale=N` asks for 1/N of the
recorded size; `auto` for the largest that has no side above `AUTO_SIDE` pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from polyfield.cameras.cameras import Cameras
from polyfield.datasets.image_files import (
    ImageFile,
    check_present,
    find_image,
    is_file,
    read_headers,
)
from polyfield.errors import InputError

AUTO_SIDE = 1600
LARGEST_FACTOR = 64


def sibling_folders(folder: Path) -> dict[int, Path]:
    """Folders `NAME_2`, `NAME_4`, ... beside `NAME`, by factor."""
    if not folder.parent.is_dir():
        return {}
    found = {}
    for path in folder.parent.glob(folder.name.replace("[", "[[]") + "_*"):
        factor = path.name.removeprefix(folder.name + "_")
        if factor.isascii() and factor.isdigit() and int(factor) > 1 and path.is_dir():
            found[int(factor)] = path
    return dict(sorted(found.items()))


def in_all_sizes(folder: Path, names: Sequence[str]) -> list[list[Path]]:
    """The files called `names` in a folder, then in its smaller siblings."""
    folders = [folder, *sibling_folders(folder).values()]
    return [[find_image(place, name) for name in names] for place in folders]


def parse_downscale(downscale: str | int) -> int | None:
    """The factor N, or None for `auto`.

    Raises:
        InputError: for anything but `auto` or a whole number from 1 to `LARGEST_FACTOR`.
    """
    if downscale == "auto":
        return None
    text = str(downscale)
    if isinstance(downscale, bool) or not text.isascii() or not text.isdigit():
        value = 0
    else:
        value = int(text[:9])
    if not 1 <= value <= LARGEST_FACTOR:
        raise InputError(
            field="downscale",
            found=repr(downscale),
            expected=f"auto or a whole number from 1 to {LARGEST_FACTOR}",
        )
    return value


def auto_factor(cameras: Cameras) -> int:
    """The smallest power of two that leaves no side above `AUTO_SIDE` pixels."""
    factor = 1
    while int(cameras.size.max()) > AUTO_SIDE * factor:
        factor *= 2
    return factor


def shrunk_sizes(cameras: Cameras, factor: int) -> np.ndarray:
    """Widths and heights [n,2] at 1/factor of those of the cameras, rounded."""
    return cameras.scaled(1 / factor).size.numpy()


def resized(cameras: Cameras, sizes: np.ndarray) -> Cameras:
    """Cameras of the same images at other sizes [n,2]; intrinsics follow the exact ratios."""
    size = torch.from_numpy(sizes)
    ratio = size.double() / cameras.size
    return replace(cameras, intrinsics=cameras.intrinsics * ratio.repeat(1, 2), size=size)


def choose_files(
    candidates: Sequence[Sequence[Path]], cameras: Cameras, downscale: int | None, source: Path
) -> tuple[list[ImageFile], np.ndarray]:
    """The n image files to decode, and the sizes [n,2] that the result is to have.

    Files of the very factor that is wanted stay as they are, however their sizes were rounded.

    Args:
        candidates: the n files in each resolution, the format's own first.
        cameras: at the sizes that `source` records.
        downscale: the factor asked for, None for a sensible one.
        source: the file that records the sizes.

    Raises:
        InputError: when files are missing, or none fits.
    """
    complete = [files for files in candidates if all(is_file(path) for path in files)]
    if not complete:
        check_present(max(candidates, key=lambda files: sum(map(is_file, files))))
    factors = [_factor(read_headers(files[:1])[0], cameras, source) for files in complete]
    if downscale is None:
        wanted = max(auto_factor(cameras), min(factors))
    else:
        wanted = downscale
    fitting = [(factor, i) for i, factor in enumerate(factors) if factor <= wanted]
    if not fitting:
        raise InputError(
            "the images are smaller already",
            file=complete[0][0].parent,
            field="downscale",
            found=f"{wanted}, and images at 1/{min(factors)} of the size in {source.name}",
            expected=f"auto or at least {min(factors)}",
        )
    factor, best = max(fitting, key=lambda pair: (pair[0], -pair[1]))
    headers = read_headers(complete[best])
    _check_sizes(headers, cameras, factor, source)
    if factor == wanted:
        return headers, np.array([(header.width, header.height) for header in headers])
    return headers, shrunk_sizes(cameras, wanted)


def _factor(header: ImageFile, cameras: Cameras, source: Path) -> int:
    """By what whole factor the first image is below its camera."""
    width, height = (int(side) for side in cameras.size[0])
    factor = max(1, round(width / header.width))
    if not (_fits(header.width, width, factor) and _fits(header.height, height, factor)):
        raise _wrong_size(header, width, height, 1, source)
    return factor


def _fits(side: int, recorded: int, factor: int) -> bool:
    """Whether a side is that of a camera shrunk by a factor, rounded in any direction."""
    return abs(side * factor - recorded) < factor


def _check_sizes(headers: Sequence[ImageFile], cameras: Cameras, factor: int, source: Path) -> None:
    for header, (width, height) in zip(headers, cameras.size.tolist()):
        if not (_fits(header.width, width, factor) and _fits(header.height, height, factor)):
            raise _wrong_size(header, width, height, factor, source)


def _wrong_size(
    header: ImageFile, width: int, height: int, factor: int, source: Path
) -> InputError:
    expected = f"{width}x{height} as in {source.name}"
    expected += f", divided by {factor} as the first image is" if factor > 1 else ""
    return InputError(
        "image of another size than its camera",
        file=header.path,
        field="size",
        found=f"{header.width}x{header.height}",
        expected=expected if factor > 1 else expected + ", or that divided by a whole number",
    )
