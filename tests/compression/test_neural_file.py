"""`.ngs` files: what is written is read, byte by byte, and damage is one line."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyfield.compression import neural_file
from polyfield.compression.attributes import gaussians_of
from polyfield.compression.neural_record import NeuralSplats
from polyfield.compression.neural_splats import Settings, compress
from polyfield.compression.packing import BadBlock, pack, unpack, widened
from polyfield.compression.photos import Renders
from polyfield.errors import InputError
from polyfield.kernels.rasterize.records import PinholeView
from polyfield.splats.cleaning import ATTRIBUTES, clean
from polyfield.splats.formats import describe, read_splats, write_splats
from polyfield.splats.frames import transformed
from polyfield.splats.splats import Splats

HEADER, CLUSTER = 164, 28
fuzz = settings(
    max_examples=int(os.environ.get("POLYFIELD_FUZZ_EXAMPLES", 150)),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def summed(body: bytes) -> bytes:
    """With a check that fits."""
    return body + struct.pack("<I", zlib.crc32(body))


@pytest.fixture(scope="module")
def content(small: NeuralSplats) -> bytes:
    return neural_file.encode(small, np.eye(4))


def test_what_is_written_is_read(small: NeuralSplats, tmp_path: Path) -> None:
    file = tmp_path / "a.ngs"
    size = neural_file.write(replace(small, antialiased=True), file)
    assert size == file.stat().st_size
    splats, expected = read_splats(file), small.splats()
    for name in ("means", "opacity_logits", "sh_dc", "log_scales"):
        np.testing.assert_allclose(getattr(splats, name), getattr(expected, name), atol=1e-5)
    np.testing.assert_allclose(splats.sh_rest, expected.sh_rest, atol=1e-5)
    assert splats.antialiased
    assert "ngs" in describe(file)["format"]


def test_the_frame_of_the_file(small: NeuralSplats, tmp_path: Path) -> None:
    matrix = np.eye(4)
    matrix[:3] = [[0, -2, 0, 5], [2, 0, 0, -1], [0, 0, 2, 0.5]]
    neural_file.write(small, tmp_path / "a.ngs", matrix)
    found, expected = read_splats(tmp_path / "a.ngs"), transformed(small.splats(), matrix)
    for name in ATTRIBUTES:
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-4)


def test_an_order_of_magnitude_below_a_ply(
    ball: Callable[..., Splats], views: list[PinholeView], tmp_path: Path
) -> None:
    splats = ball(2400, degree=3)
    few = Settings(clusters=4, width=32, recover_steps=0, steps=1, finetune_steps=0, residuals=0)
    size = neural_file.write(compress(splats, Renders(splats, views), few), tmp_path / "a.ngs")
    write_splats(splats, tmp_path / "a.ply")
    assert 10 * size < (tmp_path / "a.ply").stat().st_size


def test_the_bytes_are_those_of_the_document(small: NeuralSplats, content: bytes) -> None:
    """Read by hand: header, clusters, two blocks, check."""
    fields = struct.unpack_from("<4sHHIHBBHBBIIII4f12d4f", content)
    magic, version, flags, n, c, degree, bits, width, layers, frequencies = fields[:10]
    placed, learned, missed, b = fields[10:14]
    assert (magic, version, flags, n, c) == (b"pfNG", 2, 0, 960, 3)
    assert (degree, bits, width, layers, frequencies) == (1, 16, 16, 2, 10)
    assert len(content) == HEADER + c * CLUSTER + placed + learned + missed + 4
    centre, spread, frame = np.array(fields[14:17]), fields[17], np.array(fields[18:30])
    np.testing.assert_array_equal(frame.reshape(3, 4), np.eye(3, 4))
    clusters = [struct.unpack_from("<I6f", content, HEADER + i * CLUSTER) for i in range(c)]
    assert sum(count for count, *_ in clusters) == n
    start = HEADER + c * CLUSTER
    planes = unpack(content[start : start + placed], n, 6)
    steps = [int.from_bytes(row.tobytes(), "little") for row in planes]
    means, i = np.empty((n, 3)), 0
    for count, *corners in clusters:
        code, low, high = 0, np.array(corners[:3]), np.array(corners[3:])
        for _ in range(count):
            code += steps[i]
            cell = [sum((code >> (3 * b + a) & 1) << b for b in range(bits)) for a in range(3)]
            u = low + np.array(cell) / (2**bits - 1) * (high - low)
            means[i] = centre + spread * np.sinh(u)
            i += 1
    splats = small.splats()
    np.testing.assert_allclose(splats.means, means, atol=1e-6)
    p = 63 * 16 + 16 + 16 * 16 + 16 + 16 * 19 + 19
    halves = widened(unpack(content[start + placed : -4 - missed], p * c, 2), "u2").view(np.float16)
    of_first = halves.reshape(p, c)[:, 0].astype(np.float64)
    assert struct.unpack("<I", content[-4:])[0] == zlib.crc32(content[:-4])
    # The first Gaussian by hand.
    cell = small.places.fractions()[0]
    angles = (cell[:, None] * np.pi * 2.0 ** np.arange(10)).reshape(-1)
    h = np.concatenate([2 * cell - 1, np.sin(angles), np.cos(angles)])
    for before, after in ((63, 16), (16, 16), (16, 19)):
        weight, bias = of_first[: before * after], of_first[before * after : (before + 1) * after]
        h = h @ weight.reshape(before, after) + bias
        h, of_first = (h if after == 19 else np.tanh(h)), of_first[(before + 1) * after :]
    beside = widened(unpack(content[-4 - missed : -4], b * n, 2), "u2").astype(int)
    signed = [(v + 1) // -2 if v % 2 else v // 2 for v in beside.reshape(b, n)[:, 0]]
    h += np.array(signed) * np.repeat(fields[30:], (1, 6, 3, 9))
    assert np.abs(signed).max() > 0
    by_hand = gaussians_of(torch.from_numpy(h)[None])
    assert splats.opacity_logits[0] == pytest.approx(h[0], abs=1e-4)
    np.testing.assert_allclose(splats.log_scales[0], by_hand["log_scales"][0], atol=1e-3)
    np.testing.assert_allclose(splats.sh_dc[0], h[7:10], atol=1e-4)
    np.testing.assert_allclose(splats.sh_rest[0].reshape(-1), h[10:], atol=1e-4)


@pytest.mark.parametrize(
    ("at", "value", "field"),
    [
        (0, b"PLY!", "magic"),
        (4, struct.pack("<H", 1), "version"),
        (8, struct.pack("<I", 0), "Gaussians"),
        (8, struct.pack("<I", 2**32 - 1), "places"),
        (8, struct.pack("<I", 961), "places"),
        (12, struct.pack("<H", 0), "clusters"),
        (14, b"\4", "degree"),
        (14, b"\0", "networks"),
        (15, b"\x16", "bits"),
        (15, b"\x08", "places"),
        (16, struct.pack("<H", 0), "width"),
        (16, struct.pack("<H", 1024), "networks"),
        (18, b"\0", "layers"),
        (19, b"\x11", "frequencies"),
        (20, struct.pack("<I", 2**31), "size"),
        (24, struct.pack("<I", 2**31), "size"),
        (28, struct.pack("<I", 2**31), "size"),
        (32, struct.pack("<I", 0), "residuals"),
        (32, struct.pack("<I", 10), "residuals"),
        (32, struct.pack("<I", 34), "residuals"),
        (36, struct.pack("<f", float("nan")), "places"),
        (48, struct.pack("<f", 0.0), "places"),
        (52, struct.pack("<d", float("inf")), "frame"),
        (52, struct.pack("<d", 0.0), "frame"),
        (152, struct.pack("<f", float("nan")), "residuals"),
        (156, struct.pack("<f", -1.0), "residuals"),
        (160, struct.pack("<f", 1e30), "residuals"),
        (HEADER, struct.pack("<I", 0), "clusters"),
        (HEADER + 4, struct.pack("<f", 1e6), "places"),
        (HEADER + 3 * CLUSTER, b"\3", "places"),
    ],
)
def test_damage_is_named(content: bytes, tmp_path: Path, at: int, value: bytes, field: str) -> None:
    """With a check that fits: as somebody writes it who means harm."""
    file = tmp_path / "a.ngs"
    body = bytearray(content[:-4])
    body[at : at + len(value)] = value
    file.write_bytes(summed(bytes(body)))
    with pytest.raises(InputError, match=field) as caught:
        neural_file.read(file)
    assert str(file) in str(caught.value)


def test_a_flipped_bit_is_found(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.ngs"
    for at in range(0, len(content), len(content) // 40):
        changed = bytearray(content)
        changed[at] ^= 4
        file.write_bytes(changed)
        with pytest.raises(InputError):
            neural_file.read(file)
    for size in (0, 3, 100, len(content) - 1):
        file.write_bytes(content[:size])
        with pytest.raises(InputError):
            read_splats(file)


def test_it_is_known_by_its_first_bytes(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(content)
    with pytest.raises(InputError, match=r"\.ngs"):
        read_splats(tmp_path / "a.ply")
    with pytest.raises(InputError, match="only read"):
        write_splats(read_splats_of(content, tmp_path), tmp_path / "b.ngs")


def read_splats_of(content: bytes, folder: Path) -> Splats:
    (folder / "c.ngs").write_bytes(content)
    return read_splats(folder / "c.ngs")


def test_residuals_that_are_damaged_are_named(content: bytes, tmp_path: Path) -> None:
    """The method of the block, and a block that holds too little."""
    file = tmp_path / "a.ngs"
    *_, missed = struct.unpack_from("<3I", content, 20)
    for at, value in ((-4 - missed, b"\7"), (-5, b"")):
        end = at + len(value)
        body = content[:at] + value + content[end:-4] if value else content[:at]
        changed = bytearray(body)
        changed[28:32] = struct.pack("<I", missed if value else missed - 1)
        file.write_bytes(summed(bytes(changed)))
        with pytest.raises(InputError, match="residuals"):
            neural_file.read(file)


@fuzz
@given(data=st.data())
def test_changed_files(content: bytes, tmp_path: Path, data: st.DataObject) -> None:
    """Gaussians or InputError, with a check that fits."""
    body = bytearray(content[:-4])
    places = st.one_of(st.integers(0, HEADER + 3 * CLUSTER + 8), st.integers(0, len(body) - 1))
    for at in data.draw(st.lists(places, min_size=1, max_size=4)):
        body[at : at + 1] = data.draw(st.binary(min_size=1, max_size=2))
    file = tmp_path / "a.ngs"
    file.write_bytes(summed(bytes(body)))
    try:
        clean(neural_file.read(file), transparent=True)
    except InputError as error:
        message = str(error)
    else:
        message = str(file)
    assert str(file) in message


@fuzz
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "a.ngs"
    for bytes_ in (data, b"pfNG\2\0" + data, summed(b"pfNG\2\0" + data)):
        file.write_bytes(bytes_)
        with pytest.raises(InputError):
            neural_file.read(file)


@pytest.mark.parametrize("kind", ["noise", "zeros", "ramp"])
def test_blocks(kind: str) -> None:
    rng = np.random.default_rng(0)
    numbers = {
        "noise": rng.integers(0, 2**40, 3000),
        "zeros": np.zeros(3000, np.int64),
        "ramp": np.arange(3000) // 7,
    }[kind].astype(np.uint64)
    block = pack(numbers, 5)
    assert len(block) <= 15_001
    np.testing.assert_array_equal(widened(unpack(block, 3000, 5), "u8"), numbers)
    for wrong in (block[:-1], block + b"\0", b"", b"\7" + block[1:]):
        with pytest.raises(BadBlock):
            unpack(wrong, 3000, 5)
    with pytest.raises(BadBlock):
        unpack(block, 2999, 5)
