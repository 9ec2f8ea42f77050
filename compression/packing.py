"""Arrays of numbers as few bytes: planes of bytes of one significance, deflated where that pays.

A block is one byte that says how (STORED ...), then the bytes. Numbers are little-endian.
Letters: n numbers of w bytes each.
"""

from __future__ import annotations

import lzma
import zlib

import numpy as np
from jaxtyping import UInt8

STORED, DEFLATED, LZMA = 0, 1, 2
MOST_EXPANSION = 64  # bytes that a byte of a block may stand for
MEMORY = 1 << 27  # bytes that the dictionary of an LZMA stream may take


class BadBlock(ValueError):
    """A block that is none; its text says why."""


def pack(numbers: np.ndarray, width: int) -> bytes:
    """A block of the lowest `width` bytes of each number, the lowest bytes of all first."""
    flat = np.ascontiguousarray(numbers).reshape(-1)
    octets = flat.astype(flat.dtype.newbyteorder("<")).view(np.uint8)
    planes = octets.reshape(len(flat), flat.itemsize)[:, :width].T.tobytes()
    made = {
        STORED: planes,
        DEFLATED: zlib.compress(planes, 9),
        LZMA: lzma.compress(planes, lzma.FORMAT_XZ, lzma.CHECK_NONE, preset=6),
    }
    fit = [m for m, data in made.items() if len(planes) <= MOST_EXPANSION * (1 + len(data))]
    method = min(fit, key=lambda m: len(made[m]))
    return bytes([method]) + made[method]


def unpack(block: bytes, n: int, width: int) -> UInt8[np.ndarray, "n w"]:
    """The bytes of n numbers, the lowest of each first.

    Raises:
        BadBlock: for a block that does not hold exactly so many; none that claims more than
            MOST_EXPANSION times its size is begun.
    """
    size = n * width
    if not block or size > MOST_EXPANSION * len(block):
        raise BadBlock(f"{len(block)} bytes for {n:,} numbers of {width} bytes")
    planes = _inflated(block[0], block[1:], size)
    if len(planes) != size:
        raise BadBlock(f"{len(planes):,} bytes where {size:,} belong")
    return np.frombuffer(planes, np.uint8).reshape(width, n).T


def widened(octets: UInt8[np.ndarray, "n w"], dtype: str) -> np.ndarray:
    """[n] numbers of a type from their lowest bytes."""
    wide = np.zeros((len(octets), np.dtype(dtype).itemsize), np.uint8)
    wide[:, : octets.shape[1]] = octets
    return wide.view(np.dtype(dtype).newbyteorder("<"))[:, 0].astype(dtype)


def _inflated(method: int, data: bytes, size: int) -> bytes:
    """What a stream holds, up to a byte more than `size`."""
    try:
        if method == STORED:
            return data
        if method == DEFLATED:
            inflate = zlib.decompressobj()
            return _whole(inflate.decompress(data, size + 1), inflate.eof, inflate.unused_data)
        if method == LZMA:
            unxz = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY)
            return _whole(unxz.decompress(data, size + 1), unxz.eof, unxz.unused_data)
    except (zlib.error, lzma.LZMAError, MemoryError, EOFError) as error:
        raise BadBlock(f"a damaged stream: {error}") from error
    raise BadBlock(f"method {method}, where there are 0, 1 and 2")


def _whole(data: bytes, ended: bool, behind: bytes) -> bytes:
    if not ended or behind:
        raise BadBlock("a stream that is cut short" if not ended else "bytes behind a stream")
    return data
