"""COLMAP's camera models in terms of ours.

COLMAP lists fx, fy, cx, cy (or one f for both), then distortion; its pixel positions count from the
corner of the image, as ours do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from polyfield.cameras.models import PARAMETERS, Model
from polyfield.errors import InputError


class ColmapModel(NamedTuple):
    """How a model of COLMAP maps to ours.

    Attributes:
        number: COLMAP's id, which its binary files hold.
        model: ours.
        focal_lengths: 1 or 2.
        columns: where each of its distortion parameters stands among those of our model.
    """

    number: int
    model: Model
    focal_lengths: int
    columns: tuple[int, ...]


COLMAP_MODELS = {
    "SIMPLE_PINHOLE": ColmapModel(0, Model.PINHOLE, 1, ()),
    "PINHOLE": ColmapModel(1, Model.PINHOLE, 2, ()),
    "SIMPLE_RADIAL": ColmapModel(2, Model.OPENCV, 1, (0,)),
    "RADIAL": ColmapModel(3, Model.OPENCV, 1, (0, 1)),
    "OPENCV": ColmapModel(4, Model.OPENCV, 2, (0, 1, 2, 3)),
    "OPENCV_FISHEYE": ColmapModel(5, Model.FISHEYE, 2, (0, 1, 2, 3)),
    "FULL_OPENCV": ColmapModel(6, Model.OPENCV, 2, (0, 1, 2, 3, 4, 5, 6, 7)),
    "FOV": ColmapModel(7, Model.FOV, 2, (0,)),
    "SIMPLE_RADIAL_FISHEYE": ColmapModel(8, Model.FISHEYE, 1, (0,)),
    "RADIAL_FISHEYE": ColmapModel(9, Model.FISHEYE, 1, (0, 1)),
    "THIN_PRISM_FISHEYE": ColmapModel(10, Model.THIN_PRISM_FISHEYE, 2, tuple(range(8))),
    "RAD_TAN_THIN_PRISM_FISHEYE": ColmapModel(
        11, Model.RAD_TAN_THIN_PRISM_FISHEYE, 2, tuple(range(12))
    ),
    "SIMPLE_DIVISION": ColmapModel(12, Model.DIVISION, 1, (0,)),
    "DIVISION": ColmapModel(13, Model.DIVISION, 2, (0,)),
    "SIMPLE_FISHEYE": ColmapModel(14, Model.FISHEYE, 1, ()),
    "FISHEYE": ColmapModel(15, Model.FISHEYE, 2, ()),
    "EUCM": ColmapModel(16, Model.EUCM, 2, (0, 1)),
    "EQUIRECTANGULAR": ColmapModel(17, Model.EQUIRECTANGULAR, 0, ()),
}
NAMES = {entry.number: name for name, entry in COLMAP_MODELS.items()}


def parameter_count(name: str) -> int:
    """How many parameters COLMAP stores for a model."""
    entry = COLMAP_MODELS[name]
    return entry.focal_lengths + 2 + len(entry.columns)


def lens_from_colmap(
    name: str, parameters: Sequence[float], size: tuple[int, int]
) -> tuple[Model, np.ndarray, np.ndarray]:
    """A camera of COLMAP as a row of `Cameras`.

    Args:
        name: such as SIMPLE_RADIAL.
        parameters: as COLMAP lists them.
        size: width and height in pixels.

    Returns:
        model, intrinsics [4] (fx, fy, cx, cy), distortion [12].

    Raises:
        InputError: for an unknown model, or parameters that are too few or too many.
    """
    if name not in COLMAP_MODELS:
        raise InputError(
            "unknown camera model", field="model", found=name, expected=", ".join(COLMAP_MODELS)
        )
    entry = COLMAP_MODELS[name]
    values = np.asarray(parameters, dtype=np.float64).reshape(-1)
    if len(values) != parameter_count(name):
        raise InputError(
            field=f"parameters of {name}", found=len(values), expected=parameter_count(name)
        )
    distortion = np.zeros(PARAMETERS)
    if entry.model == Model.EQUIRECTANGULAR:
        return entry.model, equirectangular_intrinsics(*size), distortion
    center = entry.focal_lengths
    fx, fy = values[0], values[center - 1]
    distortion[list(entry.columns)] = values[center + 2 :]
    return entry.model, np.array([fx, fy, *values[center : center + 2]]), distortion


def equirectangular_intrinsics(width: int, height: int) -> np.ndarray:
    """Intrinsics [4] with which an image of this size shows the whole sphere once."""
    return np.array([width / (2 * np.pi), height / np.pi, width / 2, height / 2])
