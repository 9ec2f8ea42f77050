"""The `.ksplat` of mkkellogg's GaussianSplats3D: read, in its three levels of compression.

A header of 4096 bytes, one of 1024 for each section, then the sections: lengths of the buckets that
are not full, centres of all buckets, and records. Level 0 holds float32; 1 and 2 hold positions in
16 bits around their bucket's centre, scales and quaternions in float16, and harmonics in float16 or
in bytes over a range of the file. Letters: n Gaussians, b buckets, k harmonics.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from polyfield.errors import InputError
from polyfield.splats.activations import dc_of_colors, log_of_scales, opacity_logits
from polyfield.splats.splats import HARMONICS, Splats

HEADER = 4096
SECTION = 1024
MOST_SECTIONS = 1 << 16
BUCKET = 12  # bytes of a centre
HALF_STEPS = 32767  # of a position, from the centre of a bucket to its wall
SH_RANGE = 1.5  # of bytes, where the file states none
TYPES = {0: ("<f4", "<f4", "<f4"), 1: ("<u2", "<f2", "<f2"), 2: ("<u2", "<f2", "u1")}
"""By level, those of positions, of scales and quaternions, and of harmonics."""


@dataclass(frozen=True)
class Section:
    """One section of a file.

    Attributes:
        count, room: Gaussians there are, and there is room for.
        capacity: Gaussians of a full bucket.
        buckets, full, partial: how many buckets there are, of either kind.
        step: of a stored position, in units of the scene.
        half_steps: what a position at the centre of its bucket is stored as.
        degree: of the harmonics.
        offset: bytes of the file before it.
    """

    count: int
    room: int
    capacity: int
    buckets: int
    full: int
    partial: int
    step: float
    half_steps: int
    degree: int
    offset: int

    def record(self, level: int) -> np.dtype:
        """Of a Gaussian."""
        position, scale, harmonic = TYPES[level]
        fields: list[tuple] = [("means", position, 3), ("scales", scale, 3), ("quats", scale, 4)]
        fields += [("colors", "u1", 4), ("harmonics", harmonic, (3 * HARMONICS[self.degree],))]
        return np.dtype(fields)

    def size(self, level: int) -> int:
        """Bytes of it."""
        return 4 * self.partial + BUCKET * self.buckets + self.room * self.record(level).itemsize


def looks_like(start: bytes) -> bool:
    """Whether the first 24 bytes of a file may be this header: version 0.1 or later, a level."""
    if len(start) < 24 or start[0] != 0 or start[1] == 0 or start[2:4] != b"\0\0":
        return False
    n_sections, level = struct.unpack_from("<I12xH", start, 4)
    return 0 < n_sections < MOST_SECTIONS and level in TYPES


def read(path: Path) -> Splats:
    """Read a `.ksplat` file.

    Raises:
        InputError: for a file that is damaged or of another kind.
        OSError: for one that cannot be read.
    """
    data = path.read_bytes()
    if len(data) < HEADER or not looks_like(data[:24]):
        expected = "a header of version 0.1, level 0, 1 or 2"
        raise InputError(
            "no .ksplat file", file=path, found=f"{len(data):,} bytes", expected=expected
        )
    n_sections, count = struct.unpack_from("<I8xI", data, 4)
    level = struct.unpack_from("<H", data, 20)[0]
    low, high = struct.unpack_from("<2f", data, 36)
    sections = _sections(path, data, n_sections, level)
    if sum(section.count for section in sections) != count:
        found = f"{sum(section.count for section in sections):,} Gaussians in sections"
        raise InputError(file=path, field="sections", found=found, expected=f"{count:,}")
    k = HARMONICS[max((section.degree for section in sections), default=0)]
    sh_range = (low or -SH_RANGE, high or SH_RANGE)
    parts = [_read_section(path, data, section, level, sh_range, k) for section in sections]
    if not parts:
        raise InputError("no Gaussians", file=path)
    arrays: Any = [np.concatenate(part) for part in zip(*parts, strict=True)]
    return Splats(*arrays)


def _sections(path: Path, data: bytes, count: int, level: int) -> list[Section]:
    """The headers of the sections, whose sizes together fit into the file."""
    offset = HEADER + count * SECTION
    sections = []
    for i in range(count):
        start = HEADER + i * SECTION
        if offset <= len(data):
            section = _section(path, data, i, start, offset)
            offset += section.size(level)
            sections.append(section)
        if offset > len(data):
            found = f"{len(data):,} bytes"
            raise InputError(file=path, field=f"section {i}", found=found, expected=f"{offset:,}")
    return [section for section in sections if section.count]


def _section(path: Path, data: bytes, i: int, start: int, offset: int) -> Section:
    count, room, capacity, buckets, width = struct.unpack_from("<4If", data, start)
    storage, half_steps = struct.unpack_from("<H2xI", data, start + 20)
    full, partial, degree = struct.unpack_from("<2IH", data, start + 32)
    field = f"section {i}"
    if degree > 2:
        raise InputError(file=path, field=field, found=f"degree {degree}", expected="0, 1 or 2")
    if count > room:
        found = f"{count:,} Gaussians"
        raise InputError(file=path, field=field, found=found, expected=f"at most {room:,}")
    if buckets and storage != BUCKET:
        found = f"buckets of {storage} bytes"
        raise InputError(file=path, field=field, found=found, expected=f"{BUCKET} bytes")
    half_steps = half_steps or HALF_STEPS
    step = width / 2 / half_steps
    return Section(count, room, capacity, buckets, full, partial, step, half_steps, degree, offset)


def _read_section(
    path: Path, data: bytes, section: Section, level: int, sh_range: tuple, k: int
) -> tuple[np.ndarray, ...]:
    """Arrays of a section in the order of the attributes of `Splats`."""
    start = section.offset + 4 * section.partial + BUCKET * section.buckets
    records = np.frombuffer(data, section.record(level), section.count, start)
    means = records["means"].astype(np.float32)
    harmonics = records["harmonics"]
    if level > 0:
        centers = np.frombuffer(
            data, "<f4", 3 * section.buckets, section.offset + 4 * section.partial
        )
        steps = (means - np.float32(section.half_steps)) * np.float32(section.step)
        means = steps + centers.reshape(-1, 3)[_buckets(path, data, section)]
    with np.errstate(over="ignore", invalid="ignore"):
        if level == 2:
            low, high = sh_range
            harmonics = (low + harmonics * ((high - low) / 255)).astype(np.float32)
    rest = np.zeros((section.count, k, 3), np.float32)
    first = 0
    for degree in range(1, section.degree + 1):  # band after band, in each all of red first
        width = 2 * degree + 1
        band = harmonics[:, 3 * first : 3 * (first + width)].reshape(-1, 3, width)
        rest[:, first : first + width] = band.transpose(0, 2, 1)
        first += width
    colors = records["colors"]
    return (
        means,
        records["quats"].astype(np.float32),
        log_of_scales(records["scales"]),
        opacity_logits(colors[:, 3]),
        dc_of_colors(colors[:, :3].astype(np.float32) / np.float32(255)),
        rest,
    )


def _buckets(path: Path, data: bytes, section: Section) -> np.ndarray:
    """[n] the bucket of each Gaussian: the full ones come first."""
    partial = np.frombuffer(data, "<u4", section.partial, section.offset).astype(np.int64)
    if section.full + section.partial > section.buckets:
        found = f"{section.full:,} full and {section.partial:,} other buckets"
        expected = f"at most {section.buckets:,}"
        raise InputError(file=path, field="buckets", found=found, expected=expected)
    in_full = section.full * section.capacity
    if in_full + int(partial.sum()) < section.count:
        found = f"room for {in_full + int(partial.sum()):,}"
        raise InputError(file=path, field="buckets", found=found, expected=f"{section.count:,}")
    ends = in_full + np.cumsum(partial)
    places = np.arange(section.count)
    late = section.full + np.searchsorted(ends, places, side="right")
    return np.where(places < in_full, places // max(section.capacity, 1), late)
