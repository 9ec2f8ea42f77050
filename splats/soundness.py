"""What every reader and writer holds Gaussians to: finite numbers and rotations that are some."""

from __future__ import annotations

from os import PathLike

import numpy as np

from polyfield.errors import InputError
from polyfield.splats.splats import Splats

FIELDS = ("means", "quats", "log_scales", "opacity_logits", "sh_dc", "sh_rest")

MOST_EXPANSION = 1024
"""Bytes that one byte of a file may stand for: what a header claims beyond that is not believed.

Deflate cannot do more; the library of .spz draws the line there too."""


def require_sound(splats: Splats, file: str | PathLike[str]) -> Splats:
    """The same Gaussians.

    Raises:
        InputError: naming file and field, for none at all, for NaN or infinite values and for
            quaternions of length zero.
    """
    if len(splats) == 0:
        raise InputError(file=file, found="no Gaussian", expected="at least one")
    for name in FIELDS:
        values = getattr(splats, name)
        # A sum is finite only if all are; it costs a fraction of looking at each.
        if values.size and not np.isfinite(values.sum(dtype=np.float64)):
            rows = int((~np.isfinite(values.reshape(len(splats), -1)).all(axis=1)).sum())
            raise InputError(
                file=file,
                field=name,
                found=f"NaN or infinite values in {rows} of {len(splats)} Gaussians",
                expected="finite numbers",
            )
    lengths = np.einsum("nc,nc->n", splats.quats, splats.quats, dtype=np.float64)
    if not lengths.all():
        raise InputError(
            file=file,
            field="quats",
            found=f"length 0 in {int((lengths == 0).sum())} of {len(splats)} Gaussians",
            expected="quaternions of any other length",
        )
    return splats
