"""How much each Gaussian is seen in some views, and which are left out for being seen the least.

    importance = gamma * sum over views and pixels of alpha x transmittance
    gamma = min(volume / V90, 1) ^ power

V90 is the volume that one Gaussian in ten exceeds (LightGaussian, Fan et al. 2024, equations 2 and
3, with the blending weight in the place of opacity x transmittance at what is hit). Letters: n
Gaussians.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from polyfield.errors import InputError
from polyfield.fields.gaussians import tensors_of
from polyfield.kernels.rasterize.rasterize import rasterize
from polyfield.kernels.rasterize.records import PinholeView
from polyfield.splats.splats import SH0, Splats

POWER = 0.1  # of the normalised volume


def blending_weights(splats: Splats, views: Iterable[PinholeView]) -> Float[Tensor, " n"]:
    """Sums over all pixels of views of alpha x transmittance, in pixels; 0 for what is never seen.

    With every Gaussian white, they are the gradient of a picture's sum to the constant harmonic.
    """
    total = torch.zeros(len(splats))
    fixed: dict[str, Any] = {
        **tensors_of(splats),
        "sh_rest": torch.zeros(len(splats), 0, 3),
        "antialiased": splats.antialiased,
    }
    for view in views:
        white = torch.full((len(splats), 3), 0.5 / SH0, requires_grad=True)
        picture = rasterize(**{**fixed, "sh_dc": white}, view=view)
        (of_red,) = torch.autograd.grad(picture.rgb[0].sum(), white)
        total += of_red[:, 0] / SH0
    return total


def importance(
    weights: Float[Tensor, " n"], log_scales: Float[Tensor, "n 3"], power: float = POWER
) -> Float[Tensor, " n"]:
    """Blending weights, less those of Gaussians that are small: what covers little hides little.

    Args:
        weights: of `blending_weights`.
        power: of the normalised volume; 0 leaves the weights as they are.
    """
    if not len(weights):
        return weights
    volume = log_scales.sum(dim=1)
    reference = volume.sort().values[int(0.9 * (len(volume) - 1))]
    return weights * torch.exp(power * (volume - reference).clamp(max=0))


def most_important(importance: Float[Tensor, " n"], prune: float) -> Bool[Tensor, " n"]:
    """Which remain when a share of them goes, the least important first; at least one.

    Raises:
        InputError: for a share below 0, or of 1 and more.
    """
    if not 0 <= prune < 1:
        raise InputError(field="prune", found=prune, expected="a share from 0 up to, not with, 1")
    kept = torch.ones(len(importance), dtype=torch.bool)
    drop = min(int(prune * len(importance)), len(importance) - 1)
    kept[importance.argsort(stable=True)[: max(drop, 0)]] = False
    return kept
