"""Arrays as text in a page: bytes, plane by plane, gzipped, in base64.

`page/decode.js` undoes it. Letters: c numbers of a part.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8, UInt32

LEVEL = 9  # of gzip: a page is written once and sent often
WHOLE = {2: "<u2", 4: "<u4"}


class Packed(NamedTuple):
    """What a page carries.

    Attributes:
        parts: name, type ("plain", "whole" or "float"), count and bytes a number of each array, in
            the order in which they lie.
        text: base64 of the gzipped bytes.
    """

    parts: list[dict[str, Any]]
    text: str


def pack(arrays: Mapping[str, np.ndarray]) -> Packed:
    """Arrays of uint8, uint16, uint32 and float32, in the order of their memory.

    Whole numbers of several bytes lie as so many planes, all low bytes first: what is alike stands
    together, which is what gzip lives on.
    """
    parts, pieces = [], []
    for name, array in arrays.items():
        kind = _kind(array)
        width = array.dtype.itemsize
        parts.append({"name": name, "type": kind, "count": array.size, "bytes": width})
        flat = np.ascontiguousarray(array).reshape(-1)
        if kind == "whole":
            numbers = flat.astype(WHOLE[width])
            pieces.append(numbers.view(np.uint8).reshape(-1, width).T.tobytes())
        else:
            pieces.append(flat.astype("<f4" if kind == "float" else np.uint8).tobytes())
    packed = gzip.compress(b"".join(pieces), LEVEL, mtime=0)
    return Packed(parts, base64.b64encode(packed).decode())


def differences(numbers: np.ndarray) -> UInt32[np.ndarray, " c"]:
    """Each number less the one before, the sign in the lowest bit: 0, -1, 1, -2 are 0, 1, 2, 3."""
    flat = numbers.reshape(-1).astype(np.int64)
    steps = np.diff(flat, prepend=0)
    return np.where(steps < 0, -2 * steps - 1, 2 * steps).astype(np.uint32)


def bytes_of(data: bytes) -> UInt8[np.ndarray, " c"]:
    """A file as an array."""
    return np.frombuffer(data, np.uint8)


def _kind(array: np.ndarray) -> str:
    kinds = {"uint8": "plain", "uint16": "whole", "uint32": "whole", "float32": "float"}
    return kinds[array.dtype.name]
