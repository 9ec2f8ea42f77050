"""COLMAP's `cameras.txt`, `images.txt` and `points3D.txt`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from polyfield.cameras.colmap import COLMAP_MODELS, parameter_count
from polyfield.datasets.colmap_model import (
    ColmapCamera,
    ColmapImage,
    ColmapModel,
    ColmapPoints,
    check_points,
    check_size,
    unknown_model,
)
from polyfield.errors import InputError

Number = TypeVar("Number", int, float)


def read_text(folder: Path) -> ColmapModel:
    """The model in a folder.

    Raises:
        InputError: naming file and line, for a line that is not as COLMAP writes it.
    """
    points = folder / "points3D.txt"
    return ColmapModel(
        _cameras(folder / "cameras.txt"),
        _images(folder / "images.txt"),
        _points(points) if points.exists() else None,
    )


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Line numbers from 1 and lines, without comments."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError("cannot be read", file=file, found=reason) from None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.startswith("#"):
            yield number, line.strip()


def _numbers(
    words: Sequence[str], convert: Callable[[str], Number], file: Path, line: int
) -> list[Number]:
    try:
        return [convert(word) for word in words]
    except ValueError:
        bad = next(word for word in words if not _converts(word, convert))
        raise InputError(
            file=file, field=f"line {line}", found=repr(bad[:40]), expected="a number"
        ) from None


def _converts(word: str, convert: Callable[[str], object]) -> bool:
    try:
        convert(word)
    except ValueError:
        return False
    return True


def _check_words(words: Sequence[str], least: int, layout: str, file: Path, line: int) -> None:
    if len(words) < least:
        raise InputError(
            file=file, field=f"line {line}", found=f"{len(words)} words", expected=layout
        )


def _cameras(file: Path) -> dict[int, ColmapCamera]:
    cameras = {}
    for line, text in _lines(file):
        words = text.split()
        if not words:
            continue
        _check_words(words, 5, "CAMERA_ID MODEL WIDTH HEIGHT PARAMS...", file, line)
        camera_id, width, height = _numbers([words[0], *words[2:4]], int, file, line)
        if words[1] not in COLMAP_MODELS:
            raise unknown_model(file, camera_id, words[1])
        parameters = _numbers(words[4:], float, file, line)
        if len(parameters) != parameter_count(words[1]):
            raise InputError(
                file=file,
                field=f"line {line}",
                found=f"{len(parameters)} parameters",
                expected=f"{parameter_count(words[1])} for {words[1]}",
            )
        size = check_size(file, camera_id, width, height)
        cameras[camera_id] = ColmapCamera(words[1], size, np.array(parameters))
    return cameras


def _images(file: Path) -> list[ColmapImage]:
    """Two lines an image: the pose, then its observations, which may be an empty line."""
    images = []
    lines = _lines(file)
    for line, text in lines:
        words = text.split(maxsplit=9)
        if not words:
            continue
        _check_words(words, 10, "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME", file, line)
        image_id, camera_id = _numbers([words[0], words[8]], int, file, line)
        pose = np.array(_numbers(words[1:8], float, file, line))
        if not words[9].isprintable():
            raise InputError(
                file=file, field=f"line {line}", found=repr(words[9][:40]), expected="a file's name"
            )
        images.append(ColmapImage(image_id, words[9], camera_id, pose[:4], pose[4:]))
        next(lines, None)
    return images


def _points(file: Path) -> ColmapPoints:
    positions: list[list[float]] = []
    colors: list[list[int]] = []
    tracks: list[tuple[int, int]] = []
    for line, text in _lines(file):
        words = text.split()
        if not words:
            continue
        _check_words(words, 8, "POINT3D_ID X Y Z R G B ERROR TRACK...", file, line)
        color = _numbers(words[4:7], int, file, line)
        if not all(0 <= value <= 255 for value in color):
            raise InputError(
                file=file, field=f"line {line}", found=color, expected="colours from 0 to 255"
            )
        image_ids = _numbers(words[8::2], int, file, line)
        tracks += [(len(positions), image_id) for image_id in image_ids if abs(image_id) < 1 << 40]
        positions.append(_numbers(words[1:4], float, file, line))
        colors.append(color)
    xyz = np.array(positions, dtype=np.float64).reshape(-1, 3)
    check_points(file, xyz)
    return ColmapPoints(
        xyz,
        np.array(colors, dtype=np.uint8).reshape(-1, 3),
        np.array(tracks, dtype=np.int64).reshape(-1, 2),
    )
