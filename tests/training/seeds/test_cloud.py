"""Gaussians of points: sizes, colours, and points that are no cloud."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from polyfield.errors import InputError
from polyfield.splats.splats import SH0
from polyfield.training.densification import NAMES
from polyfield.training.seeds import gaussians_from_points, thinned


def lattice(side: int) -> np.ndarray:
    axis = np.arange(side, dtype=np.float64)
    return np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)


def test_scales_are_the_mean_distance_to_three_neighbours() -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3.0], [10, 0, 0]])
    seeds = gaussians_from_points(points, largest=100.0)
    sigma = seeds["log_scales"].exp()
    assert sigma[0].tolist() == pytest.approx([2, 2, 2])
    distances = np.sort(np.linalg.norm(points - points[4], axis=1))[1:4]
    assert sigma[4].tolist() == pytest.approx([distances.mean()] * 3)
    smaller = gaussians_from_points(points, largest=100.0, scale=0.1)["log_scales"]
    torch.testing.assert_close(smaller.exp(), 0.1 * sigma)


def test_the_other_parameters() -> None:
    colors = np.array([[255, 0, 0], [0, 128, 255], [9, 9, 9]], np.uint8)
    seeds = gaussians_from_points(lattice(2)[:3], colors)
    assert list(seeds) == list(NAMES)
    assert all(tensor.dtype == torch.float32 for tensor in seeds.values())
    assert seeds["quats"].tolist() == [[1, 0, 0, 0]] * 3
    torch.testing.assert_close(torch.sigmoid(seeds["opacity_logits"]), torch.full((3,), 0.1))
    back = 0.5 + SH0 * seeds["sh_dc"]
    torch.testing.assert_close(back, torch.from_numpy(colors / 255).float())
    assert seeds["sh_rest"].shape == (3, 15, 3)
    assert not seeds["sh_rest"].any()
    assert gaussians_from_points(lattice(2), degree=0)["sh_rest"].shape == (8, 0, 3)
    assert not gaussians_from_points(torch.from_numpy(lattice(2)))["sh_dc"].any()  # grey


def test_duplicates_become_one_of_their_mean_colour() -> None:
    points = np.array([[5, 5, 5], [1, 0, 0], [5, 5, 5], [0, 0, 0.0]])
    colors = np.array([[0.2] * 3, [1.0] * 3, [0.6] * 3, [0.0] * 3])
    seeds = gaussians_from_points(points, colors)
    assert seeds["means"].tolist() == [[5, 5, 5], [1, 0, 0], [0, 0, 0]]
    assert (0.5 + SH0 * seeds["sh_dc"][0]).tolist() == pytest.approx([0.4] * 3)
    assert seeds["log_scales"].isfinite().all()


@pytest.mark.parametrize("m", [1, 7])
def test_one_place_alone_has_a_size_of_its_own(m: int) -> None:
    seeds = gaussians_from_points(np.full((m, 3), 2.5), lone=0.03)
    assert seeds["means"].tolist() == [[2.5, 2.5, 2.5]]
    assert seeds["log_scales"].exp().tolist()[0] == pytest.approx([0.03] * 3)


def test_two_points_are_neighbours() -> None:
    seeds = gaussians_from_points(np.array([[0, 0, 0], [0, 0, 2.0]]), largest=10.0)
    assert seeds["log_scales"].exp().tolist() == [pytest.approx([2, 2, 2])] * 2


def test_outliers_do_not_cover_the_picture() -> None:
    points = np.concatenate([lattice(6), [[1e4, 0, 0]]])
    sigma = gaussians_from_points(points)["log_scales"].exp()[:, 0]
    radius = np.quantile(np.linalg.norm(points - np.median(points, axis=0), axis=1), 0.98)
    assert sigma[-1].item() == pytest.approx(0.1 * radius, rel=1e-5)
    wide = gaussians_from_points(points, largest=3.0)["log_scales"].exp()[:, 0]
    assert wide[-1].item() == pytest.approx(3)
    assert wide[:-1].max().item() < 1.3


def test_points_that_nearly_coincide_keep_a_size() -> None:
    points = np.concatenate([lattice(4), lattice(4)[:2] + 1e-6, lattice(4)[:2] + 2e-6])
    points = np.concatenate([points, lattice(4)[:2] + 3e-6])
    log_scales = gaussians_from_points(points, largest=10.0)["log_scales"]
    assert log_scales.min().item() == pytest.approx(math.log(1e-3), abs=0.1)


@pytest.mark.parametrize(
    ("points", "colors", "message"),
    [
        (np.zeros((0, 3)), None, "points: found none"),
        (np.zeros((4, 2)), None, "expected .m,3."),
        (np.array([[0, 0, 0], [0, np.nan, 0]]), None, "point 1: found .0.0, nan, 0.0."),
        (np.array([[1e39, 0, 0]]), None, "point 0"),
        (lattice(2), np.zeros((3, 3)), "colors: found .3, 3., expected .8, 3."),
        (lattice(2), np.full((8, 3), np.nan), "numbers from 0 to 1"),
        (lattice(2), np.full((8, 3), 255.0), "numbers from 0 to 1"),
    ],
)
def test_what_is_no_cloud_is_refused(points: Any, colors: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        gaussians_from_points(points, colors)


@pytest.mark.parametrize("settings", [{"opacity": 1.0}, {"degree": 4}, {"largest": 0.0}])
def test_settings_without_a_meaning_are_refused(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(InputError, match=name):
        gaussians_from_points(lattice(2), **settings)


def test_thinning_leaves_about_as_many_as_asked_for() -> None:
    random = np.random.default_rng(0)
    points, colors = random.random((20_000, 3)) * [1, 2, 0.1] + 7, random.random((20_000, 3))
    for count in (1, 10, 500, 5000):
        places, means = thinned(points, colors, count)
        assert 0.5 * count <= len(places) <= count
        assert means.shape == places.shape
    np.testing.assert_allclose(thinned(points, colors, 1)[0], points.mean(axis=0, keepdims=True))
    assert thinned(points, colors, 20_000)[0] is points
    same = thinned(np.ones((50, 3)), np.ones((50, 3)), 7)
    assert same[0].tolist() == [[1, 1, 1]]
