"""The photometric loss of Gaussian splatting, mean absolute difference and SSIM, in one operation.

    loss = (1 - weight) mean |p - q| + weight (1 - mean S)         (Kerbl et al. 2023, equation 7)
    S = (2 u v + C1) (2 (t - u v) + C2) / ((u^2 + v^2 + C1) (s - u^2 - v^2 + C2))

(Wang et al. 2004, equation 13). Letters: p rendered and q true colours, c channels, h, w pixels;
u, v, s, t = p, q, p^2 + q^2 and p q, each filtered by G, a Gaussian of 1.5 pixels that is cut after
5, in a picture that is black beyond its border.

The loss is where the gradient of a training step begins; so the forward call makes that too, and
the backward call multiplies it by what comes from above. S knows p by way of u, s and t:

    d mean S / dp = G(dS/du) + 2 p G(dS/ds) + q G(dS/dt)
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numba import get_num_threads
from torch import Tensor

from polyfield.errors import InputError
from polyfield.kernels import ssim_reference as reference
from polyfield.kernels.blocks import specialise
from polyfield.kernels.choice import plain
from polyfield.kernels.launch import launch
from polyfield.kernels.ssim_reference import RADIUS
from polyfield.kernels.ssim_sweep import EDGE, LANES, SCRATCH, photometric, split_jobs
from polyfield.kernels.workspace import Workspace

Picture = Float[Tensor, "c h w"]
Photo = UInt8[Tensor, "c h w"] | Float[Tensor, "c h w"]
Mask = Bool[Tensor, "h w"] | UInt8[Tensor, "h w"]


_workspace = Workspace()


@lru_cache(maxsize=64)
def _plan(c: int, h: int, w: int) -> np.ndarray:
    """The jobs of a size, which are listed once."""
    return split_jobs(c, h, w)


@cache
def _taps(dtype: np.dtype) -> np.ndarray:
    """The middle of the window and what follows."""
    return reference.window(torch.float64).numpy()[RADIUS:].astype(dtype)


def _run(
    rgb: Tensor, truth: Tensor, weight_ssim: float, mask: Tensor | None, gradient: Tensor | None
) -> tuple[float, float]:
    """Mean |p - q| and mean 1 - S; the gradient of the loss is written where there is a place."""
    p, q = rgb.detach().contiguous().numpy(), truth.detach().contiguous().numpy()
    (c, h, w), dtype = p.shape, p.dtype
    inside = np.zeros((0, 0), np.uint8)
    if mask is not None:
        inside = (mask if mask.dtype == torch.uint8 else mask.to(torch.uint8)).contiguous().numpy()
    n = c * (h * w if mask is None else int(np.count_nonzero(inside)))
    slopes = np.array([1 - weight_ssim, weight_ssim], np.float64) / max(n, 1)
    scale = 1 / 255 if q.dtype == np.uint8 else 1.0
    jobs, taps = _plan(c, h, w), _taps(dtype)
    threads = min(get_num_threads(), len(jobs))
    columns = 2 * EDGE + -(-w // LANES) * LANES
    d_p = np.empty((c, 0, 0), dtype) if gradient is None else gradient.numpy()
    sums = np.zeros((len(jobs), 2))
    run = specialise(photometric)
    with launch():
        memory = _workspace.take("sweep", threads * SCRATCH + c * h * 3 * columns, dtype)
        run(
            1 if gradient is None else 2, p, q, inside, dtype.type(scale), slopes.astype(dtype),
            taps, jobs, memory[: threads * SCRATCH].reshape(threads, SCRATCH),
            memory[threads * SCRATCH :].reshape(c, h, 3, columns), sums, d_p,
        )  # fmt: skip
    away, unlike = sums.sum(axis=0) / max(n, 1)
    return float(away), float(unlike)


class _PhotometricLoss(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        rgb: Tensor,
        truth: Tensor,
        weight_ssim: float,
        mask: Tensor | None,
        differentiate: bool,
    ) -> Tensor:
        gradient = torch.empty(rgb.shape, dtype=rgb.dtype) if differentiate else None
        away, unlike = _run(rgb, truth, weight_ssim, mask, gradient)
        ctx.gradient = gradient
        return rgb.new_tensor((1 - weight_ssim) * away + weight_ssim * unlike)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:
        gradient = ctx.gradient if float(d_loss) == 1 else ctx.gradient * d_loss
        return gradient, None, None, None, None


def photometric_loss(
    rgb: Picture, truth: Photo, weight_ssim: float = 0.2, mask: Mask | None = None
) -> Float[Tensor, ""]:
    """(1 - weight) mean |p - q| + weight (1 - mean SSIM); differentiable in `rgb`, once.

    The gradient is made in this call wherever one will be asked for; going backward costs nothing
    then. POLYFIELD_KERNELS=reference is differentiable twice.

    Args:
        rgb: what was rendered, in parts of white, on its background; may be above 1.
        truth: the photo, bytes or parts of white, on the same background.
        weight_ssim: from 0 to 1.
        mask: 0 (False) for pixels that say nothing. There the truth stands in for what was
            rendered, before anything is filtered: they get no gradient, and the pixels around see
            no difference there; both means are over the other pixels. With none left the loss is 0.

    Raises:
        InputError: for shapes that differ, or a weight out of bounds.
    """
    _check(rgb, truth, mask)
    if not 0 <= weight_ssim <= 1:
        raise InputError(field="weight_ssim", found=weight_ssim, expected="a number from 0 to 1")
    if plain(rgb) or rgb.dtype not in (torch.float32, torch.float64):
        return reference.photometric_loss_reference(rgb, truth, weight_ssim, mask)
    differentiate = rgb.requires_grad and torch.is_grad_enabled()
    return _PhotometricLoss.apply(rgb, truth, weight_ssim, mask, differentiate)


def ssim(rgb: Picture, truth: Photo, mask: Mask | None = None) -> float:
    """The mean structural similarity that the loss sees; 1 for pictures that are the same.

    Windows reach over the border, where the picture is black. What papers print leaves out windows
    that do: see `training.metrics.ssim`.
    """
    with torch.no_grad():
        return 1 - float(photometric_loss(rgb, truth, 1.0, mask))


def _check(rgb: Tensor, truth: Tensor, mask: Tensor | None) -> None:
    if rgb.ndim != 3 or truth.shape != rgb.shape or not rgb.dtype.is_floating_point:
        raise InputError(
            field="rgb",
            found=f"{rgb.dtype} {list(rgb.shape)}, and a truth of {list(truth.shape)}",
            expected="floats [c, h, w], and a truth of that shape",
        )
    if 0 in rgb.shape:
        raise InputError(field="rgb", found=list(rgb.shape), expected="a pixel or more")
    if truth.dtype != torch.uint8 and not truth.dtype.is_floating_point:
        raise InputError(field="truth", found=truth.dtype, expected="uint8 or floats")
    if mask is not None and (mask.shape != rgb.shape[1:] or mask.dtype.is_floating_point):
        raise InputError(
            field="mask",
            found=f"{mask.dtype} {list(mask.shape)}",
            expected=f"bool or uint8 {list(rgb.shape[1:])}",
        )
