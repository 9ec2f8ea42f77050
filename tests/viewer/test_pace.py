"""Sizes of pictures follow what rendering has been measured to take."""

from __future__ import annotations

import itertools

import pytest

from polyfield.viewer.pace import FIRST, Pace, sizes, within


def measured(constant: float, slope: float, *counts: int) -> Pace:
    pace = Pace()
    pace.add(1, 100.0)  # compiles
    for n in counts:
        pace.add(n, constant + slope * n)
    return pace


def test_before_anything_is_known_the_first_picture_is_small() -> None:
    assert Pace().pixels(0.05) == FIRST
    assert measured(0, 0).pixels(0.05) == FIRST


def test_the_line_through_exact_measurements_is_found() -> None:
    pace = measured(0.01, 1e-6, 1_000, 100_000, 10_000, 50_000)
    assert pace.line == pytest.approx((0.01, 1e-6), rel=1e-6)
    assert pace.pixels(0.05) == pytest.approx(40_000, rel=1e-3)


def test_pictures_of_one_size_put_all_down_to_the_pixels() -> None:
    assert measured(0.01, 1e-6, *[10_000] * 5).line == pytest.approx((0, 2e-6))


def test_a_machine_that_slows_down_is_noticed() -> None:
    pace = measured(0, 1e-6, 10_000, 90_000, 20_000)
    before = pace.pixels(0.05)
    for n in (10_000, 90_000, 20_000) * 8:
        pace.add(n, 1e-5 * n)
    assert pace.pixels(0.05) == pytest.approx(before / 10, rel=0.05)


def test_where_calls_alone_take_too_long_some_pixels_are_left() -> None:
    assert measured(0.2, 1e-6, 1_000, 100_000).pixels(0.05) == pytest.approx(50_000, rel=1e-3)


@pytest.mark.parametrize("full", [(1280, 720), (300, 900), (20, 10)])
@pytest.mark.parametrize("coarse", [1, 5_000, 200_000, 10_000_000])
def test_sizes_grow_from_coarse_to_full(full: tuple[int, int], coarse: int) -> None:
    found = list(sizes(full, coarse))
    assert found[-1] == full
    counts = [w * h for w, h in found]
    assert counts == sorted(set(counts))
    assert all(b / a < 7 for a, b in itertools.pairwise(counts))
    for width, height in found:
        assert width / height == pytest.approx(full[0] / full[1], rel=0.1)


def test_no_edge_is_longer_than_allowed() -> None:
    assert within(2000, 1000, 500) == (500, 250)
    assert within(300, 200, 500) == (300, 200)
