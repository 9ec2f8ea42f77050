"""Files of Gaussians in networks, `.ngs`: docs/splat_compression.md has them byte by byte.

    header | clusters | places | networks | residuals | check

Integers and floats are little-endian. Nothing that tells where something lies in the file depends
on arithmetic with floats: every machine reads the same numbers, and what networks make of them
differs by rounding alone. Letters: n Gaussians, c clusters, p parameters of a network.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from polyfield.compression.attributes import count
from polyfield.compression.networks import ClusterNetworks, parameter_count, widths_of
from polyfield.compression.neural_record import NeuralSplats
from polyfield.compression.packing import BadBlock, pack, unpack, widened
from polyfield.compression.places import FARTHEST, Places
from polyfield.compression.residuals import Residuals, residuals_of
from polyfield.durable import replace_file
from polyfield.errors import InputError
from polyfield.splats.frames import transformed
from polyfield.splats.morton import BITS
from polyfield.splats.splats import HARMONICS, Splats

MAGIC = b"pfNG"
VERSION = 2
ANTIALIASED = 1  # a flag
HEADER = struct.Struct("<4sHHIHBBHBBIIII4f12d4f")
CLUSTER = np.dtype([("count", "<u4"), ("low", "<f4", 3), ("high", "<f4", 3)])
CHECK = struct.Struct("<I")
MOST_STEP = 1e3  # of a residual
MOST_WORK = 1 << 26  # numbers that the networks of a file may have, all together


def write(
    neural: NeuralSplats,
    path: str | os.PathLike[str],
    file_from_local: Float[np.ndarray, "4 4"] | None = None,
) -> int:
    """Write a file, whole or not at all.

    Args:
        path: of the file; one that is there is replaced.
        file_from_local: from the frame of `neural` to that in which the file is to be read.

    Returns:
        Its size, bytes.

    Raises:
        OSError: for a file that cannot be written.
    """
    data = encode(neural, np.eye(4) if file_from_local is None else file_from_local)
    replace_file(Path(path), data)
    return len(data)


def encode(neural: NeuralSplats, file_from_local: Float[np.ndarray, "4 4"]) -> bytes:
    """The bytes of a file."""
    places, networks = neural.places, neural.networks
    starts = np.cumsum(places.counts) - places.counts
    steps = np.diff(places.codes, prepend=np.uint64(0))
    steps[starts] = places.codes[starts]
    placed = pack(steps, code_bytes(places.bits))
    learned = pack(networks.flat().numpy().astype(np.float16).T.view(np.uint16), 2)
    missed = b"" if neural.residuals is None else pack(neural.residuals.numbers(), 2)
    columns = 0 if neural.residuals is None else neural.residuals.codes.shape[1]
    stepped = np.zeros(4, "f4") if neural.residuals is None else neural.residuals.steps
    clusters = np.empty(len(places.counts), CLUSTER)
    clusters["count"], clusters["low"], clusters["high"] = places.counts, places.low, places.high
    header = HEADER.pack(
        MAGIC, VERSION, ANTIALIASED if neural.antialiased else 0, len(places), len(places.counts),
        neural.degree, places.bits, networks.widths[1], len(networks.widths) - 2,
        networks.frequencies, len(placed), len(learned), len(missed), columns,
        *places.centre, *places.spread,
        *np.asarray(file_from_local, np.float64)[:3].reshape(-1), *stepped,
    )  # fmt: skip
    body = b"".join([header, clusters.tobytes(), placed, learned, missed])
    return body + CHECK.pack(zlib.crc32(body))


def read(path: str | os.PathLike[str]) -> Splats:
    """The Gaussians of a file, in its frame.

    Raises:
        InputError: naming file, field, found and expected.
        OSError: for a file that cannot be read.
    """
    path = Path(path)
    neural, file_from_local = decode(path.read_bytes(), path)
    local = neural.splats()
    try:
        return transformed(local, file_from_local)
    except InputError as error:
        found, expected = error.found, error.expected
        raise InputError(file=path, field="frame", found=found, expected=expected) from error


def decode(data: bytes, file: Path) -> tuple[NeuralSplats, Float[np.ndarray, "4 4"]]:
    """What the bytes of a file hold, and `file_from_local`.

    Raises:
        InputError: for bytes that are no such file.
    """
    header = _header(data, file)
    start = HEADER.size
    table = np.frombuffer(data, CLUSTER, header.c, start)
    start += table.nbytes
    try:
        steps = unpack(data[start : start + header.placed], header.n, code_bytes(header.bits))
    except BadBlock as error:
        raise InputError(file=file, field="places", found=error) from error
    start += header.placed
    widths = header.widths
    try:
        block = data[start : start + header.learned]
        learned = unpack(block, header.c * parameter_count(widths), 2)
    except BadBlock as error:
        raise InputError(file=file, field="networks", found=error) from error
    start += header.learned
    residuals = _residuals(header, data[start:-4], file)
    places = _places(header, table, widened(steps, "u8"), file)
    flat = widened(learned, "u2").view(np.float16).astype(np.float32).reshape(-1, header.c).T
    if not np.isfinite(flat).all():
        raise InputError(file=file, field="networks", found="NaN or infinity", expected="numbers")
    networks = ClusterNetworks(header.c, *header.shape)
    networks.load_flat(torch.from_numpy(flat))
    antialiased = bool(header.flags & ANTIALIASED)
    neural = NeuralSplats(places, networks, header.degree, antialiased, residuals)
    return neural, _similarity(header, file)


def code_bytes(bits: int) -> int:
    """Of a place along the curve through cells of so many bits a coordinate."""
    return -(-3 * bits // 8)


@dataclass(frozen=True)
class _Header:
    """What a file begins with.

    `placed`, `learned` and `missed` are sizes of blocks in bytes, `columns` those of residuals.
    """

    reals: tuple[float, ...]
    flags: int
    n: int
    c: int
    degree: int
    bits: int
    width: int
    layers: int
    frequencies: int
    placed: int
    learned: int
    missed: int
    columns: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of a network: outputs, width, layers, frequencies."""
        return count(self.degree), self.width, self.layers, self.frequencies

    @property
    def widths(self) -> list[int]:
        return widths_of(*self.shape)


