"""PLY files in general: a header that names elements and their properties, and then their rows.

`read_header` believes no count that the file is too short for; `blocks` gives the rows of an
element some thousands at a time, as numpy records. Ascii and both byte orders; elements with lists
are skipped over when they come last.
"""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from polyfield.errors import InputError

MAGIC = (b"ply\n", b"ply\r\n")
LONGEST = 1 << 16  # bytes of a header
MOST = 64  # elements
BLOCK = 1 << 20  # bytes of a block of rows, about

ENCODINGS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
}


@dataclass(frozen=True)
class Element:
    """Rows of one kind.

    Attributes:
        name: such as `vertex`.
        count: how many rows.
        properties: numpy's type of each, by name; byte order included.
        lists: whether rows hold lists, and so are of no fixed size.
        offset: bytes of the file before the rows; None behind lists, and in ascii.
    """

    name: str
    count: int
    properties: dict[str, str]
    lists: bool = False
    offset: int | None = None

    @property
    def dtype(self) -> np.dtype:
        """Of a row."""
        return np.dtype(list(self.properties.items()))


@dataclass(frozen=True)
class PlyHeader:
    """What a PLY file says of itself.

    Attributes:
        file: where it is.
        encoding: `ascii`, `binary_little_endian` or `binary_big_endian`.
        elements: in the order of the file.
        comments: without the word.
        size: bytes before the data.
    """

    file: Path
    encoding: str
    elements: dict[str, Element]
    comments: tuple[str, ...]
    size: int

    def element(self, name: str) -> Element:
        """The element of that name, its rows checked to be in the file.

        Raises:
            InputError: where there is none, or none that can be read.
        """
        if name not in self.elements:
            found = ", ".join(self.elements) or "no element"
            raise InputError(file=self.file, field="element", found=found, expected=name)
        element = self.elements[name]
        before = itertools.takewhile(lambda other: other is not element, self.elements.values())
        if element.lists or not element.properties or any(other.lists for other in before):
            expected = "properties of fixed size, before any lists"
            raise InputError(file=self.file, field=f"element {name}", expected=expected)
        return element


def read_header(path: Path) -> PlyHeader:
    """Parse a header and compare the counts in it with the size of the file.

    Raises:
        InputError: for anything but a PLY header, and for a file too short for what it declares.
        OSError: for a file that cannot be read.
    """
    with open(path, "rb") as file:
        text = file.read(LONGEST)
        available = os.fstat(file.fileno()).st_size
    if not text.startswith(MAGIC):
        raise InputError("no PLY file", file=path, found=repr(text[:8]), expected="'ply'")
    lines: list[str] = []
    size = 0
    while not lines or lines[-1] != "end_header":
        end = text.find(b"\n", size)
        if end < 0:
            raise InputError("a PLY header without end", file=path, expected="end_header")
        lines.append(text[size:end].decode("utf-8", "replace").strip())
        size = end + 1
    encoding, comments, elements = _parse(path, lines[1:-1])
    header = PlyHeader(path, encoding, _placed(elements, encoding, size), comments, size)
    _check_size(header, available)
    return header


def _parse(path: Path, lines: list[str]) -> tuple[str, tuple[str, ...], list[Element]]:
    encoding, comments, elements = "", [], list[Element]()
    for line in lines:
        match line.split():
            case [] | ["obj_info", *_]:
                pass
            case ["comment", *_]:
                comments.append(line[len("comment") :].strip())
            case ["format", name, "1.0"] if name in ENCODINGS and not encoding:
                encoding = name
            case ["element", name, count] if encoding and _is_count(count):
                if any(name == element.name for element in elements):
                    raise InputError("twice the same", file=path, field=f"element {name}")
                elements.append(Element(name, int(count), {}))
                if len(elements) > MOST:
                    raise InputError(file=path, field="element", expected=f"at most {MOST}")
            case ["property", "list", length, item, _] if elements and {length, item} <= {*TYPES}:
                elements[-1] = Element(elements[-1].name, elements[-1].count, {}, lists=True)
            case ["property", kind, name] if elements and kind in TYPES:
                properties = elements[-1].properties
                if name in properties:
                    raise InputError("twice the same", file=path, field=f"property {name}")
                properties[name] = (ENCODINGS[encoding] or "<") + TYPES[kind]
            case _:
                raise InputError("no line of a PLY header", file=path, found=repr(line[:80]))
    if not encoding:
        raise InputError(file=path, field="format", expected=" or ".join(ENCODINGS))
    return encoding, tuple(comments), elements


