"""A page of Gaussians: 19 bytes each before gzip, and a palette of what colours are by direction.

Centres have 16 bits an axis within a chunk of 256 neighbours; rotations are the three smaller
components of the quaternion in ten bits each behind the place of the largest; scales and colours
are entries of codebooks of 256 numbers, opacity is a byte. Harmonics are one of the entries of a
palette, whose numbers are entries of a codebook, as in `splats.sog`.

Letters: n Gaussians, k harmonics beyond the first, p entries of the palette, m chunks.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt16, UInt32

from polyfield.errors import InputError
from polyfield.export.splats import dropped_line
from polyfield.export.web.page import Look, check_page, write_page
from polyfield.splats import Splats
from polyfield.splats.activations import opacity_bytes
from polyfield.splats.cleaning import Cleaned, clean, cut_degree, selected
from polyfield.splats.codebooks import scalar_codebook, vector_codebook
from polyfield.splats.extent import robust_sphere
from polyfield.splats.morton import morton_order
from polyfield.splats.smallest_three import smallest_three
from polyfield.splats.splats import SH0

CHUNK = 256
ENTRIES = 256  # of a codebook
LEAST_PALETTE, MOST_PALETTE = 4096, 1 << 16
PALETTE_ROW = 1024  # texels
STEPS = 65535  # of a centre within its chunk
MOST_HARMONIC = 1e6  # distances between what is larger overflow


def splats_page(
    splats: Splats,
    look: Look,
    out: str | os.PathLike[str],
    *,
    degree: int | None = None,
    keep_transparent: bool = False,
    overwrite: bool = False,
    source: Path | None = None,
) -> Cleaned:
    """Write a page of those Gaussians that are of use.

    Args:
        splats: any, also such as are not finite.
        look: cameras and the rest, in their frame.
        out: ends in .html.
        degree: the highest of the harmonics to keep; None for all.
        keep_transparent: whether to keep what is never seen.
        overwrite: whether a file that is there is replaced.
        source: where they come from, for messages.

    Returns:
        what was written, and how many were left out for which reason.

    Raises:
        InputError: as `check_page`, and where no Gaussian is left.
        OSError: for a file that cannot be written.
    """
    check_page(Path(out), overwrite)
    kept, dropped = clean(splats, transparent=not keep_transparent)
    if not len(kept):
        raise InputError("no Gaussian is left", file=source, found=dropped_line(dropped))
    written = kept if degree is None else cut_degree(kept, degree)
    center, radius = robust_sphere(written)
    scene, arrays = packed_splats(written)
    write_page(out, look, scene, arrays, center, radius)
    return Cleaned(written, dropped)


def packed_splats(splats: Splats) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What the scripts of a page are told of Gaussians, and the arrays, in Morton order."""
    splats = selected(splats, morton_order(splats.means))
    n, k = len(splats), splats.sh_rest.shape[1]
    steps, ranges = packed_centers(splats.means)
    scale_codes, scales = scalar_codebook(splats.log_scales.T, ENTRIES)
    color_codes, colors = scalar_codebook(splats.sh_dc.T * np.float32(SH0), ENTRIES)
    arrays = {
        "centers": steps,
        "ranges": ranges,
        "quats": packed_quats(splats.quats),
        "scales": scales.astype(np.uint8),
        "scale_codes": np.exp(scale_codes),
        "opacities": opacity_bytes(splats.opacity_logits),
        "colors": colors.astype(np.uint8),
        "color_codes": color_codes,
    }
    entries = 0
    if k:
        rest = np.clip(splats.sh_rest, -MOST_HARMONIC, MOST_HARMONIC).reshape(n, 3 * k)
        vectors, labels = vector_codebook(rest, palette_size(n))
        codes, palette = scalar_codebook(vectors, ENTRIES)
        arrays |= {
            "labels": labels.astype(np.uint16),
            "palette": palette.astype(np.uint8),
            "harmonic_codes": codes,
        }
        entries = len(vectors)
    scene = {
        "kind": "splats",
        "said": f"{n:,} Gaussians",
        "count": n,
        "chunk": CHUNK,
        "harmonics": k,
        "palette": entries,
        "palette_row": PALETTE_ROW,
        "antialiased": splats.antialiased,
    }
    return scene, arrays


def packed_centers(
    means: Float[np.ndarray, "n 3"],
) -> tuple[UInt16[np.ndarray, "3 n"], Float[np.ndarray, "m 6"]]:
    """Steps of each axis, and by chunk what 0 stands for and how far the last step is from it."""
    starts = np.arange(0, len(means), CHUNK)
    low = np.minimum.reduceat(means, starts)
    span = np.maximum.reduceat(means, starts).astype(np.float64) - low
    of = np.arange(len(means)) // CHUNK
    shares = (means - low[of].astype(np.float64)) / np.where(span > 0, span, 1)[of]
    ranges = np.concatenate([low, span], axis=1).astype(np.float32)
    return np.rint(shares * STEPS).T.astype(np.uint16), ranges


def packed_quats(quats: Float[np.ndarray, "n 4"]) -> UInt32[np.ndarray, " n"]:
    """Ten bits for each of the three smaller components, two for the place of the largest."""
    place, others = smallest_three(quats)
    tenths = np.rint((others * np.sqrt(0.5) + 0.5) * 1023).clip(0, 1023).astype(np.uint32)
    words = tenths[:, 0] | (tenths[:, 1] << 10) | (tenths[:, 2] << 20)
    return words | (place.astype(np.uint32) << 30)


def palette_size(n: int) -> int:
    """An entry for every 8 to 16 Gaussians, but not below 4,096 or above 65,536."""
    return min(MOST_PALETTE, max(LEAST_PALETTE, 1 << max(n.bit_length() - 4, 0)))
