"""The lens of a frame in a `transforms*.json`: size, focal lengths, principal point, distortion.

Any of these stands in the frame or, shared, in the header of the file. Focal lengths are in pixels
or as angles of view; the principal point counts from the corner of the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polyfield.cameras.colmap import equirectangular_intrinsics
from polyfield.cameras.models import Model
from polyfield.datasets.json_fields import Record

PERSPECTIVE = ("PINHOLE", "SIMPLE_PINHOLE", "PERSPECTIVE", "SIMPLE_RADIAL", "RADIAL", "OPENCV")
FISHEYE = ("OPENCV_FISHEYE", "FISHEYE", "SIMPLE_FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE")
SPHERE = ("EQUIRECTANGULAR", "SPHERICAL")
RATIONAL = "FULL_OPENCV"
RATIONAL_KEYS = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
FISHEYE_KEYS = ("k1", "k2", "k3", "k4")
UNSUPPORTED = ("ftheta_p0", "latlong", "orthographic", "ortho")


@dataclass(frozen=True)
class Lens:
    """One camera's intrinsics: a row of each array of Cameras."""

    model: int
    size: tuple[int, int]
    intrinsics: np.ndarray
    distortion: np.ndarray


def read_lens(header: Record, frame: Record, image_size: tuple[int, int] | None) -> Lens:
    """The lens of a frame.

    Args:
        header: the object that the frame's list stands in.
        frame: the frame, whose values come first.
        image_size: width and height of its image, used where the file gives no `w` and `h`.

    Raises:
        InputError: naming the value at fault.
    """

    def holder(*keys: str) -> Record:
        """Where any of these keys stands; values of frame and header are not mixed."""
        return frame if any(key in frame for key in keys) else header

    model = _model(holder("camera_model", "is_fisheye"))
    for key in UNSUPPORTED:
        if holder(key).data.get(key):
            raise holder(key).error(key, holder(key).data[key], "a perspective or fisheye lens")
    if image_size is None or "w" in holder("w", "h"):
        size = (holder("w", "h").count("w"), holder("w", "h").count("h"))
    else:
        size = image_size
    width, height = size
    c = holder("cx", "cy")
    center = [c.number("cx", width / 2), c.number("cy", height / 2)]
    if model == Model.EQUIRECTANGULAR:
        return Lens(model, size, equirectangular_intrinsics(width, height), np.zeros(8))
    focal = _focal(holder("fl_x", "fl_y", "camera_angle_x", "camera_angle_y"), width, height)
    distortion = _distortion(model, holder(*RATIONAL_KEYS), holder("camera_model"))
    if model == Model.OPENCV and not distortion.any():
        model = Model.PINHOLE
    return Lens(model, size, np.array([*focal, *center]), distortion)


def _model(where: Record) -> int:
    name = where.text("camera_model", "OPENCV").upper()
    if where.flag("is_fisheye") or name in FISHEYE:
        return Model.FISHEYE
    if name in (*PERSPECTIVE, RATIONAL):
        return Model.OPENCV
    if name in SPHERE:
        return Model.EQUIRECTANGULAR
    known = ", ".join((*PERSPECTIVE, RATIONAL, *FISHEYE, SPHERE[0]))
    raise where.error("camera_model", where.data["camera_model"], f"one of {known}")


def _focal(where: Record, width: int, height: int) -> tuple[float, float]:
    """Focal lengths in pixels, from pixels or else from angles of view; one stands for both."""
    if "fl_x" in where or "fl_y" in where:
        given = [where.positive(key) for key in ("fl_x", "fl_y") if key in where]
        return given[0], given[-1]
    given = [
        0.5 * side / float(np.tan(0.5 * where.angle(key)))
        for key, side in (("camera_angle_x", width), ("camera_angle_y", height))
        if key in where
    ]
    if not given:
        raise where.error("fl_x", None, "fl_x, fl_y, camera_angle_x or camera_angle_y")
    return given[0], given[-1]


def _distortion(model: int, where: Record, model_holder: Record) -> np.ndarray:
    """[8] parameters in the order of the model."""
    values = np.zeros(8)
    keys = FISHEYE_KEYS if model == Model.FISHEYE else RATIONAL_KEYS
    values[: len(keys)] = [where.number(key, 0.0) for key in keys]
    is_rational = model_holder.text("camera_model", "OPENCV").upper() == RATIONAL
    if model == Model.OPENCV and values[5:].any() and not is_rational:
        key = next(key for key, value in zip(keys[5:], values[5:]) if value)
        raise where.error(
            key,
            where.data[key],
            f"0: beyond k3 programs disagree, unless camera_model is {RATIONAL}",
        )
    return values
