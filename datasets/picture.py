"""One picture as a signal: 8 and 16 bits, grey or colour, with alpha or without, and EXR.

The numbers stay as they are stored; pixels lie as they are stored too, whatever EXIF says.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from PIL import Image

from polyfield.datasets import ffmpeg
from polyfield.datasets.grid import Grid, make_grid
from polyfield.datasets.image_files import BROKEN
from polyfield.errors import InputError

ALPHA = ("keep", "drop", "white", "black")
# Modes of Pillow whose numbers are already those of the file, in channels.
PLAIN = ("L", "LA", "RGB", "RGBA", "F")
# Bits of a TIFF's numbers that are read as they are; of fewer, Pillow makes 8.
WHOLE_BITS = (1, 8, 16, 32, 64)
# Tags of a TIFF: bits, what 0 shows, how many numbers a pixel has, and of which type.
BITS, PHOTOMETRIC, INKS, FORMAT = 258, 262, 277, 339
SIXTEEN = {0: ("gray16le", 1), 2: ("rgb48le", 3), 4: ("ya16le", 2), 6: ("rgba64le", 4)}


def load_picture(path: Path, alpha: str = "keep") -> Grid:
    """A picture, [h, w, k]: k is 1 for grey, 3 for colour, and one more with alpha.

    Args:
        path: PNG, JPEG, WebP, TIFF, BMP or EXR.
        alpha: "keep" learns it as a channel of its own, "drop" leaves it out, "white" and "black"
            composite on that.

    Raises:
        InputError: for what is no picture, or has numbers that are not finite.
    """
    if alpha not in ALPHA:
        raise InputError(field="dataset.alpha", found=alpha, expected=" or ".join(ALPHA))
    return make_grid("image", _with_alpha(read_picture(path), alpha), path)


def read_picture(path: Path) -> np.ndarray:
    """The numbers of a picture file, [h, w, k]."""
    suffix = path.suffix.lower()
    try:
        with path.open("rb") as file:
            head = file.read(33)
        if suffix == ".exr":
            return _read_exr(path)
        if head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) > 25 and head[24] == 16:
            return _read_deep_png(path, head[25])
        if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return _read_tiff(path)
        with Image.open(path) as image:
            return _read_pillow(image)
    except InputError:
        raise
    except (*BROKEN, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).split("'")[0].strip()
        raise InputError(
            "cannot be read as an image", file=path, found=reason or type(error).__name__
        ) from None


def _read_pillow(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):
        grey = np.asarray(image)[..., None]
        fits = grey.min() >= 0 and grey.max() <= np.iinfo(np.uint16).max
        return grey.astype(np.uint16) if fits else grey
    if image.mode not in PLAIN:
        has_alpha = image.mode in ("PA", "RGBa", "La") or "transparency" in image.info
        target = "L" if image.mode == "1" else "RGB"
        image = image.convert("RGBA" if has_alpha else target)
    elif "transparency" in image.info and image.mode in ("L", "RGB"):
        image = image.convert("RGBA")
    values = np.asarray(image)
    return values[..., None] if values.ndim == 2 else values


def _read_deep_png(path: Path, colors: int) -> np.ndarray:
    """A PNG of 16 bits a channel, which Pillow cuts down to 8 where there is colour."""
    if colors not in SIXTEEN:
        raise struct.error(f"colour type {colors}")
    pixels, channels = SIXTEEN[colors]
    return ffmpeg.decode(path, pixels, "<u2", channels, ffmpeg.probe(path), most=1)[0]


def _read_exr(path: Path) -> np.ndarray:
    stream = ffmpeg.probe(path)
    has_alpha = stream.pixels.startswith(("gbra", "rgba"))
    pixels, channels = ("gbrapf32le", 4) if has_alpha else ("gbrpf32le", 3)
    if stream.pixels.startswith("gray"):
        pixels, channels = "grayf32le", 1
    return ffmpeg.decode(path, pixels, "<f4", channels, stream, most=1)[0]


def _read_tiff(path: Path) -> np.ndarray:
    import tifffile

    plain = tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            if page.photometric not in plain or page.bitspersample not in WHOLE_BITS:
                return _read_pillow_tiff(path)
            values, axes = page.asarray(), page.axes
    except (ValueError, KeyError, ImportError):  # a compression that it has no codec for
        return _read_pillow_tiff(path)
    if axes == "SYX":  # planes apart
        values = np.moveaxis(values, 0, -1)
    if values.ndim == 2:
        return values[..., None]
    if values.ndim != 3 or values.shape[-1] > 4:
        shape = list(values.shape)
        raise InputError(file=path, field="image", found=shape, expected="[h, w] or [h, w, 1 to 4]")
    return values


def _read_pillow_tiff(path: Path) -> np.ndarray:
    """A TIFF as Pillow shows it, which makes 8 bits of colours and knows no whole numbers of 32."""
    with Image.open(path) as image:
        tags = getattr(image, "tag_v2", {})
        bits, inks, kind = max(tags.get(BITS, (1,))), tags.get(INKS, 1), tags.get(FORMAT, (1,))[0]
        shows = tags.get(PHOTOMETRIC, 1)
        if bits > 8 and (inks > 1 or shows == 0 or (bits > 16 and kind == 1)):
            found = f"{bits} bits of {inks} channels, {image.info.get('compression', 'raw')}"
            hint = "pip install imagecodecs" if shows in (1, 2) else None
            expected = "8 bits, or grey or RGB that can be unpacked"
            raise InputError(file=path, field="image", found=found, expected=expected, hint=hint)
        return _read_pillow(image)


def _with_alpha(values: np.ndarray, alpha: str) -> np.ndarray:
    """The picture with its last channel treated as asked, where it is alpha."""
    k = values.shape[-1]
    if alpha == "keep" or k not in (2, 4):
        return values
    colors = values[..., : k - 1]
    if alpha == "drop":
        return colors
    top = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
    cover = values[..., k - 1 :] / top
    behind = top if alpha == "white" else 0.0
    mixed = colors * cover + (1 - cover) * behind
    return (np.rint(mixed) if values.dtype.kind != "f" else mixed).astype(values.dtype)
