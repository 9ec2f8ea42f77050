"""The definition of right for the photometric loss, in plain torch: any device, any float type.

Letters: c channels, h, w pixels. Differentiable as often as is asked for; see `kernels.ssim`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

RADIUS, SIGMA = 5, 1.5
C1, C2 = 0.01**2, 0.03**2


def window(dtype: torch.dtype, device: torch.device | str = "cpu") -> Float[Tensor, " 11"]:
    """The taps of the Gaussian window along one axis, which sum to 1."""
    x = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64, device=device)
    taps = torch.exp(-0.5 * (x / SIGMA) ** 2)
    return (taps / taps.sum()).to(dtype)


def unit_range(truth: Tensor, dtype: torch.dtype) -> Tensor:
    """A photo in a float type, bytes as parts of 255."""
    return truth.to(dtype) / 255 if truth.dtype == torch.uint8 else truth.to(dtype)


def _filtered(maps: Float[Tensor, "c h w"]) -> Float[Tensor, "c h w"]:
    taps = window(maps.dtype, maps.device)
    rows, columns = taps.view(1, 1, -1, 1), taps.view(1, 1, 1, -1)
    conv = torch.nn.functional.conv2d
    across = conv(maps[:, None], columns, padding=(0, RADIUS))
    return conv(across, rows, padding=(RADIUS, 0))[:, 0]


def ssim_map_reference(
    p: Float[Tensor, "c h w"], q: Float[Tensor, "c h w"]
) -> Float[Tensor, "c h w"]:
    """The similarity around every pixel, of a picture that is black beyond its border."""
    u, v = _filtered(p), _filtered(q)
    spread = _filtered(p * p + q * q) - u * u - v * v
    # Rounding may make it negative where colours are far above 1.
    spread = spread + (spread.clamp(min=0) - spread).detach()
    joint = _filtered(p * q) - u * v
    return ((2 * u * v + C1) * (2 * joint + C2)) / ((u * u + v * v + C1) * (spread + C2))


def photometric_loss_reference(
    rgb: Float[Tensor, "c h w"], truth: Tensor, weight_ssim: float, mask: Tensor | None
) -> Float[Tensor, ""]:
    """The loss of `kernels.ssim.photometric_loss`."""
    q = unit_range(truth, rgb.dtype)
    inside = torch.ones_like(rgb[0], dtype=torch.bool) if mask is None else mask != 0
    p = torch.where(inside, rgb, q)
    unlike = (1 - ssim_map_reference(p, q)) * inside
    total = (1 - weight_ssim) * (p - q).abs().sum() + weight_ssim * unlike.sum()
    return total / (inside.sum() * len(rgb)).clamp(min=1)