def _is_count(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 16


def _placed(elements: list[Element], encoding: str, size: int) -> dict[str, Element]:
    """Elements with the offsets of their rows, where these are fixed."""
    placed = {}
    offset: int | None = None if encoding == "ascii" else size
    for element in elements:
        placed[element.name] = Element(
            element.name, element.count, element.properties, element.lists, offset
        )
        if element.lists or offset is None:
            offset = None
        else:
            offset += element.count * element.dtype.itemsize if element.properties else 0
    return placed


def _check_size(header: PlyHeader, available: int) -> None:
    """Compare counts with the bytes that follow; in ascii a value takes two at least."""
    needed = 0
    for element in header.elements.values():
        if element.lists:
            needed += element.count  # a row of lists has a byte at least
            continue
        values = 2 * len(element.properties)
        row = values if header.encoding == "ascii" else element.dtype.itemsize
        needed += element.count * (row if element.properties else 0)
        # The last line of an ascii file may lack its end.
        if needed > available - header.size + (header.encoding == "ascii"):
            raise InputError(
                file=header.file,
                field=f"element {element.name}",
                found=f"{available - header.size:,} bytes after the header",
                expected=f"{element.count:,} rows, {needed:,} bytes",
            )


def blocks(header: PlyHeader, element: Element) -> Iterator[np.ndarray]:
    """The rows of an element from first to last, as records of native byte order or the file's.

    Args:
        header: of the file.
        element: what `header.element` gave.

    Raises:
        InputError: for text that is no number, and for a file that became shorter.
    """
    rows = max(1, BLOCK // element.dtype.itemsize)
    counts = [min(rows, element.count - start) for start in range(0, element.count, rows)]
    with open(header.file, "rb") as file:
        if header.encoding == "ascii":
            yield from _text_blocks(header, element, file, counts)
            return
        assert element.offset is not None
        file.seek(element.offset)
        for count in counts:
            block = np.fromfile(file, element.dtype, count)
            if len(block) < count:
                raise InputError("became shorter", file=header.file, field=element.name)
            yield block


def _text_blocks(
    header: PlyHeader, element: Element, file: BinaryIO, counts: list[int]
) -> Iterator[np.ndarray]:
    file.seek(header.size)
    lines = io.TextIOWrapper(file, encoding="latin-1")
    for other in itertools.takewhile(
        lambda other: other.name != element.name, header.elements.values()
    ):
        next(itertools.islice(lines, other.count, other.count), None)
    for count in counts:
        text = [line for line in itertools.islice(lines, count) if line.strip()]
        if len(text) < count:
            expected = f"{element.count:,} lines"
            raise InputError(file=header.file, field=f"element {element.name}", expected=expected)
        try:
            yield np.loadtxt(text, element.dtype, comments=None, ndmin=1)
        except (ValueError, OverflowError) as error:
            raise InputError(f"{error}", file=header.file, field=element.name) from error


def columns(block: np.ndarray, names: list[str]) -> np.ndarray:
    """Some properties of records as float32 [rows, len(names)], whatever their types."""
    kinds = {block.dtype[name] for name in block.dtype.names or ()}
    if len(kinds) == 1:  # rows are a plain matrix then, of which columns are taken at once
        matrix = block.view(kinds.pop()).reshape(len(block), -1)
        places = [list(block.dtype.names or ()).index(name) for name in names]
        taken = matrix[:, places]
        with np.errstate(over="ignore", invalid="ignore"):
            return taken.astype(np.float32, copy=False)
    table = np.empty((len(block), len(names)), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for place, name in enumerate(names):
            table[:, place] = block[name]
    return table
