"""A folder of photos as COLMAP and training want them: upright, readable, of a size.

A photo that is so already is copied byte by byte. The orientation of EXIF is applied and taken
away, everything else that EXIF says stays.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image, ImageOps

from polyfield.datasets.image_files import list_images, natural_order, opened
from polyfield.durable import replace_file
from polyfield.errors import InputError
from polyfield.structure.settings import LEAST

ORIENTATION = 274
UNREADABLE = (".heic", ".heif", ".avif", ".dng", ".cr2", ".cr3", ".nef", ".arw")
PLAIN = {"JPEG": ("RGB", "L"), "PNG": ("RGB", "L", "RGBA")}  # modes that are copied
JPEG = {"quality": 95, "subsampling": 0}

Progress = Callable[[int, int], None]
Skip = Callable[[Path, str], None]


def find_photos(folder: Path) -> list[Path]:
    """The photos of a folder, `2.jpg` before `10.jpg`.

    Raises:
        InputError: for fewer than a scene needs.
    """
    photos = sorted(list_images(folder), key=lambda path: natural_order(path.name))
    photos = [path for path in photos if path.is_file() and not path.name.startswith(".")]
    if len(photos) >= LEAST:
        return photos
    others = sorted(path for path in folder.iterdir() if path.suffix.lower() in UNREADABLE)
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir() and list_images(path)]
    hint = None
    if others:
        hint = f"{others[0].suffix} cannot be read: export JPEG"
    elif inside:
        hint = f"input={inside[0]} holds some"
    found = ("no photos", "1 photo", "2 photos")[len(photos)]
    raise InputError(
        file=folder, found=found, expected=f"at least {LEAST}: .jpg, .png, .webp, .tif", hint=hint
    )


def names_of(photos: Iterable[Path]) -> dict[str, Path]:
    """The photos by the names that they get: their own, as far as COLMAP can read such.

    Its lists of pairs part names by spaces, and begin a remark with `#`.
    """
    names: dict[str, Path] = {}
    taken: set[str] = set()  # in lower case: some systems do not tell them apart
    for path in photos:
        ending = path.suffix if path.suffix.lower() in (".jpg", ".jpeg", ".png") else ".png"
        stem = re.sub(r"[\s#]", "_", path.stem)
        name, count = f"{stem}{ending}", 1
        while name.lower() in taken:
            count += 1
            name = f"{stem}_{count}{ending}"
        names[name] = path
        taken.add(name.lower())
    return names


def write_photos(
    photos: dict[str, Path], folder: Path, max_size: int | None, progress: Progress, skip: Skip
) -> list[str]:
    """Write the photos that are not there yet.

    Args:
        photos: of `names_of`.
        folder: where they go.
        max_size: of their longer side, pixels; None leaves them.
        progress: told how many are done, and of how many.
        skip: told which cannot be read, and why.

    Returns:
        The names of those that are there.
    """
    there = []
    for done, (name, path) in enumerate(photos.items()):
        progress(done, len(photos))
        try:
            if not (folder / name).exists():
                replace_file(folder / name, upright(path, max_size))
            there.append(name)
        except InputError as error:
            skip(path, str(error.found or error))
    progress(len(photos), len(photos))
    return there


def upright(path: Path, max_size: int | None = None) -> bytes:
    """A photo as a JPEG or PNG file that needs no turning.

    Raises:
        InputError: when it cannot be decoded.
    """
    with opened(path) as image:
        image.load()  # to its end: it may be cut off
        fits = max_size is None or max(image.size) <= max_size
        plain = image.mode in PLAIN.get(image.format or "", ())
        if image.getexif().get(ORIENTATION, 1) == 1 and fits and plain:
            return path.read_bytes()
        as_jpeg = image.format in ("JPEG", "MPO")
        exif = image.getexif()
        turned = ImageOps.exif_transpose(image)
        exif.pop(ORIENTATION, None)
        turned = _plain(turned, as_jpeg)
        if max_size is not None:
            turned.thumbnail((max_size, max_size), Image.Resampling.LANCZOS, reducing_gap=None)
        return encode(turned, exif.tobytes(), as_jpeg)


def encode(image: Image.Image, exif: bytes = b"", as_jpeg: bool = True) -> bytes:
    """A picture as the bytes of a JPEG or PNG file."""
    file = io.BytesIO()
    extra = {"exif": exif} if exif else {}
    if as_jpeg:
        image.save(file, "JPEG", **JPEG, **extra)
    else:
        image.save(file, "PNG", **extra)
    return file.getvalue()


def _plain(image: Image.Image, as_jpeg: bool) -> Image.Image:
    """In a mode that both formats have; deep grey is brought to 8 bits."""
    if image.mode.startswith("I"):
        image = image.point(lambda value: value / 257).convert("L")
    alpha = not as_jpeg and (image.mode in ("LA", "PA") or "transparency" in image.info)
    if alpha or image.mode == "RGBA":
        return image.convert("RGBA")
    return image if image.mode in ("RGB", "L") else image.convert("RGB")
