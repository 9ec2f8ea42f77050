"""The archive that a .sog file is: a description in JSON and lossless WebP pictures, in a zip.

Nothing is unpacked before its header says that it is as large as it should be.
"""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from polyfield.errors import InputError

DESCRIPTION = "meta.json"
MOST_JSON = 1 << 22  # bytes; three codebooks are some twenty thousand
SIDE = 16383  # the most that WebP has
LARGEST = float(np.finfo(np.float32).max)

WRONG = (OSError, ValueError, EOFError, RuntimeError, KeyError, zipfile.BadZipFile, zlib.error)
"""What zipfile and pillow raise for bytes that are no zip and no picture."""


class Archive:
    """A .sog file that is open for reading; to be closed by `with`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        try:
            self._zip = zipfile.ZipFile(path)
        except WRONG as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise InputError(file=path, found=str(error), expected="a zip archive") from error
        self._entries = {Path(entry.filename).name: entry for entry in self._zip.infolist()}

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def error(self, field: str, found: object, expected: object) -> InputError:
        text = str(found)
        short = text if len(text) < 60 else text[:57] + "..."
        return InputError(file=self.path, field=field, found=short, expected=expected)

    def description(self) -> dict[str, Any]:
        """What meta.json says."""
        try:
            meta = json.loads(self._bytes(DESCRIPTION, MOST_JSON))
        except (ValueError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            raise self.error(DESCRIPTION, error, "JSON") from error
        if not isinstance(meta, dict):
            raise self.error(DESCRIPTION, type(meta).__name__, "an object")
        return meta

    def part(self, meta: dict[str, Any], key: str) -> dict[str, Any]:
        value = meta.get(key)
        if not isinstance(value, dict):
            raise self.error(f"{DESCRIPTION}: {key}", value, "an object")
        return value

    def count(self, value: object, field: str) -> int:
        """A number of things, at least one."""
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self.error(f"{DESCRIPTION}: {field}", value, "a whole number from 1")
        return value

    def numbers(
        self, part: dict[str, Any], key: str, counts: range, field: str, most: float = LARGEST
    ) -> np.ndarray:
        """As many numbers as `counts` has room for, none of more than `most` either way."""
        values = part.get(key)
        if not isinstance(values, list):
            values = [values]
        sound = all(
            isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= most
            for value in values
        )
        if not sound or len(values) not in counts:
            few = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else counts[0]
            expected = f"{few} numbers up to {most:g}"
            raise self.error(f"{DESCRIPTION}: {field}.{key}", values, expected)
        return np.array(values, np.float64)

    def pictures(
        self, part: dict[str, Any], field: str, areas: list[range]
    ) -> list[UInt8[np.ndarray, "h w 4"]]:
        """The pictures that a part names, each of so many pixels."""
        names = part.get("files")
        if not isinstance(names, list) or len(names) != len(areas):
            raise self.error(f"{DESCRIPTION}: {field}.files", names, f"{len(areas)} names")
        return [self._picture(name, area) for name, area in zip(names, areas)]

    def _picture(self, name: object, areas: range) -> UInt8[np.ndarray, "h w 4"]:
        if not isinstance(name, str):
            raise self.error(f"{DESCRIPTION}: files", name, "a name")
        data = self._bytes(name, 5 * areas[-1] + (1 << 16))
        size = webp_size(data)
        if size is None:
            raise self.error(name, f"first bytes {data[:16]!r}", "a lossless WebP picture")
        if math.prod(size) not in areas:
            found = f"{size[0]} x {size[1]} pixels"
            raise self.error(name, found, f"{areas[0]} to {areas[-1]} pixels")
        try:
            with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
                pixels = np.asarray(image.convert("RGBA"))
        except (*WRONG, SyntaxError, Image.DecompressionBombError) as error:
            raise self.error(name, error, "a lossless WebP picture") from error
        if pixels.shape[:2] != size[::-1]:
            raise self.error(name, f"{pixels.shape[:2]} pixels", size[::-1])
        return pixels

    def _bytes(self, name: str, most: int) -> bytes:
        """An entry of at most so many bytes, its checksum compared."""
        entry = self._entries.get(name)
        if entry is None:
            raise self.error(name, "nothing", f"one of {sorted(self._entries)}")
        if entry.file_size > most:
            raise self.error(name, f"{entry.file_size} bytes", f"at most {most}")
        try:
            return self._zip.read(entry)
        except (*WRONG, NotImplementedError) as error:
            raise self.error(name, error, "an entry that unpacks") from error


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height by the header; None for what is no lossless WebP."""
    if len(data) < 30 or data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    if data[12:16] == b"VP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & SIDE) + 1, (bits >> 14 & SIDE) + 1
    if data[12:16] == b"VP8X" and b"VP8L" in data[30:4096]:
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return width, height
    return None


def webp(pixels: UInt8[np.ndarray, "h w 4"]) -> bytes:
    """A lossless picture, the colours of transparent pixels kept."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "WEBP", lossless=True, exact=True, method=2, quality=50)
    return stream.getvalue()


def write_archive(path: Path, meta: dict[str, Any], pictures: Mapping[str, bytes]) -> None:
    """Stored, not deflated: WebP has done that; the same bytes whenever it is written."""
    text = json.dumps(meta, allow_nan=False).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {DESCRIPTION: text, **pictures}.items():
            archive.writestr(zipfile.ZipInfo(name), data)
