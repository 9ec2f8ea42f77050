"""Between what Gaussians are learned as and what files hold: opacities, colours and sizes.

Bytes stand for [0,1] in steps of 1/255, rounded to the nearest. Letters: n Gaussians.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from polyfield.splats.splats import SH0

SMALLEST = 1e-12
"""Scale of the flattest Gaussian: what a scale of 0 is read as, in units of the scene."""


def opacities(logits: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """[0,1] of logits; 0 and 1 of infinite ones."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-logits))


def opacity_bytes(logits: Float[np.ndarray, "*n"]) -> UInt8[np.ndarray, "*n"]:
    """The nearest byte to each opacity."""
    return to_bytes(opacities(logits))


def opacity_logits(values: UInt8[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """The logit that each byte stands for.

    0 and 255 stand for the middle of the opacities that round to them, half as wide an interval as
    others have: opacities of 0 and 1 would have no logit.
    """
    steps = np.arange(256.0)
    steps[0], steps[255] = 0.25, 254.75
    return np.log(steps / (255 - steps)).astype(np.float32)[values]


def to_bytes(values: Float[np.ndarray, "*n"]) -> UInt8[np.ndarray, "*n"]:
    """The nearest byte to each number of [0,1]; those outside get the nearer end."""
    return np.rint(np.clip(values, 0, 1) * np.float32(255)).astype(np.uint8)


def dc_of_colors(colors: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Constant harmonics of colours in [0,1]."""
    return ((colors - np.float32(0.5)) / np.float32(SH0)).astype(np.float32)


def colors_of_dc(sh_dc: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Colours, not clipped, of constant harmonics."""
    return (sh_dc * np.float32(SH0) + np.float32(0.5)).astype(np.float32)


def log_of_scales(scales: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Logarithms of standard deviations; SMALLEST stands for 0, NaN comes of what is below it."""
    scales = np.asarray(scales, np.float32)
    with np.errstate(invalid="ignore"):
        logs = np.log(np.maximum(scales, np.float32(SMALLEST)))
    return np.where(scales < 0, np.float32(np.nan), logs)


def unit_quats(quats: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
    """Of length 1, or 0 where they were 0; in float64, in which no float32 overflows."""
    wide = quats.astype(np.float64)
    lengths = np.sqrt(np.einsum("ni,ni->n", wide, wide))
    return (wide / np.maximum(lengths, np.finfo(np.float64).tiny)[:, None]).astype(np.float32)
