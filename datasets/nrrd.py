"""NRRD volumes: raw and gzip encodings, attached or beside the header.

Source: the definition of the format, https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import math
import re
import zlib
from pathlib import Path

import numpy as np

from polyfield.datasets.npy import DEFLATE_LIMIT
from polyfield.errors import InputError

HEADER_LIMIT = 1 << 20
TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
CODES = {name: code for code, names in TYPES.items() for name in names}


def read_nrrd(path: Path) -> tuple[np.ndarray, list[float] | None]:
    """The array of a file, slowest axis first and channels last, and the spacing of its samples.

    Raises:
        InputError: for what is no NRRD, or one of an encoding that is not read.
    """
    data = path.read_bytes()
    fields, start = _header(data, path)
    sizes = _numbers(fields, "sizes", path, int)
    code = CODES.get(fields.get("type", "").lower())
    if code is None:
        found, expected = fields.get("type", "nothing"), "a type of whole numbers or floats"
        raise InputError(file=path, field="type", found=found, expected=expected)
    if fields.get("dimension") != str(len(sizes)) or min(sizes, default=0) < 1:
        raise InputError(file=path, field="sizes", found=sizes, expected="one for each dimension")
    order = "<" if fields.get("endian", "little") == "little" else ">"
    wanted = math.prod(sizes) * int(code[1])
    beside = fields.get("data file") or fields.get("datafile")
    stored = data[start:] if beside is None else _detached(path, beside)
    payload = _decoded(stored, fields.get("encoding", "raw").lower(), wanted, path)
    values = np.frombuffer(payload, order + code).reshape(sizes[::-1])
    spacing = _spacing(fields, len(sizes), path)
    if len(sizes) == 4 and sizes[0] <= 4:
        return values, None if spacing is None else spacing[:0:-1]
    return values, None if spacing is None else spacing[::-1]


def _header(data: bytes, path: Path) -> tuple[dict[str, str], int]:
    """Fields by name, and where the data begins."""
    end = re.search(rb"\r?\n\r?\n", data[:HEADER_LIMIT])
    if not data.startswith(b"NRRD000"):
        raise InputError(file=path, found=repr(data[:8]), expected="NRRD")
    stop, start = (end.start(), end.end()) if end else (len(data), len(data))
    fields = {}
    for line in data[:stop].decode("latin-1").splitlines()[1:]:
        name, colon, value = line.partition(": ")
        if colon and not line.startswith("#"):
            fields[name.strip().lower()] = value.strip()
    return fields, start


def _numbers(fields: dict[str, str], name: str, path: Path, kind: type) -> list:
    try:
        return [kind(word) for word in fields[name].split()]
    except (KeyError, ValueError):
        found = fields.get(name, "nothing")
        raise InputError(file=path, field=name, found=found, expected="numbers") from None


def _detached(path: Path, name: str) -> bytes:
    """The data beside a header: one file in the same folder."""
    file = path.parent / name
    if Path(name).name != name or name.upper().startswith("LIST"):
        expected = "one file in the header's folder"
        raise InputError(file=path, field="data file", found=name, expected=expected)
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError("cannot be read", file=file, found=error.strerror) from None


def _decoded(stored: bytes, encoding: str, wanted: int, path: Path) -> bytes:
    if encoding in ("gzip", "gz"):
        try:
            unpack = zlib.decompressobj(wbits=31)
            # No more than is wanted, whatever is packed, nor than can be, whatever is wanted.
            most = min(wanted, DEFLATE_LIMIT * len(stored)) + 1
            stored = unpack.decompress(stored, most)
        except zlib.error as error:
            raise InputError("broken gzip", file=path, found=error) from None
    elif encoding != "raw":
        raise InputError(file=path, field="encoding", found=encoding, expected="raw or gzip")
    if len(stored) != wanted:
        found = f"{len(stored)} bytes" if len(stored) < wanted else "more bytes"
        raise InputError("incomplete data", file=path, found=found, expected=wanted)
    return stored


def _spacing(fields: dict[str, str], n: int, path: Path) -> list[float] | None:
    """Spacing along each axis of the file, 1 where none is told; None where none is at all."""
    if "spacings" in fields:
        steps = _numbers(fields, "spacings", path, float)
    elif "space directions" in fields:
        vectors = re.findall(r"\(([^)]*)\)|none", fields["space directions"])
        try:
            steps = [math.hypot(*map(float, v.split(","))) if v else 1.0 for v in vectors]
        except ValueError:
            found = fields["space directions"]
            raise InputError(file=path, field="space directions", found=found) from None
    else:
        return None
    if len(steps) != n:
        raise InputError(file=path, field="spacings", found=steps, expected=f"{n} numbers")
    return [step if 0 < step < math.inf else 1.0 for step in steps]
