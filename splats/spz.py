"""Niantic's .spz (nianticlabs/spz): versions 1 to 4 are read, version 3 is written.

Letters: n Gaussians.

Versions 1 to 3 are one gzip stream of a 16-byte header and the attributes one behind the other.
Version 4 has a plain header of 32 bytes, records of vendors' extensions, a table of pairs
(compressed, uncompressed size) and one Zstandard stream an attribute. Integers are little-endian.
What the bytes of an attribute mean is in `spz_packing`. The frame is RUB, unless the extension
of a vendor names another.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from polyfield.durable import write_file
from polyfield.errors import InputError
from polyfield.splats.frames import flipped, rdf_from, transformed
from polyfield.splats.splats import HARMONICS, Splats
from polyfield.splats.spz_packing import Streams, fraction_bits, pack, stream_widths, unpack

MAGIC = b"NGSP"
GZIP = b"\x1f\x8b"
WRITTEN_VERSION = 3
ANTIALIASED, EXTENDED = 1, 2  # flags
MOST_EXTENSIONS = 1 << 16  # bytes
MOST_EXPANSION = 1024
"""Bytes that one byte of a file may stand for: what a header claims beyond that is not believed.

Deflate cannot do more; Niantic's library draws the line there too."""

COORDINATE_SYSTEM = 0xADBE0003
"""The extension that says in which frame a file is (Adobe); its values count from 1."""

FRAMES = (
    *("LDB", "RDB", "LUB", "RUB", "LDF", "RDF", "LUF", "RUF"),
    *("LFD", "RFD", "LFU", "RFU", "LBD", "RBD", "LBU", "RBU"),
)

RUB_SIGNS = (1, -1, -1)  # to RDF and back


@dataclass(frozen=True)
class _Header:
    """What precedes the attributes; `streams` and `table` of version 4 alone."""

    version: int
    n: int
    degree: int
    bits: int
    flags: int
    streams: int = 0
    table: int = 0

    @property
    def widths(self) -> dict[str, int]:
        return stream_widths(self.version, self.degree)


def read(path: Path) -> Splats:
    """Gaussians in RDF.

    Raises:
        InputError: for a file that is damaged or of another kind.
        OSError: for one that cannot be read.
    """
    return decode(path.read_bytes(), path)


def write(splats: Splats, path: Path) -> None:
    """Write version 3; not atomic by itself.

    Args:
        splats: finite values.
        path: the file.

    Raises:
        InputError: for centres too far away.
        OSError: for a file that cannot be written.
    """
    splats = flipped(splats, RUB_SIGNS)
    bits = fraction_bits(splats.means)
    if bits < 0:
        far = np.abs(splats.means).max()
        raise InputError(file=path, field="means", found=f"{far:g}", expected="below 8388607")
    flags = ANTIALIASED if splats.antialiased else 0
    header = struct.pack(
        "<4sIIBBBB", MAGIC, WRITTEN_VERSION, len(splats), splats.degree, bits, flags, 0
    )
    # Bytes this noisy repeat as runs or not at all: looking for longer matches costs six times the
    # time and finds less.
    gzip = zlib.compressobj(6, zlib.DEFLATED, 31, 9, zlib.Z_RLE)
    pieces = [gzip.compress(header)]
    pieces += [gzip.compress(stream.tobytes()) for stream in pack(splats, bits).values()]
    write_file(path, [*pieces, gzip.flush()])


def decode(data: bytes, file: Path, into: str = "RDF") -> Splats:
    """Gaussians from the bytes of an .spz file; `into` "as stored" leaves their frame alone."""
    if data[:4] == MAGIC and len(data) >= 8 and data[4:8] == struct.pack("<I", 4):
        header, streams, extensions = _read_zstd(data, file)
    elif data[:2] == GZIP or data[:4] == MAGIC:
        header, streams, extensions = _read_single(data, file)
    else:
        raise InputError(file=file, found=f"first bytes {data[:4]!r}", expected="NGSP or gzip")
    antialiased = bool(header.flags & ANTIALIASED)
    splats = unpack(streams, header.version, header.degree, header.bits, antialiased)
    frame = _frame(extensions, file)
    if into == "as stored":
        return splats
    if frame == "RUB":
        return flipped(splats, RUB_SIGNS)
    matrix = np.eye(4)
    matrix[:3, :3] = rdf_from(frame)
    return transformed(splats, matrix)


def _header(data: bytes, file: Path, versions: range) -> _Header:
    """The sixteen bytes that all versions begin with; what they claim is held to reason."""
    if len(data) < 16:
        raise InputError(
            file=file, field="header", found=f"{len(data)} bytes", expected="16 or more"
        )
    magic, version, n, degree, bits, flags, streams = struct.unpack("<4sIIBBBB", data[:16])
    if magic != MAGIC:
        raise InputError(file=file, field="magic", found=magic, expected=MAGIC)
    if version not in versions:
        expected = f"{versions[0]} to {versions[-1]}"
        raise InputError(file=file, field="version", found=version, expected=expected)
    if n == 0:
        raise InputError(file=file, found="no Gaussian", expected="at least one")
    if degree >= len(HARMONICS):
        raise InputError(file=file, field="shDegree", found=degree, expected="0 to 3")
    if version > 1 and bits > 23:
        raise InputError(file=file, field="fractionalBits", found=bits, expected="0 to 23")
    return _Header(version, n, degree, bits, flags, streams)


