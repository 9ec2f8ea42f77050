"""Where Gaussians are: a box that a few stray ones do not widen.

Letters: n Gaussians.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from polyfield.splats.activations import opacities
from polyfield.splats.splats import Splats

SHARE = 0.05  # of all opacity that lies beyond each end


def robust_box(splats: Splats, share: float = SHARE) -> Float[np.ndarray, "2 3"]:
    """Ends of the box that is left when a share of the opacity is cut off at each end of each axis.

    Args:
        splats: at least one, all finite.
        share: below one half.
    """
    weights = opacities(splats.opacity_logits.astype(np.float64)) + 1e-12
    ends = [_quantiles(splats.means[:, axis], weights, share) for axis in range(3)]
    return np.stack(ends, axis=1).astype(np.float64)


def robust_sphere(splats: Splats) -> tuple[Float[np.ndarray, "3"], float]:
    """Centre and radius of what is to be in view; the radius is above 0.

    Args:
        splats: at least one, all finite.
    """
    low, high = robust_box(splats)
    size = float(np.exp(np.median(splats.log_scales.max(axis=1).astype(np.float64))))
    return (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, 3 * size)


def _quantiles(
    values: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"], share: float
) -> Float[np.ndarray, "2"]:
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    places = np.searchsorted(below, below[-1] * np.array([share, 1 - share]))
    return values[order[np.minimum(places, len(values) - 1)]]
