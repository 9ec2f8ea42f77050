"""Each model against its inverse, and against what its formula means at known places."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from polyfield.cameras.models import (
    PARAMETERS,
    Model,
    direction_from_pixel,
    distort,
    pixel_from_direction,
    undistort,
)

angles = st.floats(-math.pi, math.pi)
parts = st.floats(0, 1)
compiled = settings(deadline=None)  # the first example compiles
anything = st.floats(allow_nan=True, allow_infinity=True)


def _row(lens: Any) -> np.ndarray:
    return np.array([*lens.distortion] + [0.0] * (PARAMETERS - len(lens.distortion)))


@compiled
@given(part=parts, around=angles)
@example(part=0.0, around=0.0)
@example(part=1.0, around=2.5)
def test_pixels_lead_back_to_their_directions(lens: Any, part: float, around: float) -> None:
    off_axis = part * lens.reach
    if lens.model == Model.EQUIRECTANGULAR:
        off_axis = min(off_axis, 3.1415)
    x, y = math.sin(off_axis) * math.cos(around), math.sin(off_axis) * math.sin(around)
    direction = np.array([x, y, math.cos(off_axis)])
    p = _row(lens)
    px, py = pixel_from_direction(lens.model, *lens.intrinsics, p, *(3.7 * direction))
    back = np.array(direction_from_pixel(lens.model, *lens.intrinsics, p, px, py))
    assert np.abs(back - direction).max() < 1e-8


@compiled
@given(px=st.floats(0, 640), py=st.floats(0, 480))
def test_directions_are_of_unit_length_and_lead_back_to_pixels(
    lens: Any, px: float, py: float
) -> None:
    p = _row(lens)
    direction = direction_from_pixel(lens.model, *lens.intrinsics, p, px, py)
    assert abs(math.hypot(*direction) - 1) < 1e-12
    is_mapped = lens.model == Model.EQUIRECTANGULAR and 1e-3 < px < 639 and 1e-3 < py < 479
    z = max(-1.0, min(1.0, direction[2]))
    if is_mapped or (lens.model != Model.EQUIRECTANGULAR and math.acos(z) < lens.reach):
        again = pixel_from_direction(lens.model, *lens.intrinsics, p, *direction)
        assert math.dist(again, (px, py)) < 1e-6


@compiled
@given(px=anything, py=anything, x=anything, y=anything, z=anything)
def test_nothing_crashes_and_finite_pixels_give_finite_directions(
    lens: Any, px: float, py: float, x: float, y: float, z: float
) -> None:
    p = _row(lens)
    direction = direction_from_pixel(lens.model, *lens.intrinsics, p, px, py)
    if abs(px) < 1e9 and abs(py) < 1e9:
        assert np.isfinite(direction).all()
    pixel_from_direction(lens.model, *lens.intrinsics, p, x, y, z)


@compiled
@given(
    p=st.lists(st.floats(-5, 5), min_size=PARAMETERS, max_size=PARAMETERS),
    model=st.sampled_from(Model),
    px=st.floats(-1e4, 1e4),
    py=st.floats(-1e4, 1e4),
)
def test_lenses_that_cannot_be_still_give_finite_directions(
    p: list[float], model: Model, px: float, py: float
) -> None:
    direction = direction_from_pixel(model, 500.0, 500.0, 320.0, 240.0, np.array(p), px, py)
    assert np.isfinite(direction).all()


@pytest.mark.parametrize("model", list(Model))
def test_the_optical_axis_is_the_principal_point(model: Model) -> None:
    p = np.zeros(PARAMETERS)
    p[:1] = 0.3
    pixel = pixel_from_direction(model, 500.0, 400.0, 321.0, 239.0, p, 0.0, 0.0, 2.0)
    assert pixel == (321.0, 239.0)
    assert direction_from_pixel(model, 500.0, 400.0, 321.0, 239.0, p, *pixel) == (0.0, 0.0, 1.0)


def test_axes_point_right_and_down() -> None:
    for model in Model:
        p = np.full(PARAMETERS, 1e-3)
        px, py = pixel_from_direction(model, 100.0, 100.0, 0.0, 0.0, p, 0.3, 0.1, 1.0)
        assert px > py > 0


def test_fisheye_angle_is_proportional_to_radius_without_distortion() -> None:
    p = np.zeros(PARAMETERS)
    px, py = pixel_from_direction(Model.FISHEYE, 100.0, 100.0, 0.0, 0.0, p, -1.0, 0.0, -1.0)
    assert math.isclose(px, -100 * 0.75 * math.pi)
    assert py == 0


def test_equirectangular_shows_what_lies_to_the_right_and_below() -> None:
    intrinsics, p = (640 / (2 * math.pi), 480 / math.pi, 320.0, 240.0), np.zeros(PARAMETERS)
    right = pixel_from_direction(Model.EQUIRECTANGULAR, *intrinsics, p, 1.0, 0.0, 0.0)
    below = pixel_from_direction(Model.EQUIRECTANGULAR, *intrinsics, p, 0.0, 1.0, 0.0)
    assert np.allclose(right, (480, 240))
    assert np.allclose(below, (320, 480))


@compiled
@given(u=st.floats(-0.6, 0.6), v=st.floats(-0.6, 0.6), k=st.floats(-0.2, 0.5))
def test_division_and_its_closed_inverse_agree_with_the_definition(
    u: float, v: float, k: float
) -> None:
    p = np.zeros(PARAMETERS)
    p[0] = k
    x, y, z = direction_from_pixel(Model.DIVISION, 1.0, 1.0, 0.0, 0.0, p, u, v)
    assert np.allclose((x / z, y / z), np.array([u, v]) / (1 + k * (u * u + v * v)))


def test_points_beyond_the_fold_come_out_at_the_fold() -> None:
    # r' = r - 0.3 r^3 is at most 0.7027, at r = 1.054: no direction is seen at 0.8.
    p = np.zeros(PARAMETERS)
    p[0] = -0.3
    u, v = undistort(Model.OPENCV, p, 0.8, 0.0)
    assert abs(u - 1.054) < 0.05
    assert v == 0
    assert distort(Model.OPENCV, p, u, v)[0] > 0.70


def test_distortion_parameters_are_those_of_opencv() -> None:
    """The formula of the documentation of OpenCV's calib3d module, term by term."""
    p = np.array([0.1, -0.05, 0.01, -0.02, 0.03, 0.2, 0.04, -0.01] + [0.0] * 4)
    x, y = 0.4, -0.3
    r2 = x * x + y * y
    scale = (1 + 0.1 * r2 - 0.05 * r2**2 + 0.03 * r2**3) / (
        1 + 0.2 * r2 + 0.04 * r2**2 - 0.01 * r2**3
    )
    expected = (
        x * scale + 2 * 0.01 * x * y - 0.02 * (r2 + 2 * x * x),
        y * scale + 0.01 * (r2 + 2 * y * y) - 2 * 0.02 * x * y,
    )
    assert np.allclose(distort(Model.OPENCV, p, x, y), expected, atol=1e-14)