def _require_room(header: _Header, most: int, file: Path) -> int:
    """Bytes of all attributes, which `most` bytes can hold."""
    size = header.n * sum(header.widths.values())
    if size > most:
        raise InputError(
            file=file,
            field="numPoints",
            found=f"{header.n} Gaussians, {size} bytes",
            expected=f"at most {most} bytes in a file this long",
        )
    return size


def _read_single(data: bytes, file: Path) -> tuple[_Header, Streams, bytes]:
    """Versions 1 to 3, zipped or as they were before."""
    zipped = data[:2] == GZIP
    head = _inflate(data, 16, file)[0] if zipped else data[:16]
    header = _header(head, file, range(1, 4))
    most = MOST_EXPANSION * len(data) if zipped else len(data) - 16
    size = 16 + _require_room(header, most, file)
    body = data
    if zipped:
        body, whole = _inflate(data, size + MOST_EXTENSIONS, file)
        if not whole and len(body) < size + MOST_EXTENSIONS:
            raise InputError(file=file, found="a gzip stream cut short", expected="all of it")
    if len(body) < size:
        raise InputError(file=file, found=f"{len(body)} bytes of data", expected=f"{size} bytes")
    streams, start = {}, 16
    for name, width in header.widths.items():
        part = np.frombuffer(body, np.uint8, header.n * width, start)
        streams[name], start = part.reshape(header.n, width), start + part.size
    return header, streams, body[size:] if header.flags & EXTENDED else b""


def _inflate(data: bytes, most: int, file: Path) -> tuple[bytes, bool]:
    """Up to `most` bytes, and whether they are all that there are."""
    gzip = zlib.decompressobj(31)
    try:
        return gzip.decompress(data, most), gzip.eof
    except zlib.error as error:
        raise InputError(file=file, found=f"a bad gzip stream: {error}") from error


def _read_zstd(data: bytes, file: Path) -> tuple[_Header, Streams, bytes]:
    """Version 4."""
    header = _header(data, file, range(4, 5))
    widths = header.widths
    _require_room(header, MOST_EXPANSION * len(data), file)
    if header.streams != len(widths):
        raise InputError(file=file, field="numStreams", found=header.streams, expected=len(widths))
    table = struct.unpack_from("<I", data, 16)[0] if len(data) >= 32 else 0
    start = table + 16 * len(widths)
    if not 32 <= table <= start <= len(data):
        raise InputError(
            file=file,
            field="tocByteOffset",
            found=table,
            expected=f"32 to {len(data) - 16 * len(widths)}",
        )
    streams = {}
    for row, (name, width) in enumerate(widths.items()):
        size, unpacked = struct.unpack_from("<QQ", data, table + 16 * row)
        if size > len(data) - start or unpacked != header.n * width:
            raise InputError(
                file=file,
                field=name,
                found=f"{size} bytes for {unpacked}",
                expected=f"at most {len(data) - start} for {header.n * width}",
            )
        stream = _unzstd(data[start : start + size], unpacked, name, file)
        streams[name], start = stream.reshape(header.n, width), start + size
    return header, streams, data[32:table] if header.flags & EXTENDED else b""


def _unzstd(data: bytes, size: int, name: str, file: Path) -> UInt8[np.ndarray, " bytes"]:
    """A Zstandard frame that holds `size` bytes; one that says otherwise is not begun."""
    try:
        import zstandard
    except ImportError as error:
        raise InputError(
            "version 4 of .spz needs zstandard", file=file, hint="pip install 'polyfield[codec]'"
        ) from error
    try:
        if zstandard.frame_content_size(data) not in (-1, size):
            raise zstandard.ZstdError("another size in the stream than in the table")
        unpacked = zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise InputError(file=file, field=name, found=f"a bad Zstandard stream: {error}") from error
    if len(unpacked) != size:
        raise InputError(file=file, field=name, found=f"{len(unpacked)} bytes", expected=size)
    return np.frombuffer(unpacked, np.uint8)


def _frame(extensions: bytes, file: Path) -> str:
    """The frame that an extension names; RUB if none does."""
    frame, start = "RUB", 0
    while start + 8 <= len(extensions):
        kind, length = struct.unpack_from("<II", extensions, start)
        payload = extensions[start + 8 : start + 8 + length]
        if len(payload) < length:
            raise InputError(
                file=file,
                field=f"extension {kind:#010x}",
                found=f"{len(payload)} bytes",
                expected=f"{length} bytes",
            )
        if kind == COORDINATE_SYSTEM:
            value = int.from_bytes(payload, "little")
            if length != 4 or value > len(FRAMES):
                raise InputError(
                    file=file, field="coordinate system", found=value, expected="1 to 16"
                )
            frame = FRAMES[value - 1] if value else "RUB"
        start += 8 + length
    return frame
