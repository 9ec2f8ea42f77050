"""PlayCanvas' compressed PLY: 16 bytes a Gaussian and 72 a chunk of 256, plus 8 bits a coefficient.

Element `chunk` holds the ranges of position, log-scale and colour of 256 Gaussians; in element
`vertex` four words of 32 bits place a Gaussian within them: position and scale in 11, 10 and 11
bits, colour and opacity in 8 each, and the three smaller components of the quaternion in 10 each
behind the place of the largest. Element `sh`, if any, has the harmonics from -4 to 4 in bytes.
Files from before chunks had ranges of colour are read too.

Letters: n Gaussians, m chunks, k harmonics.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from polyfield.durable import write_file
from polyfield.errors import InputError
from polyfield.splats.activations import (
    colors_of_dc,
    dc_of_colors,
    opacity_bytes,
    opacity_logits,
)
from polyfield.splats.morton import morton_order
from polyfield.splats.ply import ANTIALIASED, header_text, rest_degree, rest_names
from polyfield.splats.ply_file import Element, PlyHeader, blocks, columns, read_header
from polyfield.splats.smallest_three import from_smallest_three, smallest_three
from polyfield.splats.splats import HARMONICS, Splats

CHUNK = 256
CHUNKS_A_BLOCK = 64  # are worked on at a time, to stay in cache
RANGES = [f"{end}_{axis}" for end in ("min", "max") for axis in "xyz"]
RANGES += [f"{end}_scale_{axis}" for end in ("min", "max") for axis in "xyz"]
COLOR_RANGES = [f"{end}_{channel}" for end in ("min", "max") for channel in "rgb"]
PACKED = ["packed_position", "packed_rotation", "packed_scale", "packed_color"]
WIDTHS = (11, 10, 11)
LARGEST_LOG_SCALE = 20.0
SH_STEPS = 32.0  # bytes a unit: 256 over 8


def is_compressed(header: PlyHeader) -> bool:
    """Whether a PLY is of this kind."""
    vertex = header.elements.get("vertex")
    return vertex is not None and PACKED[0] in vertex.properties


def read(path: Path) -> Splats:
    """Read a compressed PLY.

    Raises:
        InputError: for a file that is damaged or of another kind.
        OSError: for one that cannot be read.
    """
    header = read_header(path)
    vertex = header.element("vertex")
    _check(header, vertex, PACKED, "u4")
    n = vertex.count
    ranges = _read_ranges(header, -(-n // CHUNK))
    rest = _read_rest(header, n)
    parts = {"means": 3, "quats": 4, "log_scales": 3, "sh_dc": 3}
    arrays = {name: np.empty((n, width), np.float32) for name, width in parts.items()}
    logits = np.empty(n, np.float32)
    for rows, words in _words(header, vertex):
        chunks = np.arange(rows.start, rows.stop) // CHUNK
        low, high = (ranges[end][chunks] for end in (0, 1))
        position, rotation, scale, color = words
        arrays["means"][rows] = _between(low[:, :3], high[:, :3], _unpack(position))
        arrays["log_scales"][rows] = _between(low[:, 3:6], high[:, 3:6], _unpack(scale))
        channels = color.astype(">u4").view(np.uint8).reshape(-1, 4)
        colors = channels[:, :3].astype(np.float32) / np.float32(255)
        arrays["sh_dc"][rows] = dc_of_colors(_between(low[:, 6:], high[:, 6:], colors))
        logits[rows] = opacity_logits(channels[:, 3])
        arrays["quats"][rows] = _unpack_quats(rotation)
    antialiased = ANTIALIASED in header.comments
    return Splats(**arrays, opacity_logits=logits, sh_rest=rest, antialiased=antialiased)


def _check(header: PlyHeader, element: Element, names: list[str], kind: str) -> None:
    for name in names:
        if element.properties.get(name, "")[1:] != kind:
            raise InputError(
                "no compressed PLY",
                file=header.file,
                field=f"element {element.name}",
                found=element.properties.get(name, f"no {name}"),
                expected=f"{name} of type {kind}",
            )


def _read_ranges(header: PlyHeader, m: int) -> np.ndarray:
    """[2,m,9] least and largest position, log-scale and colour of each chunk."""
    chunk = header.element("chunk")
    if chunk.count != m:
        raise InputError(
            file=header.file,
            field="element chunk",
            found=f"{chunk.count:,} chunks",
            expected=f"{m:,}, one for {CHUNK} vertices",
        )
    colored = COLOR_RANGES[0] in chunk.properties
    names = RANGES + (COLOR_RANGES if colored else [])
    _check(header, chunk, names, "f4")
    rows = [columns(block, names) for block in blocks(header, chunk)]
    table = np.concatenate([np.empty((0, len(names)), np.float32), *rows])
    parts = table.reshape(m, len(names) // 6, 2, 3)
    if not colored:
        unit = np.broadcast_to(np.array([[0.0], [1.0]], np.float32), (m, 1, 2, 3))
        parts = np.concatenate([parts, unit], axis=1)
    return np.ascontiguousarray(parts.transpose(2, 0, 1, 3).reshape(2, m, 9))


def _read_rest(header: PlyHeader, n: int) -> np.ndarray:
    """[n,k,3] harmonics beyond the first."""
    if "sh" not in header.elements:
        return np.zeros((n, 0, 3), np.float32)
    element = header.element("sh")
    if element.count != n:
        found, expected = f"{element.count:,} rows", f"{n:,}, as vertices"
        raise InputError(file=header.file, field="element sh", found=found, expected=expected)
    k = HARMONICS[rest_degree(header, element)]
    _check(header, element, rest_names(k), "u1")
    rest = np.empty((n, k, 3), np.float32)
    # A byte stands for the middle of its step, the first and the last for the ends.
    values = (np.arange(256, dtype=np.float32) - 127.5) / np.float32(SH_STEPS)
    values[0], values[255] = -4, 4
    offsets: Any = element.dtype.fields
    places = [offsets[name][1] for name in rest_names(k)]
    start = 0
    for block in blocks(header, element):
        levels = block.view(np.uint8).reshape(len(block), -1)[:, places]
        rows = slice(start, start + len(block))
        rest[rows] = values[levels].reshape(len(block), 3, k).transpose(0, 2, 1)
        start += len(block)
    return rest


def _words(header: PlyHeader, vertex: Element) -> Iterator[tuple[slice, list[np.ndarray]]]:
    start = 0
    for block in blocks(header, vertex):
        yield (
            slice(start, start + len(block)),
            [np.ascontiguousarray(block[name], np.uint32) for name in PACKED],
        )
        start += len(block)


def _between(low: np.ndarray, high: np.ndarray, part: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return low * (1 - part) + high * part


def _unpack(words: np.ndarray) -> np.ndarray:
    """[n,3] in [0,1] of 11, 10 and 11 bits."""
    fields = [words >> np.uint32(21), (words >> np.uint32(11)) & 1023, words & 2047]
    tops = [(1 << width) - 1 for width in WIDTHS]
    return np.stack([field / np.float32(top) for field, top in zip(fields, tops)], axis=1)


def _unpack_quats(words: np.ndarray) -> np.ndarray:
    small = np.stack([(words >> np.uint32(shift)) & 1023 for shift in (20, 10, 0)], axis=1)
    small = (small / np.float32(1023) - np.float32(0.5)) * np.float32(np.sqrt(2))
    return from_smallest_three((words >> np.uint32(30)).astype(np.intp), small)


def write(splats: Splats, path: Path) -> None:
    """Write a compressed PLY, Gaussians in Morton order; not atomic by itself.

    Args:
        splats: finite values.
        path: the file.

    Raises:
        OSError: for a file that cannot be written.
    """
    n, k = len(splats), splats.sh_rest.shape[1]
    order = morton_order(splats.means)
    elements = {
        "chunk": (-(-n // CHUNK), [f"float {name}" for name in RANGES + COLOR_RANGES]),
        "vertex": (n, [f"uint {name}" for name in PACKED]),
    }
    if k:
        elements["sh"] = (n, [f"uchar {name}" for name in rest_names(k)])
    rows = CHUNK * CHUNKS_A_BLOCK
    packed = [_pack(splats, order[start : start + rows]) for start in range(0, n, rows)]
    comments = [ANTIALIASED] if splats.antialiased else []
    ranges, words = ([part[i].tobytes() for part in packed] for i in (0, 1))
    write_file(path, [header_text(elements, comments), *ranges, *words, *_rest(splats, order)])


def _rest(splats: Splats, order: np.ndarray) -> Iterator[bytes]:
    """Bytes [n,3,k] of the harmonics, a block at a time."""
    for start in range(0, len(order), CHUNK * CHUNKS_A_BLOCK):
        rest = splats.sh_rest[order[start : start + CHUNK * CHUNKS_A_BLOCK]]
        levels = np.floor(np.clip(rest, -4, 4) * np.float32(SH_STEPS)) + np.float32(128)
        yield np.minimum(levels, 255).astype(np.uint8).transpose(0, 2, 1).tobytes()


def _pack(splats: Splats, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranges [m,18] of whole chunks and words [n,4] of their Gaussians."""
    logs = np.clip(splats.log_scales[order], -LARGEST_LOG_SCALE, LARGEST_LOG_SCALE)
    values = [splats.means[order], logs, colors_of_dc(splats.sh_dc[order])]
    ranges, parts, chunks = [], [], np.arange(len(order)) // CHUNK
    for value in values:
        starts = np.arange(0, len(order), CHUNK)
        low, high = np.minimum.reduceat(value, starts), np.maximum.reduceat(value, starts)
        ranges += [low, high]
        # Halved, the largest numbers of float32 have differences too.
        extent = np.maximum(high / 2 - low / 2, np.finfo(np.float32).tiny)
        parts.append((value / 2 - (low / 2)[chunks]) / extent[chunks])
    position, scale = (_pack_widths(part) for part in parts[:2])
    channels = [_levels(parts[2][:, c], 8) for c in range(3)]
    channels.append(opacity_bytes(splats.opacity_logits[order]).astype(np.uint32))
    color = channels[0] << 24 | channels[1] << 16 | channels[2] << 8 | channels[3]
    words = np.stack([position, _pack_quats(splats.quats[order]), scale, color], axis=1)
    return np.concatenate(ranges, axis=1).astype("<f4"), words.astype("<u4")


def _levels(parts: np.ndarray, bits: int) -> np.ndarray:
    """The nearest of 2^bits levels to numbers of [0,1]."""
    top = (1 << bits) - 1
    return np.clip(np.floor(parts * np.float32(top) + np.float32(0.5)), 0, top).astype(np.uint32)


def _pack_widths(parts: np.ndarray) -> np.ndarray:
    x, y, z = (_levels(parts[:, axis], width) for axis, width in enumerate(WIDTHS))
    return x << 21 | y << 11 | z


def _pack_quats(quats: np.ndarray) -> np.ndarray:
    place, small = smallest_three(quats)
    a, b, c = (_levels(small[:, i] * np.float32(np.sqrt(0.5)) + 0.5, 10) for i in range(3))
    return place.astype(np.uint32) << 30 | a << 20 | b << 10 | c
