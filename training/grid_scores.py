"""What was learned of a grid against the truth: scores as plain data, pictures as files.

Letters: n_1 ... n_d samples, k channels, h, w pixels. Values are scaled: 0 is the data's `low`, 1
its `high`, so that the peak of a PSNR is what the type holds, of floats their range.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from torch import from_numpy

from polyfield.datasets.grid import Grid
from polyfield.renderers.pictures import Picture, error_picture, picture, write_picture
from polyfield.training import metrics

SLICES = 4  # pictures of a volume


def score_grid(
    grid: Grid,
    values: Float[np.ndarray, "*n k"],
    held: Bool[np.ndarray, "*n"] | None = None,
    out: Path | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """Score what was learned.

    Args:
        grid: the truth.
        values: what was learned, scaled.
        held: what was held out; None for nothing.
        out: a folder for pictures, truth | fit | error; None for none.
        limit: of how many pictures; None for all.

    Returns:
        "psnr" over all samples, "psnr_held_out", "snr" of sounds, "ssim" of pictures; the rows of
        each picture, and "resolution", "protocol" and "notes" on what was left out.
    """
    truth = grid.scaled(from_numpy(grid.values.astype(np.float32))).numpy()
    error = (values - truth).astype(np.float64) ** 2
    mask = np.ones(grid.counts, bool) if grid.mask is None else grid.mask
    scores: dict[str, Any] = {"psnr": decibels(error[mask])}
    parts, notes = [f"all {int(mask.sum()):,} samples"], []
    if scores["psnr"] is None:
        notes.append("psnr: equal to the data")
    if held is not None:
        held = held & mask
        scores["psnr_held_out"] = decibels(error[held]) if held.any() else None
        parts.append(f"{int(held.sum()):,} of them held out of training")
    if grid.kind == "audio":
        power = float(np.mean((truth - truth.mean(axis=0)).astype(np.float64) ** 2))
        scores["snr"] = 10 * math.log10(power / error.mean()) if power and error.any() else None
    rows = []
    for name, index in _pictures(grid, limit):
        part = None if grid.mask is None else grid.mask
        rows.append(_row(name, values[index], truth[index], part))
        if out is not None:
            _write(out / f"{name}.png", truth[index], values[index], part)
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


def decibels(error: Float[np.ndarray, "..."]) -> float | None:
    """The PSNR of squared errors at a peak of 1; None where all are 0."""
    mean = float(error.mean()) if error.size else 0.0
    return -10 * math.log10(mean) if mean > 0 else None


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
    ssim: float | None = None
    if min(truth.shape[:2]) >= metrics.SMALLEST:
        ssim = metrics.ssim(np.clip(values, 0, 1), np.ascontiguousarray(truth), mask)
        ssim = None if math.isnan(ssim) else ssim
    return {"name": name, "psnr": decibels(error if mask is None else error[mask]), "ssim": ssim}


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