def _header(data: bytes, file: Path) -> _Header:
    """The header, of a file that is as long as it says and has the sum that it says."""
    if len(data) < HEADER.size + CHECK.size:
        expected = f"{HEADER.size + CHECK.size} or more"
        raise InputError(file=file, field="size", found=f"{len(data)} bytes", expected=expected)
    magic, version, *numbers = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise InputError(file=file, field="magic", found=magic, expected=MAGIC)
    if version != VERSION:
        raise InputError(file=file, field="version", found=version, expected=VERSION)
    header = _Header(tuple(numbers[12:]), *numbers[:12])
    bounds = {
        "Gaussians": (header.n, 1, 2**32 - 1),
        "clusters": (header.c, 1, header.n),
        "degree": (header.degree, 0, len(HARMONICS) - 1),
        "bits": (header.bits, 4, BITS),
        "width": (header.width, 1, 1024),
        "layers": (header.layers, 1, 16),
        "frequencies": (header.frequencies, 0, 16),
    }
    for field, (found, low, high) in bounds.items():
        if not low <= found <= high:
            raise InputError(file=file, field=field, found=found, expected=f"{low} to {high}")
    blocks = header.c * CLUSTER.itemsize + header.placed + header.learned + header.missed
    size = HEADER.size + blocks + CHECK.size
    if size != len(data):
        raise InputError(
            file=file, field="size", found=f"{len(data):,} bytes", expected=f"{size:,}"
        )
    if zlib.crc32(data[:-4]) != CHECK.unpack_from(data, len(data) - 4)[0]:
        raise InputError(file=file, field="check", found="damaged", expected="a whole file")
    if header.c * parameter_count(header.widths) > MOST_WORK:
        many = f"{header.c} networks of {header.layers} layers of {header.width}"
        raise InputError(file=file, field="networks", found=many, expected="less")
    return header


def _places(header: _Header, table: np.ndarray, steps: np.ndarray, file: Path) -> Places:
    """The places, which must lie where float32 reaches."""
    counts = table["count"].astype(np.int64)
    if counts.min() < 1 or counts.sum() != header.n:
        found = f"{counts.sum():,} in clusters, {counts.min()} in the least"
        expected = f"{header.n:,}, one or more in each"
        raise InputError(file=file, field="clusters", found=found, expected=expected)
    centre, spread = np.array(header.reals[:3], "f4"), np.array(header.reals[3:4], "f4")
    low, high = table["low"].astype("f4"), table["high"].astype("f4")
    sound = np.isfinite(centre).all() and np.isfinite(spread).all() and spread[0] > 0
    sound = sound and bool((np.abs([low, high]) <= FARTHEST).all() and (low <= high).all())
    # Sums over all, less those up to the first of the cluster; they wrap, and wrap back.
    starts = np.cumsum(counts) - counts
    sums = np.cumsum(steps, dtype=np.uint64)
    codes = sums - np.repeat(sums[starts] - steps[starts], counts)
    sound = sound and int(codes.max()) >> (3 * header.bits) == 0
    places = Places(codes, counts, header.bits, centre, spread, low, high)
    if not sound or not np.isfinite(places.means()).all():
        raise InputError(
            file=file, field="places", found="some out of bounds", expected="finite ones"
        )
    return places


def _residuals(header: _Header, block: bytes, file: Path) -> Residuals | None:
    """What networks miss, if the file says so."""
    some = [count(degree) for degree in range(header.degree + 1)]
    if header.columns not in (0, *some):
        expected = f"0, {', '.join(map(str, some))} columns"
        raise InputError(file=file, field="residuals", found=header.columns, expected=expected)
    if header.columns == 0 and not block:
        return None
    steps = np.array(header.reals[16:20], "f4")
    if not (np.isfinite(steps).all() and (steps >= 0).all() and (steps <= MOST_STEP).all()):
        expected = f"0 to {MOST_STEP:g}"
        raise InputError(file=file, field="residuals", found=steps.tolist(), expected=expected)
    try:
        if header.columns == 0:
            raise BadBlock(f"{len(block)} bytes for no columns")
        octets = unpack(block, header.n * header.columns, 2)
    except BadBlock as error:
        raise InputError(file=file, field="residuals", found=error) from error
    return residuals_of(widened(octets, "u2").reshape(header.columns, header.n), steps)


def _similarity(header: _Header, file: Path) -> Float[np.ndarray, "4 4"]:
    matrix = np.eye(4)
    matrix[:3] = np.reshape(header.reals[4:16], (3, 4))
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > 1e12:
        raise InputError(file=file, field="frame", found="no similarity", expected="finite numbers")
    return matrix
