"""What the files of a COLMAP reconstruction hold, before it means anything to us.

Letters: m points, v observations. Source: COLMAP's documentation of its output format; the camera
models are those of `cameras.colmap`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polyfield.cameras.colmap import COLMAP_MODELS
from polyfield.datasets.json_fields import LARGEST
from polyfield.errors import InputError


@dataclass(frozen=True)
class ColmapCamera:
    """A row of the cameras file."""

    model: str
    size: tuple[int, int]
    parameters: np.ndarray


@dataclass(frozen=True)
class ColmapImage:
    """A row of the images file: quaternion (w, x, y, z) and translation of camera_from_world."""

    id: int
    name: str
    camera_id: int
    quaternion: np.ndarray
    translation: np.ndarray


@dataclass(frozen=True)
class ColmapPoints:
    """The points: positions [m,3], colors [m,3] uint8, tracks [v,2] of (point, image id)."""

    positions: np.ndarray
    colors: np.ndarray
    tracks: np.ndarray


@dataclass(frozen=True)
class ColmapModel:
    """A reconstruction; points are None where there is no file of them."""

    cameras: dict[int, ColmapCamera]
    images: list[ColmapImage]
    points: ColmapPoints | None


def unknown_model(file: Path, camera_id: int, found: object) -> InputError:
    """What to raise for a camera model that nobody told us of."""
    return InputError(
        "unknown camera model",
        file=file,
        field=f"camera {camera_id}",
        found=found,
        expected=f"one of {', '.join(COLMAP_MODELS)}",
    )


def check_size(file: Path, camera_id: int, width: int, height: int) -> tuple[int, int]:
    """Width and height, or InputError where no image can have them."""
    if not (0 < width < 1 << 20 and 0 < height < 1 << 20):
        raise InputError(
            "impossible image size",
            file=file,
            field=f"camera {camera_id}",
            found=f"{width}x{height}",
        )
    return width, height


def check_points(file: Path, positions: np.ndarray) -> None:
    """Raise InputError where a position is not finite, or absurd."""
    bad = np.flatnonzero(~(np.abs(positions) <= LARGEST).all(axis=1))
    if len(bad):
        raise InputError(
            "point not finite", file=file, field=f"row {bad[0]}", found=positions[bad[0]].tolist()
        )
