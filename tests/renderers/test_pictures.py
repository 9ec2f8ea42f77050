"""Colours that mean something, and files that are what their names say."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np

from polyfield.renderers.pictures import (
    contact_sheet,
    depth_picture,
    depth_range,
    error_picture,
    normal_picture,
    picture,
    turbo,
    write_picture,
)


def test_picture_rounds_and_clips() -> None:
    values = np.array([[-1.0, 0.0, 0.5, 1.0, 2.0, 100 / 255]])
    assert picture(values)[0, :, 0].tolist() == [0, 0, 128, 255, 255, 100]
    assert picture(values).shape == (1, 6, 3)


def test_turbo_runs_from_dark_blue_over_green_to_dark_red() -> None:
    low, middle, high = turbo(np.array([0.08, 0.5, 0.92]))
    assert low.argmax() == 2
    assert middle.argmax() == 1
    assert high.argmax() == 0
    published = np.array([[48, 18, 59], [164, 252, 60], [122, 4, 3]])  # at 0, 1/2 and 1
    assert np.abs(turbo(np.array([0.0, 0.5, 1.0])) * 255 - published).max() < 35


def test_depth_colours_do_not_depend_on_empty_pixels() -> None:
    depth = np.linspace(2.0, 4.0, 100).reshape(10, 10)
    opacity = np.ones((10, 10))
    opacity[0], depth[0] = 0.0, 1e9
    near, far = depth_range([depth], [opacity])
    assert 2.2 <= near < 2.3
    assert 3.9 < far <= 4.0
    colors = depth_picture(depth, opacity, (near, far))
    assert (colors[0] == 255).all()
    assert colors[1, 0].argmax() == 0  # near: red
    assert colors[9, 5].argmax() == 2  # far: blue


def test_depth_of_nothing_is_white() -> None:
    nothing = np.zeros((4, 4))
    span = depth_range([nothing], [nothing])
    assert (depth_picture(nothing, nothing, span) == 255).all()


def test_normals_of_axes() -> None:
    axes = np.array([[[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [0, 0, 0]]])
    assert normal_picture(axes)[0].tolist() == [
        [255, 128, 128],
        [128, 255, 128],
        [128, 128, 255],
        [255, 255, 255],
    ]


def test_error_picture_is_black_where_equal_and_white_where_far_off() -> None:
    truth = np.zeros((1, 3, 3), np.uint8)
    render = truth.copy()
    render[0, 1], render[0, 2] = 10, 255
    errors = error_picture(truth, render)[0]
    assert errors[0].tolist() == [0, 0, 0]
    assert errors[1, 0] > errors[1, 1] == 0
    assert errors[2].tolist() == [255, 255, 255]


def test_contact_sheet_holds_its_pictures() -> None:
    red, blue = np.zeros((8, 40, 3), np.uint8), np.zeros((8, 40, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    sheet = contact_sheet([[red, blue], [blue, red]], ["a", "b"])
    for color in ([255, 0, 0], [0, 0, 255]):
        assert (sheet == color).all(axis=-1).sum() == 2 * 8 * 40


def test_a_png_comes_back(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    write_picture(tmp_path / "new" / "a b.png", image)
    assert (iio.imread(tmp_path / "new" / "a b.png") == image).all()
