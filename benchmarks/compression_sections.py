"""Sections of RESULTS.md on files of Gaussians: sizes and scores."""

from __future__ import annotations

from polyfield.benchmarks.book import Book
from polyfield.benchmarks.sections import Rows, Section

PREFIX = "splat-compression-"


def compression_rows(book: Book) -> Rows:
    """Files of each scene, against its PLY."""
    for name in book.names(PREFIX):
        scene, values = name.removeprefix(PREFIX), book.values(name)
        if values is None:
            yield [scene, book.missing(name)]
            continue
        whole = values["files"][".ply"]["bytes"]
        for file, found in values["files"].items():
            yield [
                f"{scene}, {file}",
                f"{found['gaussians']:,}",
                f"{found['bytes'] / 1000:,.0f}",
                f"{whole / found['bytes']:.1f}",
                f"{found['psnr']:.2f}",
                f"{found['psnr'] - values['psnr']:+.2f}",
                f"{found['seconds']:.1f}",
            ]


COMPRESSION = Section(
    "Gaussians in small files",
    "One scene in files of all kinds: PSNR is of held-out views of what is read back. What each "
    "part of .ngs is for is what is lost without it: training on after pruning, tuning on photos, "
    "residuals beside networks (networks alone lack them), importance weights, clusters (against "
    "one network of about as many parameters).",
    ("", "Gaussians", "kB", "times smaller than the PLY", "PSNR, dB", "change, dB", "seconds"),
    compression_rows,
)
SECTIONS = (COMPRESSION,)
