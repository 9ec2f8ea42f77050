"""The container .glb of glTF 2.0 (ISO/IEC 12113): a header, a chunk of JSON and one of bytes."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyfield.durable import write_file
from polyfield.errors import InputError

MAGIC = b"glTF"
JSON_CHUNK, BINARY_CHUNK = b"JSON", b"BIN\0"
MOST_BYTES = 2**32 - 1


@dataclass(frozen=True)
class Document:
    """What a .glb holds; everything in it is as a stranger wrote it.

    Attributes:
        json: the top object.
        binary: what buffer 0 is.
        file: for messages.
    """

    json: dict[str, Any]
    binary: memoryview
    file: Path

    def item(self, kind: str, index: object) -> dict[str, Any]:
        """The object of that index in one of the top arrays: accessors, nodes and so on."""
        array = self.json.get(kind, [])
        if not isinstance(array, list):
            raise self.error(kind, type(array).__name__, "an array")
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(array):
            raise self.error(kind, f"index {index}", f"one of {len(array)}")
        return self.mapping(array[index], f"{kind}[{index}]")

    def mapping(self, value: object, field: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.error(field, type(value).__name__, "an object")
        return value

    def array(self, owner: dict[str, Any], key: str, field: str) -> list[Any]:
        """An array that may be missing."""
        value = owner.get(key, [])
        if not isinstance(value, list):
            raise self.error(f"{field}.{key}", type(value).__name__, "an array")
        return value

    def integer(
        self, owner: dict[str, Any], key: str, field: str, default: int | None = None
    ) -> int:
        """Zero or more."""
        value = owner.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.error(f"{field}.{key}", value, "a whole number")
        return value

    def error(self, field: str, found: object, expected: object) -> InputError:
        text = str(found)
        short = text if len(text) < 60 else text[:57] + "..."
        return InputError(file=self.file, field=field, found=short, expected=expected)


def read_glb(path: Path) -> Document:
    """Raises InputError for what is not a whole .glb of version 2, OSError for no readable file."""
    data = memoryview(path.read_bytes())
    if len(data) < 20 or bytes(data[:4]) != MAGIC:
        raise InputError(file=path, found=f"first bytes {bytes(data[:4])!r}", expected="glTF")
    version, length = struct.unpack_from("<II", data, 4)
    if version != 2:
        raise InputError(file=path, field="version", found=version, expected=2)
    if not 20 <= length <= len(data):
        raise InputError(file=path, field="length", found=length, expected=f"20 to {len(data)}")
    chunks: dict[bytes, memoryview] = {}
    start = 12
    while start + 8 <= length:
        (size,) = struct.unpack_from("<I", data, start)
        kind, body = bytes(data[start + 4 : start + 8]), data[start + 8 : start + 8 + size]
        if size > length - start - 8:
            raise InputError(
                file=path, field=f"chunk {kind!r}", found=f"{size} bytes", expected=f"{len(body)}"
            )
        chunks.setdefault(kind, body)
        start += 8 + size
    if JSON_CHUNK not in chunks:
        raise InputError(file=path, found=f"chunks {[*chunks]}", expected="one of JSON")
    try:
        top = json.loads(bytes(chunks[JSON_CHUNK]))
    except (ValueError, RecursionError) as error:
        raise InputError(file=path, field="JSON", found=str(error), expected="JSON") from error
    if not isinstance(top, dict):
        raise InputError(file=path, field="JSON", found=type(top).__name__, expected="an object")
    return Document(top, chunks.get(BINARY_CHUNK, memoryview(b"")), path)


def write_glb(path: Path, top: dict[str, Any], pieces: list[bytes | memoryview]) -> None:
    """Write a JSON object and the pieces of buffer 0, each a multiple of four bytes long."""
    text = json.dumps(top, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    size = sum(len(piece) for piece in pieces)
    length = 12 + 8 + len(text) + 8 + size
    if length > MOST_BYTES:
        raise InputError(file=path, found=f"{length} bytes", expected=f"at most {MOST_BYTES}")
    start = struct.pack("<4sIII4s", MAGIC, 2, length, len(text), JSON_CHUNK) + text
    write_file(path, [start, struct.pack("<I4s", size, BINARY_CHUNK), *pieces])
