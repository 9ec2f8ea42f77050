"""Photos, masks and depth maps on disk: finding them, their headers, and decoding them.

The orientation tag of EXIF is ignored everywhere: calibration tools, COLMAP among them, see pixels
as they are stored, and so do the cameras here.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from polyfield.datasets.npy import npy_shape, read_npy
from polyfield.errors import InputError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
TAIL = 1 << 16
ENDINGS = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}
# What Pillow's decoders raise on broken files; SyntaxError is its word for a bad chunk.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    MemoryError,
    OverflowError,
    LookupError,
    TypeError,
    AttributeError,
    Image.DecompressionBombError,
)


@dataclass(frozen=True)
class ImageFile:
    """What the header of an image says."""

    path: Path
    width: int
    height: int
    alpha: bool


def find_image(folder: Path, text: str) -> Path:
    """The file that `text` names relative to `folder`; it may lack the extension, or not exist."""
    path = folder / text.replace("\\", "/")
    if not is_file(path):
        for suffix in EXTENSIONS:
            for candidate in (f"{path}{suffix}", f"{path}{suffix.upper()}"):
                if is_file(Path(candidate)):
                    return Path(candidate)
    return path


def list_images(folder: Path) -> list[Path]:
    """The image files of a folder, by name."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS)


def natural_order(name: str) -> list[tuple[int, str]]:
    """A key of names that has `frame2` before `frame10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def relative_name(path: Path, folder: Path) -> str:
    """What an image is called: its path inside the data's folder, with forward slashes."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive of Windows
        return path.as_posix()


def is_file(path: Path) -> bool:
    """Whether there is a file, for any path that a user's file may spell."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long or holds a zero byte
        return False


def first_names(paths: Iterable[Path | str], limit: int = 3) -> str:
    """`a.png, b.png, c.png, ...`"""
    names = [str(path) for path in paths]
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")


def check_present(paths: Sequence[Path], what: str = "images") -> None:
    """Raise InputError, with how many are missing and the first three, unless all files exist."""
    missing = [path for path in paths if not is_file(path)]
    if missing:
        names = first_names(path.name for path in missing)
        raise InputError(
            f"{what} without a file",
            file=missing[0].parent,
            found=f"{len(missing)} of {len(paths)} missing: {names}",
            expected="a file for each",
        )


def read_headers(paths: Sequence[Path], what: str = "images") -> list[ImageFile]:
    """Headers of image files.

    Raises:
        InputError: when some are absent, or one is no image, or is cut off at its end.
    """
    check_present(paths, what)
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_read_header, paths))


def _read_header(path: Path) -> ImageFile:
    with opened(path) as image:
        alpha = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
        ending = ENDINGS.get(image.format or "")
        if ending and ending not in _tail(path):
            raise InputError("the image is cut off", file=path, expected=f"a whole {image.format}")
        return ImageFile(path, image.width, image.height, alpha)


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-min(TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
        return file.read()


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """An image file; all the ways in which it can be broken raise InputError."""
    try:
        with Image.open(path) as image:
            yield image
    except InputError:
        raise
    except BROKEN as error:
        reason = getattr(error, "strerror", None) or str(error).split("'")[0].strip()
        raise InputError(
            "cannot be read as an image", file=path, found=reason or type(error).__name__
        ) from None


def decode_photo(path: Path, mode: str) -> np.ndarray:
    """A photo [h,w,c] uint8; mode RGB or RGBA."""
    with opened(path) as image:
        return np.asarray(_eight_bits(image).convert(mode))


def decode_mask(path: Path) -> np.ndarray:
    """A mask [h,w,1]: 0 where the file is dark, 255 where it is at least half of white."""
    with opened(path) as image:
        return _two_levels(_eight_bits(image).convert("L"))


def decode_alpha_mask(path: Path) -> np.ndarray:
    """The alpha of a photo as a mask [h,w,1]: 0 where it is below a half, else 255."""
    with opened(path) as image:
        return _two_levels(image.convert("RGBA").getchannel("A"))


def decode_depth(path: Path) -> np.ndarray:
    """A depth map [h,w,1] float32, of `.npy` or an image of one channel, as stored."""
    if path.suffix == ".npy":
        depth = read_npy(path)
    else:
        with opened(path) as image:
            depth = np.asarray(image)
    width, height = _map_size(depth.shape, path)
    if depth.dtype.kind not in "uif":
        raise InputError("no depth map", file=path, found=depth.dtype, expected="numbers")
    return depth.reshape(height, width, 1).astype(np.float32)


def depth_size(path: Path) -> tuple[int, int]:
    """Width and height of a depth map, from its header."""
    if path.suffix == ".npy":
        return _map_size(npy_shape(path), path)
    header = _read_header(path)
    return header.width, header.height


def _map_size(shape: tuple[int, ...], path: Path) -> tuple[int, int]:
    sides = shape[:2] if len(shape) == 3 and shape[2] == 1 else shape[-2:]
    if len(shape) not in (2, 3) or np.prod(shape) != np.prod(sides) or 0 in shape:
        raise InputError("no depth map", file=path, found=list(shape), expected="[height, width]")
    return sides[1], sides[0]


def _two_levels(grey: Image.Image) -> np.ndarray:
    return np.where(np.asarray(grey) > 127, np.uint8(255), np.uint8(0))[..., None]


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey brought to 8 bits; Pillow would clip it."""
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.int64).clip(0, 65535)
        return Image.fromarray((grey // 257).astype(np.uint8))
    return image
