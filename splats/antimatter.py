"""The `.splat` of antimatter15's viewer: 32 bytes a Gaussian, no header, no harmonics.

A record is position and standard deviations in float32, colour and opacity in bytes, and the unit
quaternion w x y z as 128 + 128 q in bytes. Records lie by falling size times opacity, so that what
is loaded first is what is seen first. Letters: n Gaussians.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from jaxtyping import Int

from polyfield.durable import write_file
from polyfield.errors import InputError
from polyfield.splats.activations import (
    colors_of_dc,
    dc_of_colors,
    log_of_scales,
    opacities,
    opacity_bytes,
    opacity_logits,
    to_bytes,
    unit_quats,
)
from polyfield.splats.splats import Splats

RECORD = np.dtype(
    [("means", "<f4", 3), ("scales", "<f4", 3), ("colors", "u1", 4), ("quats", "u1", 4)]
)


def read(path: Path) -> Splats:
    """Read a `.splat` file.

    Raises:
        InputError: for a size that is no number of records, and where most records make no sense.
        OSError: for a file that cannot be read.
    """
    size = os.path.getsize(path)
    if size == 0 or size % RECORD.itemsize:
        expected = f"whole records of {RECORD.itemsize} bytes"
        raise InputError("no .splat file", file=path, found=f"{size:,} bytes", expected=expected)
    records = np.fromfile(path, RECORD)
    sound = np.isfinite(records["means"]).all(1) & (records["scales"] >= 0).all(1)
    if 2 * np.count_nonzero(sound) < len(records):
        found = f"{np.count_nonzero(sound):,} of {len(records):,} records with sizes from 0 on"
        raise InputError("no .splat file", file=path, found=found)
    colors = records["colors"].astype(np.float32) / np.float32(255)
    return Splats(
        means=records["means"],
        quats=(records["quats"].astype(np.float32) - 128) / 128,
        log_scales=log_of_scales(records["scales"]),
        opacity_logits=opacity_logits(records["colors"][:, 3]),
        sh_dc=dc_of_colors(colors[:, :3]),
        sh_rest=np.zeros((len(records), 0, 3), np.float32),
    )


def write(splats: Splats, path: Path) -> None:
    """Write a `.splat` file, the largest and most opaque Gaussians first; not atomic by itself.

    Args:
        splats: finite values, of which harmonics beyond the first are left out.
        path: the file.

    Raises:
        OSError: for a file that cannot be written.
    """
    order = order_of_loading(splats)
    records = np.empty(len(splats), RECORD)
    records["means"] = splats.means[order]
    records["scales"] = np.exp(splats.log_scales[order])
    records["colors"][:, :3] = to_bytes(colors_of_dc(splats.sh_dc[order]))
    records["colors"][:, 3] = opacity_bytes(splats.opacity_logits[order])
    levels = np.rint(unit_quats(splats.quats[order]) * np.float32(128)) + 128
    records["quats"] = np.clip(levels, 0, 255).astype(np.uint8)
    write_file(path, [records.tobytes()])


def order_of_loading(splats: Splats) -> Int[np.ndarray, " n"]:
    """Indices by falling size times opacity."""
    with np.errstate(divide="ignore"):
        weights = splats.log_scales.sum(axis=1) + np.log(opacities(splats.opacity_logits))
    return np.argsort(-weights, kind="stable")
