"""What verbs that write Gaussians say of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polyfield.commands.text import size

if TYPE_CHECKING:
    from polyfield.splats import Splats


def file_line(file: Path, splats: Splats) -> str:
    """`scene.ply: 1,000 Gaussians of degree 3, 248 kB, 248.0 bytes each`."""
    n_bytes = file.stat().st_size
    each = n_bytes / max(len(splats), 1)
    return f"{file}: {count_line(splats)}, {size(n_bytes)}, {each:.1f} bytes each"


def count_line(splats: Splats) -> str:
    """`1,000 Gaussians of degree 3`."""
    return f"{len(splats):,} Gaussians of degree {splats.degree}"
