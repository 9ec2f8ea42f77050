"""Numpy files from anyone: no pickle, and nothing allocated before the file is known to hold it."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from polyfield.errors import InputError

DEFLATE_LIMIT = 1032  # no deflate stream unpacks to more than this many times its size

BAD_HEADER = (ValueError, TypeError, SyntaxError, EOFError, KeyError, RecursionError, MemoryError)


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
            return _header(file)[0]
    except OSError as error:
        raise InputError("cannot be read", file=path, found=error.strerror or error) from None
    except BAD_HEADER as error:
        raise InputError("no numpy array", file=path, found=error) from None


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
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError("cannot be read as .npz", file=path, found=reason) from None
    except (NotImplementedError, RuntimeError, ValueError, MemoryError, OverflowError) as error:
        # an unknown or encrypted compression, an absurd date or length in a mutated archive
        raise InputError("cannot be read as .npz", file=path, found=error) from None
    return arrays


def _parse(data: bytes, path: Path, field: str | None) -> np.ndarray:
    stream = io.BytesIO(data)
    try:
        shape, fortran, dtype = _header(stream)
    except BAD_HEADER as error:
        raise InputError("no numpy array", file=path, field=field, found=error) from None
    if dtype.hasobject:
        raise InputError(
            "pickled objects are not read",
            file=path,
            field=field,
            found=dtype,
            expected="numbers or text",
        )
    there = len(data) - stream.tell()
    needed = math.prod(shape) * dtype.itemsize
    if needed != there or min(shape, default=0) < 0:
        raise InputError(
            "incomplete array",
            file=path,
            field=field,
            found=f"{there} bytes",
            expected=f"{needed} for {dtype} {list(shape)}",
        )
    flat = np.frombuffer(data, dtype=dtype, count=math.prod(shape), offset=stream.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def _header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = npy_format.read_magic(stream)
    if version == (1, 0):
        return npy_format.read_array_header_1_0(stream)
    if version == (2, 0):
        return npy_format.read_array_header_2_0(stream)
    raise ValueError(f"version {version} of the .npy format")
