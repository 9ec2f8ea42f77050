"""What was learned of a grid against the truth: scores as plain data, pictures as files.

Letters: n_1 ... n_d samples, k channels, h, w pixels. Values are scaled: 0 is the data's `low`, 1
its `high`, so that the peak of a PSNR is what the type holds, of floats their range.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, from_numpy

from polyfield.datasets.grid import Grid
from polyfield.renderers.pictures import Picture, error_picture, picture, write_picture
from polyfield.training import metrics

SLICES = 4  # pictures of a volume
CHUNK = 1 << 20  # samples that are compared at a time

HeldOut = Callable[[Int64[Tensor, " n"]], Bool[Tensor, " n"]]


def score_grid(
    grid: Grid,
    values: Float[np.ndarray, "*n k"],
    held_out: HeldOut | None = None,
    out: Path | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """Score what was learned.

    Args:
        grid: the truth.
        values: what was learned, scaled.
        held_out: which samples were, by their numbers; None for none.
        out: a folder for pictures, truth | fit | error; None for none.
        limit: of how many pictures; None for all.

    Returns:
        "psnr" over all samples, "psnr_held_out", "snr" of sounds, "ssim" of pictures; the rows of
        each picture, and "resolution", "protocol" and "notes" on what was left out.
    """
    everything, held = _errors(grid, values, held_out)
    scores: dict[str, Any] = {"psnr": decibels(everything.mean)}
    parts, notes = [f"all {everything.n // grid.channels:,} samples"], []
    if scores["psnr"] is None:
        notes.append("psnr: equal to the data")
    if held_out is not None:
        scores["psnr_held_out"] = decibels(held.mean)
        parts.append(f"{held.n // grid.channels:,} of them held out of training")
    if grid.kind == "audio":
        power, error = _power(grid), everything.mean
        scores["snr"] = 10 * math.log10(power / error) if power > 0 and error > 0 else None
    rows = []
    for name, index in _pictures(grid, limit):
        truth = _scaled(grid, grid.values[index])
        rows.append(_row(name, values[index], truth, grid.mask))
        if out is not None:
            _write(out / f"{name}.png", truth, values[index], grid.mask)
    if rows:
        known = [row["ssim"] for row in rows if row["ssim"] is not None]
        scores["ssim"] = float(np.mean(known)) if known else None
        if not known:
            notes.append(f"ssim: below {metrics.SMALLEST} pixels, left out")
        if grid.d > 2:
            scores["frames" if grid.kind == "video" else "slices"] = rows
    if grid.mask is not None:
        parts.append("within the inscribed disc")
    resolution = list(grid.counts[::-1] if grid.kind == "image" else grid.counts)
    return {**scores, "resolution": resolution, "protocol": "; ".join(parts), "notes": notes}


def chunks(n: int) -> Iterator[slice]:
    """Samples 0 to n, so many at a time that what is computed of them is small."""
    return (slice(i, min(i + CHUNK, n)) for i in range(0, n, CHUNK))


def decibels(error: float) -> float | None:
    """The PSNR of a mean squared error at a peak of 1; None where it is 0."""
    return -10 * math.log10(error) if error > 0 else None


class _Sum(NamedTuple):
    """The sum of n squared numbers."""

    total: float = 0.0
    n: int = 0

    @property
    def mean(self) -> float:
        return self.total / self.n if self.n else 0.0

    def plus(self, numbers: np.ndarray) -> _Sum:
        return _Sum(self.total + float((numbers**2).sum()), self.n + numbers.size)


def _scaled(grid: Grid, values: np.ndarray) -> Float[np.ndarray, "..."]:
    return grid.scaled(from_numpy(values.astype(np.float32))).numpy()


def _errors(grid: Grid, values: np.ndarray, held_out: HeldOut | None) -> tuple[_Sum, _Sum]:
    """Squared errors of the samples that count, and of those that were held out."""
    true, found = (x.reshape(-1, grid.channels) for x in (grid.values, values))
    mask = None if grid.mask is None else grid.mask.reshape(-1)
    everything = held = _Sum()
    for part in chunks(grid.size):
        error = (found[part] - _scaled(grid, true[part])).astype(np.float64)
        count = np.ones(len(error), bool) if mask is None else mask[part]
        everything = everything.plus(error[count])
        if held_out is not None:
            count = count & held_out(torch.arange(part.start, part.stop)).numpy()
            held = held.plus(error[count])
    return everything, held


def _power(grid: Grid) -> float:
    """The mean square of a sound about its mean."""
    means = grid.values.mean(axis=0, dtype=np.float64)
    power = _Sum()
    for part in chunks(grid.size):
        power = power.plus(grid.values[part] - means)
    return power.mean / (grid.high - grid.low) ** 2


def _pictures(grid: Grid, limit: int | None) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names of the pictures that are in a grid, and where in it they lie."""
    if grid.d == 2:
        yield "image", ()
    elif grid.d == 3:
        n, is_video = grid.counts[0], grid.kind == "video"
        most = min(n if is_video else SLICES, n, limit or n)
        for i in sorted({(2 * part + 1) * n // (2 * most) for part in range(most)}):
            yield f"{'frame' if is_video else 'slice'}_{i:04d}", (i,)


def _row(
    name: str, values: np.ndarray, truth: np.ndarray, mask: np.ndarray | None
) -> dict[str, Any]:
    error = (values - truth).astype(np.float64) ** 2
    psnr = decibels(float((error if mask is None else error[mask]).mean()))
    ssim: float | None = None
    if min(truth.shape[:2]) >= metrics.SMALLEST:
        ssim = metrics.ssim(np.clip(values, 0, 1), np.ascontiguousarray(truth), mask)
        ssim = None if math.isnan(ssim) else ssim
    return {"name": name, "psnr": psnr, "ssim": ssim}


def _write(file: Path, truth: np.ndarray, values: np.ndarray, mask: np.ndarray | None) -> None:
    sides = [shown(truth, mask), shown(values, mask)]
    write_picture(file, np.concatenate([*sides, error_picture(sides[0], sides[1])], axis=1))


def shown(values: Float[np.ndarray, "h w k"], mask: np.ndarray | None = None) -> Picture:
    """Scaled values as a picture: grey, colour, alpha on white, black where nothing counts."""
    k = values.shape[-1]
    colors = values[..., : 3 if k >= 3 else 1]
    if k in (2, 4):
        cover = np.clip(values[..., -1:], 0, 1)
        colors = colors * cover + (1 - cover)
    colors = np.broadcast_to(colors, (*colors.shape[:2], 3))
    return picture(colors if mask is None else np.where(mask[..., None], colors, 0.0))
