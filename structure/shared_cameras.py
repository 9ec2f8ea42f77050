"""Which photos were taken by one camera, and what COLMAP is to take its lens for at first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from polyfield.cameras.colmap import COLMAP_MODELS
from polyfield.datasets.image_files import opened, read_headers
from polyfield.errors import InputError
from polyfield.structure.focal import Lens, read_lens


class Photo(NamedTuple):
    """What is known of a photo before anything is computed: name, width and height, lens."""

    name: str
    size: tuple[int, int]
    lens: Lens


def read_photos(folder: Path, sources: Mapping[str, Path | None]) -> list[Photo]:
    """The photos that were written to a folder.

    Args:
        sources: by name, the file whose EXIF speaks of the lens, None where there is none.
    """
    headers = read_headers([folder / name for name in sources])
    photos = []
    for header, (name, source) in zip(headers, sources.items()):
        lens = Lens("", None)
        if source is not None:
            with opened(source) as image:
                lens = read_lens(image)
        photos.append(Photo(name, (header.width, header.height), lens))
    return photos


def group(photos: list[Photo], single: bool | str) -> list[list[Photo]]:
    """Photos by their cameras.

    Args:
        single: True for one camera, False for as many as photos, "auto" for one of each size and
            lens.

    Raises:
        InputError: when there is to be one camera and sizes differ.
    """
    if single is False:
        return [[photo] for photo in photos]
    if single is True:
        sizes = {photo.size: photo.name for photo in photos}
        if len(sizes) > 1:
            (a, first), (b, second) = list(sizes.items())[:2]
            raise InputError(
                field="single_camera",
                found=f"{first} of {a[0]}x{a[1]} and {second} of {b[0]}x{b[1]}",
                expected="photos of one size",
                hint="single_camera=auto",
            )
        return [photos]
    found: dict[Any, list[Photo]] = {}
    for photo in photos:
        found.setdefault((photo.size, photo.lens.name), []).append(photo)
    return list(found.values())


def request(photos: list[Photo], model: str) -> dict[str, Any]:
    """A camera and its photos as `colmap` takes them.

    Returns:
        "names", "model" and "parameters", empty where no focal length is known.
    """
    known = [photo.lens.focal for photo in photos if photo.lens.focal is not None]
    width, height = photos[0].size
    parameters = ""
    if known:
        entry = COLMAP_MODELS[model]
        focal = sorted(known)[len(known) // 2] * max(width, height)
        numbers = [focal] * entry.focal_lengths + [width / 2, height / 2]
        numbers += [0.0] * len(entry.columns)
        parameters = ", ".join(f"{number:.10g}" for number in numbers)
    return {"names": [p.name for p in photos], "model": model, "parameters": parameters}
