"""A volume as a signal: `.npy`, `.raw` with its shape told, NRRD.

Axes are those of the array: of NRRD, whose first axis moves fastest, in reverse. A volume may have
a last axis of up to four channels.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from polyfield.datasets.grid import Grid, make_grid
from polyfield.datasets.npy import read_npy
from polyfield.datasets.nrrd import read_nrrd
from polyfield.errors import InputError


def load_volume(
    path: Path,
    shape: Sequence[int] | None = None,
    dtype: str | None = None,
    spacing: Sequence[float] | None = None,
) -> Grid:
    """A volume, [a, b, c] or [a, b, c, k].

    Args:
        path: `.npy`, `.raw`, `.nrrd` or `.nhdr`.
        shape, dtype: of a `.raw`, as numpy writes them (`<u2`); by default those of a sidecar
            `NAME.raw.json` or `NAME.json`.
        spacing: of samples along the axes; by default the file's, else equal.

    Raises:
        InputError: for what is no volume of finite numbers.
    """
    suffix, found = path.suffix.lower(), None
    if suffix == ".raw":
        values = _read_raw(path, shape, dtype)
    elif shape is not None or dtype is not None:
        key = "shape" if shape is not None else "dtype"
        told = shape if shape is not None else dtype
        raise InputError(file=path, field=f"dataset.{key}", found=told, expected="a .raw file")
    elif suffix == ".npy":
        values = read_npy(path)
    else:
        values, found = read_nrrd(path)
    if values.ndim not in (3, 4) or (values.ndim == 4 and not 1 <= values.shape[3] <= 4):
        expected = "[a, b, c], or [a, b, c, 1 to 4]"
        raise InputError(file=path, field="shape", found=list(values.shape), expected=expected)
    values = values[..., None] if values.ndim == 3 else values
    return make_grid("volume", values, path, spacing=spacing or found)


def _read_raw(path: Path, shape: Sequence[int] | None, dtype: str | None) -> np.ndarray:
    told = _sidecar(path) if shape is None or dtype is None else {}
    shape, dtype = shape or told.get("shape"), dtype or told.get("dtype")
    if shape is None or dtype is None:
        missing = "dataset.shape" if shape is None else "dataset.dtype"
        hint = "dataset.shape=[A,B,C] dataset.dtype=uint8, or a sidecar NAME.raw.json with both"
        raise InputError(
            "a .raw file does not say what it holds", file=path, field=missing, hint=hint
        )
    try:
        kind = np.dtype(dtype)
        counts = [int(n) for n in shape]
    except (TypeError, ValueError) as error:
        raise InputError(file=path, field="dataset", found=str(error)) from None
    if kind.kind not in "buif" or not counts or min(counts) < 1:
        found = f"{dtype} {list(counts)}"
        raise InputError(file=path, field="dataset", found=found, expected="numbers, sides above 0")
    there, wanted = path.stat().st_size, math.prod(counts) * kind.itemsize
    if there != wanted:
        expected = f"{wanted} for {kind} {counts}"
        raise InputError(
            file=path, field="dataset.shape", found=f"{there} bytes", expected=expected
        )
    return np.fromfile(path, kind).reshape(counts)


def _sidecar(path: Path) -> dict[str, Any]:
    for file in (path.with_name(f"{path.name}.json"), path.with_suffix(".json")):
        if file.is_file():
            try:
                told = json.loads(file.read_bytes())
            except ValueError as error:
                raise InputError("damaged json", file=file, found=str(error)) from None
            if not isinstance(told, dict):
                raise InputError(file=file, found=type(told).__name__, expected="shape and dtype")
            return told
    return {}
