"""Gaussians of points: as large as their neighbours are far.

Letters: m points, n Gaussians, k harmonics beyond the first.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.errors import InputError
from polyfield.splats.splats import HARMONICS, SH0

Seeds = dict[str, Tensor]

NEIGHBOURS = 3
LEAST_SCALE = 1e-3  # of the median scale: of points that nearly coincide
MOST_SCALE = 0.1  # of the cloud's radius, by default
CORE = 0.98  # share of the points, the nearest to their median, that the radius is of
GREY = 0.5


def gaussians_from_points(
    points: Any,
    colors: Any = None,
    *,
    opacity: float = 0.1,
    scale: float = 1.0,
    degree: int = 3,
    largest: float | None = None,
    lone: float = 0.01,
) -> Seeds:
    """Round Gaussians around points.

    Points that are given twice become one of their mean colour: Gaussians at the same place would
    get the same gradients for ever.

    Args:
        points: [m,3] world units, numpy or torch.
        colors: [m,3] sRGB, bytes or numbers in [0, 1]; None for grey.
        opacity: of all.
        scale: times the mean distance to the 3 nearest others, which is the standard deviation.
        degree: of the spherical harmonics, which are zero but for the first.
        largest: standard deviation at most, world units, so that an outlier does not cover the
            picture; None for a tenth of the radius of the middle 98 % of the points.
        lone: standard deviation of a point that has no other, world units.

    Raises:
        InputError: for no points, or some that are not finite.
    """
    places, sRGB = checked_points(points), _checked_colors(colors, len(points))
    places, sRGB = _merged(places, sRGB)
    if largest is None:
        largest = MOST_SCALE * _radius(places)
    elif not largest > 0:
        raise InputError(field="largest", found=largest, expected="a length above 0")
    distances = neighbour_distances(places)
    distances = np.where(np.isfinite(distances), distances, lone)
    median = float(np.median(distances))
    most = max(largest, LEAST_SCALE * median) if largest > 0 else np.inf
    sigma = scale * np.clip(distances, LEAST_SCALE * median, most)
    quats = np.tile([1.0, 0, 0, 0], (len(places), 1))
    return as_seeds(places, quats, np.log(sigma)[:, None].repeat(3, 1), sRGB, opacity, degree)


def as_seeds(
    means: Float[np.ndarray, "n 3"],
    quats: Float[np.ndarray, "n 4"],
    log_scales: Float[np.ndarray, "n 3"],
    sRGB: Float[np.ndarray, "n 3"],
    opacity: float,
    degree: int,
) -> Seeds:
    """Parameters by name, of one opacity and of colours that are the same from all sides.

    Raises:
        InputError: for an opacity or a degree that there is not.
    """
    if not 0 < opacity < 1:
        raise InputError(field="opacity", found=opacity, expected="above 0, below 1")
    if degree not in range(len(HARMONICS)):
        raise InputError(field="degree", found=degree, expected="0 to 3")
    n = len(means)
    return {
        "means": torch.from_numpy(means).float(),
        "quats": torch.from_numpy(quats).float(),
        "log_scales": torch.from_numpy(log_scales).float(),
        "opacity_logits": torch.full((n,), math.log(opacity / (1 - opacity))),
        "sh_dc": torch.from_numpy((sRGB - 0.5) / SH0).float(),
        "sh_rest": torch.zeros(n, HARMONICS[degree], 3),
    }


def neighbour_distances(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Mean distance of different points to their nearest 3 others, or as many as there are.

    Returns:
        infinity where there is no other.
    """
    from scipy.spatial import cKDTree

    others = min(NEIGHBOURS, len(points) - 1)
    if others == 0:
        return np.full(len(points), np.inf)
    distances, _ = cKDTree(points).query(points, k=others + 1)
    return np.asarray(distances[:, 1:].mean(axis=1))


def checked_points(points: Any) -> Float[np.ndarray, "m 3"]:
    """Points as float64; InputError for none, for another shape and for NaN."""
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 3:
        raise InputError(field="points", found=list(array.shape), expected="[m,3]")
    if len(array) == 0:
        hint = "random Gaussians need none"
        raise InputError(field="points", found="none", expected="1 or more", hint=hint)
    # Parameters are float32: what overflows there is not finite either.
    finite = (np.abs(array) < np.finfo(np.float32).max).all(axis=1)
    if not finite.all():
        first = int(np.argmin(finite))
        found = array[first].tolist()
        raise InputError(field=f"point {first}", found=found, expected="finite numbers")
    return array


def _checked_colors(colors: Any, m: int) -> Float[np.ndarray, "m 3"]:
    if colors is None:
        return np.full((m, 3), GREY)
    array = np.asarray(colors)
    if array.shape != (m, 3):
        raise InputError(field="colors", found=list(array.shape), expected=[m, 3])
    array = array / 255.0 if array.dtype == np.uint8 else array.astype(np.float64)
    if not ((array >= 0) & (array <= 1)).all():  # NaN is neither
        expected = "bytes, or numbers from 0 to 1"
        found = f"{np.min(array):g} to {np.max(array):g}"
        raise InputError(field="colors", found=found, expected=expected)
    return array


def _merged(points: np.ndarray, colors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each place once, where it first stood, with the mean of its colours; as float32 sees them."""
    places, first, place = np.unique(
        points.astype(np.float32), axis=0, return_index=True, return_inverse=True
    )
    if len(places) == len(points):
        return points, colors
    sums = np.zeros((len(places), 3))
    np.add.at(sums, place.reshape(-1), colors)
    means = sums / np.bincount(place.reshape(-1))[:, None]
    order = np.argsort(first)
    return points[first[order]], means[order]


def _radius(points: Float[np.ndarray, "n 3"]) -> float:
    """Of the ball around the median that holds most of the points."""
    return float(np.quantile(np.linalg.norm(points - np.median(points, axis=0), axis=1), CORE))
