"""PlayCanvas' .sog: Gaussians as pixels of pictures. Versions 1 and 2 are read, 2 is written.

Letters: n Gaussians, k harmonics beyond the first, p entries of a palette.

A pixel, row by row, is a Gaussian (playcanvas/splat-transform). Centres are 16 bits an axis, in two
pictures, between the least and greatest of sign(x) log(1 + |x|); rotations the three smallest
components in eight bits each and in alpha which is missing, 252 for w; log scales and colours are
entries of codebooks of 256 numbers, opacity eight bits in the alpha of colour; the harmonics are
one of up to 65536 entries of a palette, a picture of 64 entries a row, k pixels each, whose numbers
are entries of a third codebook. Version 1 has no codebooks but a least and a greatest value.

The frame is RDF.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from polyfield.errors import InputError
from polyfield.splats.activations import opacity_bytes, opacity_logits
from polyfield.splats.codebooks import scalar_codebook, vector_codebook
from polyfield.splats.morton import morton_order
from polyfield.splats.sog_archive import SIDE, Archive, webp, write_archive
from polyfield.splats.sog_pixels import (
    FIRST_TAG,
    pack_means,
    pack_quats,
    picture,
    unpack_means,
    unpack_quats,
)
from polyfield.splats.splats import HARMONICS, Splats
from polyfield.version import __version__

ENTRIES = 256  # of a codebook
PALETTE_ROW = 64
MOST_PALETTE = 1 << 16
MOST_A_BYTE = 1024  # Gaussians in one byte of a file; a count beyond that is not believed
MOST_HARMONIC = 1e6  # distances between what is larger overflow
MOST_WIDE = float(np.log(np.finfo(np.float32).max)) + 1e-9  # logarithm of a coordinate


def read(path: Path) -> Splats:
    """Gaussians in RDF, in the order of the file.

    Raises:
        InputError: for a file that is damaged or of another kind.
        OSError: for one that cannot be read.
    """
    with Archive(path) as archive:
        meta = archive.description()
        version = meta.get("version", 1)
        if version not in (1, 2) or isinstance(version, (bool, float)):
            raise archive.error("meta.json: version", version, "1 or 2")
        means = archive.part(meta, "means")
        shape = means.get("shape") if version == 1 else None
        count = shape[0] if isinstance(shape, list) and shape else meta.get("count")
        n = archive.count(count, "count")
        if n > MOST_A_BYTE * archive.size:
            raise archive.error("meta.json: count", n, f"fewer in {archive.size} bytes")
        areas = range(n, 4 * n + (1 << 16))
        low, high = (p.reshape(-1, 4)[:n] for p in archive.pictures(means, "means", [areas] * 2))
        quats = archive.pictures(archive.part(meta, "quats"), "quats", [areas])[0]
        rotations, tags = quats.reshape(-1, 4)[:n], quats.reshape(-1, 4)[:n, 3]
        if tags.min() < FIRST_TAG:
            raise archive.error("quats: alpha", tags.min(), f"{FIRST_TAG} to 255")
        scales = archive.part(meta, "scales")
        scale_pixels = archive.pictures(scales, "scales", [areas])[0].reshape(-1, 4)[:n]
        sh0 = archive.part(meta, "sh0")
        sh0_pixels = archive.pictures(sh0, "sh0", [areas])[0].reshape(-1, 4)[:n]
        if version == 1:
            log_scales = _between(archive, scales, "scales", scale_pixels[:, :3])
            colors = _between(archive, sh0, "sh0", sh0_pixels)
            sh_dc, logits = colors[:, :3], colors[:, 3]
        else:
            log_scales = _looked_up(archive, scales, "scales", scale_pixels[:, :3])
            sh_dc = _looked_up(archive, sh0, "sh0", sh0_pixels[:, :3])
            logits = opacity_logits(sh0_pixels[:, 3])
        least = archive.numbers(means, "mins", range(3, 4), "means", MOST_WIDE)
        greatest = archive.numbers(means, "maxs", range(3, 4), "means", MOST_WIDE)
        return Splats(
            means=unpack_means(low, high, least, greatest),
            quats=unpack_quats(rotations),
            log_scales=log_scales,
            opacity_logits=logits,
            sh_dc=sh_dc,
            sh_rest=_harmonics(archive, meta, n, areas, version),
            antialiased=meta.get("model") == "antialiased",
        )


def write(splats: Splats, path: Path) -> None:
    """Write version 2, Gaussians in Morton order; not atomic by itself.

    Args:
        splats: finite values.
        path: the file.

    Raises:
        InputError: for too many Gaussians.
        OSError: for a file that cannot be written.
    """
    n = len(splats)
    width = 4 * math.ceil(math.sqrt(n) / 4)
    height = 4 * math.ceil(n / width / 4)
    if max(width, height) > SIDE:
        raise InputError(file=path, found=f"{n} Gaussians", expected="at most 268 million")
    order = morton_order(splats.means)
    low, high, least, greatest = pack_means(splats.means[order])
    scale_codes, scales = scalar_codebook(splats.log_scales[order], ENTRIES)
    color_codes, colors = scalar_codebook(splats.sh_dc[order], ENTRIES)
    opacities = opacity_bytes(splats.opacity_logits[order])
    pictures = {
        "means_l.webp": picture(low, height, width),
        "means_u.webp": picture(high, height, width),
        "quats.webp": picture(pack_quats(splats.quats[order]), height, width),
        "scales.webp": picture(scales.astype(np.uint8), height, width),
        "sh0.webp": picture(np.column_stack([colors, opacities]).astype(np.uint8), height, width),
    }
    meta: dict[str, Any] = {
        "version": 2,
        "asset": {"generator": f"polyfield {__version__}"},
        "count": n,
        **({"model": "antialiased"} if splats.antialiased else {}),
        "means": {
            "mins": least.tolist(),
            "maxs": greatest.tolist(),
            "files": ["means_l.webp", "means_u.webp"],
        },
        "scales": {"codebook": scale_codes.tolist(), "files": ["scales.webp"]},
        "quats": {"files": ["quats.webp"]},
        "sh0": {"codebook": color_codes.tolist(), "files": ["sh0.webp"]},
    }
    if splats.degree:
        rest = np.clip(splats.sh_rest[order], -MOST_HARMONIC, MOST_HARMONIC)
        codes, palette, labels = _palette(rest)
        names = ["shN_centroids.webp", "shN_labels.webp"]
        entries, k = len(palette), splats.sh_rest.shape[1]
        rows = math.ceil(entries / PALETTE_ROW)
        pictures[names[0]] = picture(palette.reshape(-1, 3), rows, PALETTE_ROW * k)
        pictures[names[1]] = picture(labels, height, width)
        meta["shN"] = {"count": entries, "bands": splats.degree, "codebook": codes, "files": names}
    with ThreadPoolExecutor() as pool:
        packed = dict(zip(pictures, pool.map(webp, pictures.values())))
    write_archive(path, meta, packed)


def _palette(
    sh_rest: Float[np.ndarray, "n k 3"],
) -> tuple[list[float], UInt8[np.ndarray, "p k 3"], UInt8[np.ndarray, "n 3"]]:
    """Codebook, palette as entries of it, and which of the palette each Gaussian has, as pixels."""
    n, k, _ = sh_rest.shape
    size = min(MOST_PALETTE, 1 << (n.bit_length() - 1))
    vectors, labels = vector_codebook(sh_rest.reshape(n, 3 * k), size)
    codes, palette = scalar_codebook(vectors.reshape(-1, k, 3), ENTRIES)
    pixels = np.column_stack([labels & 255, labels >> 8, np.zeros_like(labels)])
    return codes.tolist(), palette.astype(np.uint8), pixels.astype(np.uint8)


def _between(
    archive: Archive, part: dict[str, Any], name: str, pixels: UInt8[np.ndarray, "n c"]
) -> Float[np.ndarray, "n c"]:
    """Version 1: from a least to a greatest value, for each channel."""
    channels = range(pixels.shape[1], pixels.shape[1] + 1)
    least = archive.numbers(part, "mins", channels, name)
    greatest = archive.numbers(part, "maxs", channels, name)
    return (least + (greatest - least) * (pixels / 255)).astype(np.float32)


def _looked_up(
    archive: Archive, part: dict[str, Any], name: str, pixels: UInt8[np.ndarray, "n c"]
) -> Float[np.ndarray, "n c"]:
    """Version 2: entries of a codebook."""
    codes = archive.numbers(part, "codebook", range(1, ENTRIES + 1), name)
    if pixels.max() >= len(codes):
        raise archive.error(f"{name}: codebook", f"entry {pixels.max()}", f"{len(codes)} of them")
    return codes.astype(np.float32)[pixels]


def _harmonics(
    archive: Archive, meta: dict[str, Any], n: int, areas: range, version: int
) -> Float[np.ndarray, "n k 3"]:
    """Through the palette; none if the file has none."""
    if "shN" not in meta:
        return np.zeros((n, 0, 3), np.float32)
    part = archive.part(meta, "shN")
    palette_areas = range(PALETTE_ROW, MOST_PALETTE * HARMONICS[-1] + 1)
    picture_, label_pixels = archive.pictures(part, "shN", [palette_areas, areas])
    widths = {PALETTE_ROW * k: k for k in HARMONICS[1:]}
    k = widths.get(picture_.shape[1], 0)
    bands = part.get("bands", HARMONICS.index(k)) if version == 2 else HARMONICS.index(k)
    if k == 0 or bands != HARMONICS.index(k):
        found = f"{bands} bands in {picture_.shape[1]} pixels a row"
        raise archive.error("shN: bands", found, f"1 to 3 in one of {[*widths]}")
    pixels = label_pixels.reshape(-1, 4)[:n].astype(np.int64)
    labels = pixels[:, 0] | pixels[:, 1] << 8
    entries = picture_.shape[0] * PALETTE_ROW
    if version == 2:
        entries = min(entries, archive.count(part.get("count", entries), "shN.count"))
    if labels.max() >= entries:
        raise archive.error("shN: labels", labels.max(), f"below {entries}")
    palette = picture_.reshape(-1, k, 4)[:entries, :, :3]
    if version == 2:
        values = _looked_up(archive, part, "shN", palette)
    else:
        one = range(1, 2)
        least = archive.numbers(part, "mins", one, "shN")
        greatest = archive.numbers(part, "maxs", one, "shN")
        values = (least + (greatest - least) * (palette / 255)).astype(np.float32)
    return values[labels]
