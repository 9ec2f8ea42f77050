"""Gaussians that no renderer can use, and those that none would show, left out.

Letters: n Gaussians.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from polyfield.errors import InputError
from polyfield.splats.activations import SMALLEST, unit_quats
from polyfield.splats.splats import HARMONICS, Splats

TRANSPARENT = float(np.log(1 / 254)) - 1e-3
"""Logit of opacity 1/255, less what rounding does to it: renderers skip what is below."""

SURE = 16.0  # logit of what is as good as 0 or 1 in float32
SHORTEST, LONGEST = 1e-12, 1e14  # of a quaternion; beyond, renderers take it for none
LARGEST_LOG_SCALE = 80.0  # float32 holds its exponential
BLOCK = 4096  # Gaussians

ATTRIBUTES = ("means", "quats", "log_scales", "opacity_logits", "sh_dc", "sh_rest")


class Cleaned(NamedTuple):
    """What is left, and what is not.

    Attributes:
        splats: every value finite, every quaternion longer than 0.
        dropped: how many Gaussians by reason; reasons without any are left out.
    """

    splats: Splats
    dropped: dict[str, int]


def clean(splats: Splats, transparent: bool = False) -> Cleaned:
    """Drop Gaussians that are not finite or have no rotation.

    An infinite logit means an opacity of 0 or 1, a log-scale of minus infinity a flat Gaussian:
    other programs write them, and they become finite here; quaternions that are too long for
    renderers get a length of 1.

    Args:
        splats: as read.
        transparent: whether to drop what has an opacity below 1/255 too, which is never seen.
    """
    splats = _mended(splats)
    kept = np.ones(len(splats), bool)
    dropped = {}
    reasons = {"not finite": _not_finite(splats), "without rotation": _unrotated(splats)}
    if transparent:
        reasons["nearly transparent"] = splats.opacity_logits < TRANSPARENT
    for reason, of in reasons.items():
        count = np.count_nonzero(of & kept)
        if count:
            dropped[reason] = int(count)
        kept &= ~of
    return Cleaned(splats if kept.all() else selected(splats, kept), dropped)


def any_sound(splats: Splats) -> bool:
    """Whether `clean` would leave any; the first that it would is as far as this looks."""
    starts = range(0, len(splats), BLOCK)
    parts = (selected(splats, slice(start, start + BLOCK)) for start in starts)
    return any(len(clean(part).splats) for part in parts)


def selected(splats: Splats, kept: Bool[np.ndarray, " n"] | slice) -> Splats:
    """Some Gaussians, in the order that they are in."""
    arrays: Any = {name: getattr(splats, name)[kept] for name in ATTRIBUTES}
    return replace(splats, **arrays)


def cut_degree(splats: Splats, degree: int) -> Splats:
    """Without harmonics of more than a degree.

    Raises:
        InputError: for a degree other than 0 to 3.
    """
    return replace(splats, sh_rest=splats.sh_rest[:, : HARMONICS[checked_degree(degree)]])


def checked_degree(degree: int) -> int:
    """A degree of harmonics, if it is one that files hold.

    Raises:
        InputError: for any but 0 to 3.
    """
    if degree not in range(len(HARMONICS)):
        raise InputError(field="degree", found=degree, expected="0, 1, 2 or 3")
    return degree


def _mended(splats: Splats) -> Splats:
    logits, scales, quats = splats.opacity_logits, splats.log_scales, splats.quats
    changed: dict[str, Any] = {}
    if np.isinf(logits).any():
        changed["opacity_logits"] = np.where(np.isinf(logits), np.sign(logits) * SURE, logits)
    if np.isneginf(scales).any():
        changed["log_scales"] = np.where(np.isneginf(scales), np.log(SMALLEST), scales)
    lengths = np.abs(quats).max(axis=1, initial=0)
    long = (lengths > LONGEST) & np.isfinite(lengths)
    if long.any():
        changed["quats"] = quats.copy()
        changed["quats"][long] = unit_quats(quats[long])
    return replace(splats, **changed) if changed else splats


def _not_finite(splats: Splats) -> Bool[np.ndarray, " n"]:
    bad = splats.log_scales.max(axis=1, initial=-np.inf) > LARGEST_LOG_SCALE
    for name in ATTRIBUTES:
        values = getattr(splats, name)
        bad |= ~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    return bad


def _unrotated(splats: Splats) -> Bool[np.ndarray, " n"]:
    return np.abs(splats.quats).max(axis=1, initial=0) < SHORTEST
