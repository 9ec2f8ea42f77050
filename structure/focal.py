"""The focal length that a camera wrote into a photo, in pixels.

Source: Exif 2.32 (CIPA DC-008), tags FocalLength, FocalLengthIn35mmFilm, FocalPlaneXResolution.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from PIL import Image

MAKE, MODEL, EXIF = 271, 272, 0x8769
FOCAL, FOCAL_35, WIDTH = 37386, 41989, 40962
PLANE_RESOLUTION, PLANE_UNIT = 41486, 41488
MILLIMETRES = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # in a unit of the focal plane's resolution
FILM_DIAGONAL = 43.2666  # mm, of 36 x 24, to which "in 35 mm film" refers
LIKELY = (0.1, 10.0)  # times the longer side


class Lens(NamedTuple):
    """What a photo says of the camera.

    Attributes:
        name: make, model and focal length; photos of equal names share a camera.
        focal: in longer sides of the photo, None where it does not say.
    """

    name: str
    focal: float | None


def read_lens(image: Image.Image) -> Lens:
    """Of a photo as it is stored."""
    tags = image.getexif()
    inner: dict[int, Any] = dict(tags.get_ifd(EXIF))
    focal = _in_pixels(inner, image.size)
    longer = max(image.size)
    if focal is not None and not LIKELY[0] < focal / longer < LIKELY[1]:
        focal = None
    words = [str(tags.get(tag) or "").strip(" \0") for tag in (MAKE, MODEL)]
    words += [f"{_number(inner.get(FOCAL)):.2f} mm"] if _number(inner.get(FOCAL)) else []
    name = " ".join(word for word in words if word)
    return Lens(name, None if focal is None else round(focal / longer, 5))


def _in_pixels(tags: dict[int, Any], size: tuple[int, int]) -> float | None:
    on_film = _number(tags.get(FOCAL_35))
    if on_film:
        return on_film / FILM_DIAGONAL * math.hypot(*size)
    focal, resolution = _number(tags.get(FOCAL)), _number(tags.get(PLANE_RESOLUTION))
    unit = MILLIMETRES.get(int(_number(tags.get(PLANE_UNIT)) or 2))
    if not (focal and resolution and unit):
        return None
    # The resolution is that of the picture as taken, which may have been shrunk since.
    taken = _number(tags.get(WIDTH)) or max(size)
    return focal * resolution / unit * max(size) / max(taken, 1.0)


def _number(value: Any) -> float:
    """A tag's number, 0 where there is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0
