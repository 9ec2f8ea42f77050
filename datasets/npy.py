"""Numpy files from anyone: no pickle, and nothing allocated before the file is known to hold it.

Source: the description of the format in `numpy.lib.format`.
"""

from __future__ import annotations

import ast
import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from polyfield.errors import InputError

MAGIC = b"\x93NUMPY"
HEADER_LIMIT = 1 << 16
DEFLATE_LIMIT = 1032  # no deflate stream unpacks to more than this many times its size


class _Header(NamedTuple):
    """What the head of an array says, and how many bytes it takes."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    length: int


def read_npy(path: Path) -> np.ndarray:
    """The array of an `.npy` file.

    Raises:
        InputError: for anything but a complete array of numbers or text.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError("cannot be read", file=path, found=reason) from None
    return _parse(data, path, None)


def npy_shape(path: Path) -> tuple[int, ...]:
    """The shape that the header of an `.npy` file states."""
    try:
        with path.open("rb") as file:
            return _header(file.read(HEADER_LIMIT), path, None).shape
    except OSError as error:
        raise InputError("cannot be read", file=path, found=error.strerror or error) from None


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` file by name.

    Raises:
        InputError: as `read_npy`, and for a broken archive.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.file_size > DEFLATE_LIMIT * max(member.compress_size, 1):
                    raise InputError("broken archive", file=path, field=member.filename)
                name = member.filename.removesuffix(".npy")
                arrays[name] = _parse(archive.read(member), path, name)
    except InputError:
        raise
    # The last four: compression that is unknown or encrypted, absurd dates and lengths.
    except (
        *(OSError, zipfile.BadZipFile, zlib.error, EOFError, struct.error),
        *(NotImplementedError, RuntimeError, ValueError, OverflowError),
    ) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError("cannot be read as .npz", file=path, found=reason) from None
    return arrays


def _parse(data: bytes, path: Path, field: str | None) -> np.ndarray:
    header = _header(data, path, field)
    there, count = len(data) - header.length, math.prod(header.shape)
    if count * header.dtype.itemsize != there:
        raise InputError(
            "incomplete array",
            file=path,
            field=field,
            found=f"{there} bytes",
            expected=f"{count * header.dtype.itemsize} for {header.dtype} {list(header.shape)}",
        )
    if count == 0:
        return np.zeros(header.shape, dtype=header.dtype)
    flat = np.frombuffer(data, dtype=header.dtype, count=count, offset=header.length)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


def _header(data: bytes, path: Path, field: str | None) -> _Header:
    """The header at the start of some bytes: magic, version, length, and a literal of Python."""

    def wrong(found: object) -> InputError:
        return InputError("no numpy array", file=path, field=field, found=found)

    layout = struct.Struct("<H") if data[6:7] == b"\1" else struct.Struct("<I")
    start = len(MAGIC) + 2 + layout.size
    if data[: len(MAGIC)] != MAGIC or data[6:7] not in (b"\1", b"\2", b"\3") or len(data) < start:
        raise wrong(data[:8])
    length = start + layout.unpack_from(data, len(MAGIC) + 2)[0]
    if length > min(len(data), HEADER_LIMIT):
        raise wrong("a header that does not end")
    try:
        fields = ast.literal_eval(data[start:length].decode("utf-8"))
        shape, fortran, descr = (fields[key] for key in ("shape", "fortran_order", "descr"))
        if not isinstance(shape, tuple) or not all(type(side) is int for side in shape):
            raise ValueError(f"shape {shape}")
        if not isinstance(descr, str) or min(shape, default=0) < 0 or len(shape) > 8:
            raise ValueError(f"{descr} {shape}")
        dtype = np.dtype(descr)
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError) as error:
        raise wrong(str(error)[:80]) from None
    if dtype.hasobject:
        raise InputError(
            "pickled objects are not read",
            file=path,
            field=field,
            found=dtype,
            expected="numbers or text",
        )
    if dtype.itemsize == 0:
        raise wrong(dtype)
    return _Header(shape, bool(fortran), dtype, length)
