"""How near a picture comes to the truth: PSNR, SSIM, and LPIPS where it is installed.

Letters: h, w pixels, c channels. Pictures are [h, w, c] in [0, 1].
"""

from __future__ import annotations

import importlib.util
import math
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numba import njit, prange

from polyfield.errors import InputError
from polyfield.kernels.launch import launch

RADIUS = 5  # of the window, where scikit-image cuts a Gaussian of 1.5 pixels
SMALLEST = 2 * RADIUS + 1  # pixels a side, of which a picture has an SSIM
_taps = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / 1.5) ** 2)
TAPS = _taps / _taps.sum()
C1, C2 = 0.01**2, 0.03**2

Picture = Float[np.ndarray, "h w c"]


def psnr(image: Picture, truth: Picture, mask: Bool[np.ndarray, "h w"] | None = None) -> float:
    """Peak signal to noise ratio in dB, over the pixels of `mask` where it is given."""
    difference = image.astype(np.float64) - truth.astype(np.float64)
    error = float(np.mean((difference if mask is None else difference[mask]) ** 2))
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim(image: Picture, truth: Picture, mask: Bool[np.ndarray, "h w"] | None = None) -> float:
    """Structural similarity (Wang et al. 2004), as scikit-image computes it.

    A Gaussian window of 1.5 pixels, population covariance, a data range of 1, the mean over
    channels; the border of five pixels in which the window does not fit is left out.

    Args:
        mask: [h, w] the pixels over which the similarity is averaged.
    """
    similarity = ssim_map(image, truth)
    if mask is None:
        return float(similarity.mean())
    inner = mask[RADIUS:-RADIUS, RADIUS:-RADIUS]
    return float(similarity[inner].mean()) if inner.any() else math.nan


def ssim_map(image: Picture, truth: Picture) -> Float[np.ndarray, "h-10 w-10"]:
    """The similarity around every pixel whose window fits, averaged over channels."""
    h, w = truth.shape[:2]
    if image.shape != truth.shape or truth.ndim != 3 or min(h, w) < SMALLEST:
        raise InputError(
            field="ssim",
            found=f"{list(image.shape)} and {list(truth.shape)}",
            expected=f"two pictures [h, w, c] of one size, of {SMALLEST} pixels or more",
        )
    out = np.empty((h - 2 * RADIUS, w - 2 * RADIUS))
    a, b = (np.ascontiguousarray(side, dtype=np.float64) for side in (image, truth))
    with launch():
        _ssim(a.reshape(h, -1), b.reshape(h, -1), a.shape[2], TAPS, out)
    return out


@njit(parallel=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _ssim(a, b, channels, taps, out):  # type: ignore[no-untyped-def]
    """Row by row: down the window first, five moments at once, then across."""
    rows, columns = out.shape
    width = a.shape[1]
    for y in prange(rows):
        moments = np.zeros((5, width))
        for k in range(taps.shape[0]):
            weight = taps[k]
            for x in range(width):
                p, q = a[y + k, x], b[y + k, x]
                moments[0, x] += weight * p
                moments[1, x] += weight * q
                moments[2, x] += weight * p * p
                moments[3, x] += weight * q * q
                moments[4, x] += weight * p * q
        n = columns * channels
        means = np.zeros((5, n))
        for m in range(5):
            for k in range(taps.shape[0]):
                weight, shift = taps[k], k * channels
                for x in range(n):
                    means[m, x] += weight * moments[m, x + shift]
        for x in range(columns):
            total = 0.0
            for c in range(channels):
                i = x * channels + c
                u, v = means[0, i], means[1, i]
                uu, vv, uv = means[2, i] - u * u, means[3, i] - v * v, means[4, i] - u * v
                likeness = (2 * u * v + C1) * (2 * uv + C2)
                total += likeness / ((u * u + v * v + C1) * (uu + vv + C2))
            out[y, x] = total / channels


def has_lpips() -> bool:
    """Whether the optional package `lpips` is installed."""
    return importlib.util.find_spec("lpips") is not None


def lpips(image: Picture, truth: Picture) -> float:
    """The learned perceptual distance (Zhang et al. 2018) by AlexNet's features; 0 is the same.

    Needs the package `lpips`, which brings torchvision and downloads its weights once.
    """
    import torch

    tensors = [
        torch.from_numpy(np.ascontiguousarray(side.transpose(2, 0, 1)[None], dtype=np.float32))
        for side in (image, truth)
    ]
    with torch.no_grad():
        return float(_lpips_network()(*tensors, normalize=True))


class Perceptual:
    """LPIPS of one picture after another, for as long as it can be had.

    Attributes:
        note: why it cannot; None while it can.
    """

    def __init__(self) -> None:
        self.note = None if has_lpips() else "lpips: not installed (pip install lpips)"

    def __call__(self, image: Picture, truth: Picture) -> float | None:
        """The distance; None where `note` says why."""
        if self.note is not None:
            return None
        try:
            return lpips(image, truth)
        except (OSError, RuntimeError, ImportError) as error:  # its weights are downloaded
            reason = str(error).strip().splitlines() or [type(error).__name__]
            self.note = f"lpips: not computed ({reason[0]})"
            return None


@cache
def _lpips_network() -> Any:
    import lpips as package

    return package.LPIPS(net="alex", verbose=False)
