"""The .spz files of every version, byte for byte and through what only looks like one."""

from __future__ import annotations

import gzip
import math
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyfield.errors import InputError
from polyfield.splats import Splats, ply, spz
from polyfield.splats.cleaning import ATTRIBUTES, clean
from polyfield.splats.formats import read_splats
from polyfield.splats.frames import rdf_from
from polyfield.splats.harmonics import harmonics
from polyfield.splats.splats import HARMONICS


def make(n: int = 50, degree: int = 3, seed: int = 0, antialiased: bool = False) -> Splats:
    """Gaussians within what .spz can say."""
    rng = np.random.default_rng(seed)
    return Splats(
        means=rng.normal(size=(n, 3)) * 3,
        quats=rng.normal(size=(n, 4)),
        log_scales=rng.uniform(-9, 3, (n, 3)),
        opacity_logits=rng.uniform(-5, 5, n),
        sh_dc=rng.uniform(-3, 3, (n, 3)),
        sh_rest=rng.uniform(-0.9, 0.9, (n, HARMONICS[degree], 3)),
        antialiased=antialiased,
    )


def matrices(quats: np.ndarray) -> np.ndarray:
    """[n,3,3] rotations of w, x, y, z."""
    w, x, y, z = (quats / np.linalg.norm(quats, axis=1, keepdims=True)).astype(np.float64).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def header(version: int, n: int, degree: int = 0, bits: int = 12, flags: int = 0) -> bytes:
    return struct.pack("<4sIIBBBB", b"NGSP", version, n, degree, bits, flags, 0)


def fixed(*values: int) -> bytes:
    return b"".join((value & 0xFFFFFF).to_bytes(3, "little") for value in values)


# Two Gaussians in RUB: centres, opacities, colours, log scales, turned by 0 and by 180 degrees
# about x.
CENTRES = fixed(4096, -8192, 2048, -1, 8388607, -8388608)
MIDDLE = bytes([51, 204]) + bytes([0, 127, 255, 10, 20, 30]) + bytes([0, 16, 160, 80, 96, 255])
FIRST_THREE = bytes([127, 128, 127, 255, 128, 127])
SMALLEST_THREE = struct.pack("<II", 3 << 30, 0 << 30)


def version_2() -> bytes:
    return header(2, 2, bits=11) + CENTRES + MIDDLE + FIRST_THREE


def version_4(extensions: bytes = b"") -> bytes:
    zstandard = pytest.importorskip("zstandard")
    streams = [CENTRES, MIDDLE[:2], MIDDLE[2:8], MIDDLE[8:], SMALLEST_THREE]
    packed = [zstandard.ZstdCompressor(level=3).compress(stream) for stream in streams]
    flags, table = 2 if extensions else 0, 32 + len(extensions)
    head = struct.pack("<4sIIBBBBI12x", b"NGSP", 4, 2, 0, 12, flags, len(streams), table)
    sizes = b"".join(struct.pack("<QQ", len(p), len(s)) for p, s in zip(packed, streams))
    return head + extensions + sizes + b"".join(packed)


def load(tmp_path: Path, data: bytes) -> Splats:
    path = tmp_path / "scene.spz"
    path.write_bytes(data)
    return spz.read(path)


def check_two(splats: Splats, unit: float = 1 / 4096) -> None:
    expected = np.array([[4096, 8192, -2048], [-1, -8388607, 8388608]]) * unit
    np.testing.assert_array_equal(splats.means, expected.astype(np.float32))
    np.testing.assert_allclose(splats.opacity_logits, [math.log(0.25), math.log(4)], rtol=1e-6)
    colors = (np.array([[0, 127, 255], [10, 20, 30]]) / 255 - 0.5) / 0.15
    np.testing.assert_allclose(splats.sh_dc, colors, atol=1e-6)
    np.testing.assert_array_equal(splats.log_scales, [[-10, -9, 0], [-5, -4, 5.9375]])


@pytest.mark.parametrize("zipped", [True, False])
def test_version_2_and_its_unzipped_forerunner(tmp_path, zipped):
    splats = load(tmp_path, gzip.compress(version_2()) if zipped else version_2())
    check_two(splats, 1 / 2048)
    assert np.abs(np.abs(splats.quats) - [[1, 0, 0, 0], [0, 1, 0, 0]]).max() < 0.005


def test_version_1_has_half_precision_centres(tmp_path):
    centres = np.array([1, -2, 0.5, 0, 100, -1000], "<f2").tobytes()
    splats = load(tmp_path, gzip.compress(header(1, 2) + centres + MIDDLE + FIRST_THREE))
    np.testing.assert_array_equal(splats.means, [[1, 2, -0.5], [0, -100, 1000]])


def test_version_3_has_the_three_smallest_components(tmp_path):
    # Largest is z (index 2): x = -0.5, y = 0.25, w = 0.125, each as sign and nine bits.
    bits = [round(value * math.sqrt(2) * 511) for value in (0.5, 0.25, 0.125)]
    word = 2 << 30 | (1 << 9 | bits[0]) << 20 | bits[1] << 10 | bits[2]
    data = header(3, 1, flags=1) + fixed(0, 0, 0) + bytes(7) + struct.pack("<I", word)
    splats = load(tmp_path, gzip.compress(data))
    z = math.sqrt(1 - 0.25 - 0.0625 - 0.015625)
    np.testing.assert_allclose(splats.quats, [[0.125, -0.5, -0.25, -z]], atol=0.001)
    assert splats.antialiased
    two = gzip.compress(header(3, 2) + CENTRES + MIDDLE + SMALLEST_THREE)
    check_two(load(tmp_path, two))


def test_version_4_has_a_stream_an_attribute(tmp_path):
    check_two(load(tmp_path, version_4()))
    unknown = struct.pack("<II5s", 0x12340001, 5, b"hello")
    check_two(load(tmp_path, version_4(unknown)))


def test_version_4_without_zstandard_names_the_command(tmp_path, monkeypatch):
    data = version_4()
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(InputError, match=r"pip install 'polyfield\[codec\]'"):
        load(tmp_path, data)


@pytest.mark.parametrize(("number", "frame"), [(4, "RUB"), (6, "RDF"), (8, "RUF"), (11, "LFU")])
def test_an_extension_may_name_the_frame(tmp_path, number, frame):
    record = struct.pack("<III", 0xADBE0003, 4, number)
    stored = np.array([[4096, -8192, 2048], [-1, 8388607, -8388608]]) / 4096
    splats = load(tmp_path, version_4(record))
    np.testing.assert_allclose(splats.means, stored @ rdf_from(frame).T, rtol=1e-6)
    legacy = header(3, 2, flags=2) + CENTRES + MIDDLE + SMALLEST_THREE + record
    np.testing.assert_array_equal(load(tmp_path, gzip.compress(legacy)).means, splats.means)


def test_what_is_written_byte_for_byte(tmp_path):
    """One Gaussian: the axes y and z turn around, with the rotation and the harmonics."""
    rest = np.zeros((1, 15, 3))
    rest[0, 0] = [0.5, -0.5, 1]  # odd in y
    rest[0, 2] = [0.02, 0.04, -1]  # odd in x
    rest[0, 9] = [0.25, 0.05, 0.07]  # odd in x, y and z
    splats = Splats(
        means=np.array([[1.5, -2, 0.25]]),
        quats=np.array([[0.1, 0.7, -0.2, 0.3]]) * 5,
        log_scales=np.array([[-10, -9.97, 20]]),
        opacity_logits=np.array([math.log(0.25)]),
        sh_dc=np.array([[0, 1, -9]]),
        sh_rest=rest,
        antialiased=True,
    )
    spz.write(splats, tmp_path / "a.spz")
    data = gzip.decompress((tmp_path / "a.spz").read_bytes())
    words = [round(math.sqrt(2) * 511 * value / math.sqrt(0.63)) for value in (0.2, 0.3, 0.1)]
    word = 0 << 30 | words[0] << 20 | (1 << 9 | words[1]) << 10 | words[2]
    expected = [[128] * 3 for _ in range(15)]
    expected[0], expected[2] = [64, 192, 0], [128, 136, 0]
    expected[9] = [160, 128, 144]
    assert data == (
        header(3, 1, 3, 12, 1)
        + fixed(6144, 8192, -1024)
        + bytes([51, 128, 166, 0, 0, 0, 255])
        + struct.pack("<I", word)
        + np.array(expected, np.uint8).tobytes()
    )


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 40), degree=st.integers(0, 3), seed=st.integers(0, 999), smooth=st.booleans()
)
def test_there_and_back_within_the_quantisation(tmp_path_factory, n, degree, seed, smooth):
    splats = make(n, degree, seed, smooth)
    path = tmp_path_factory.mktemp("spz") / "a.spz"
    spz.write(splats, path)
    back = spz.read(path)
    assert np.abs(back.means - splats.means).max() <= 0.5 / 4096 + 1e-6
    assert np.abs(back.log_scales - splats.log_scales).max() <= 1 / 32 + 1e-6
    assert np.abs(matrices(back.quats) - matrices(splats.quats)).max() < 0.006
    opacities = [1 / (1 + np.exp(-s.opacity_logits)) for s in (back, splats)]
    assert np.abs(opacities[0] - opacities[1]).max() <= 0.5 / 255 + 1e-6
    assert np.abs(back.sh_dc - splats.sh_dc).max() <= 0.5 / 255 / 0.15 + 1e-6
    step = np.repeat([8, 16, 16], [3, 5, 7])[: HARMONICS[degree], None]
    assert (np.abs(back.sh_rest - splats.sh_rest) <= (step / 2 + 0.5) / 128 + 1e-6).all()
    assert back.antialiased is smooth
    spz.write(back, path.with_name("b.spz"))
    again = spz.read(path.with_name("b.spz"))
    for name in ("means", "log_scales", "opacity_logits", "sh_dc", "sh_rest"):
        np.testing.assert_array_equal(getattr(again, name), getattr(back, name))


def test_a_wide_scene_has_fewer_bits_behind_the_point(tmp_path):
    splats = make(4)
    splats.means[0] = [5000, -3000, 100]
    spz.write(splats, tmp_path / "a.spz")
    assert np.abs(spz.read(tmp_path / "a.spz").means - splats.means).max() <= 0.5 / 1024
    splats.means[0] = 1e9
    with pytest.raises(InputError, match="means"):
        spz.write(splats, tmp_path / "a.spz")


def test_harmonics_turn_with_the_frame(tmp_path):
    """A colour seen from some direction is the same after the file, in its own frame."""
    splats = make(5)
    directions = np.random.default_rng(1).normal(size=(7, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    spz.write(splats, tmp_path / "a.spz")
    stored = spz.decode((tmp_path / "a.spz").read_bytes(), tmp_path, into="as stored")
    seen = harmonics(directions) @ spz.read(tmp_path / "a.spz").sh_rest
    again = harmonics(directions * [1, -1, -1]) @ stored.sh_rest
    np.testing.assert_allclose(seen, again, atol=1e-5)
    np.testing.assert_array_equal(stored.means * [1, -1, -1], spz.read(tmp_path / "a.spz").means)


def whole(degree: int = 0) -> bytes:
    n = 3
    sizes = n * sum((9, 1, 3, 3, 4, 3 * HARMONICS[degree]))
    return header(3, n, degree) + bytes(sizes)


BAD = {
    "empty": b"",
    "not one": b"ply\nformat",
    "magic alone": b"NGSP",
    "header cut": header(3, 1)[:15],
    "no Gaussian": gzip.compress(header(3, 0)),
    "version 0": gzip.compress(header(0, 1) + bytes(99)),
    "version 5": gzip.compress(header(5, 1) + bytes(99)),
    "version 5 unzipped": header(5, 1) + bytes(99),
    "version 4 zipped": gzip.compress(header(4, 1) + bytes(99)),
    "degree 4": gzip.compress(header(3, 1, 4) + bytes(999)),
    "degree 255": gzip.compress(header(3, 1, 255) + bytes(999)),
    "40 bits": gzip.compress(header(3, 1, 0, 40) + bytes(99)),
    "data cut": gzip.compress(whole()[:-1]),
    "harmonics missing": gzip.compress(header(3, 3, 3) + whole()[16:]),
    "2 called 3": gzip.compress(header(3, 2) + version_2()[16:]),
    "gzip cut": gzip.compress(whole(3))[:-9],
    "trailer cut": gzip.compress(whole(3))[:-1],
    "checksum": gzip.compress(whole(3))[:-8] + bytes(8),
    "zlib, not gzip": zlib.compress(whole()),
    "absurd count": gzip.compress(header(3, 2**32 - 1) + bytes(999)),
    "absurd count unzipped": header(3, 2**32 - 1) + bytes(999),
    "extension cut": gzip.compress(
        header(3, 3, flags=2) + whole()[16:] + struct.pack("<II", 0xADBE0003, 4)
    ),
    "frame 17": gzip.compress(
        header(3, 3, flags=2) + whole()[16:] + struct.pack("<III", 0xADBE0003, 4, 17)
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said(tmp_path, name):
    with pytest.raises(InputError, match=r"scene\.spz"):
        load(tmp_path, BAD[name])


def test_half_precision_may_be_none(tmp_path):
    """Version 1 alone can hold what is not finite: for cleaning to count."""
    for value in (np.inf, np.nan):
        centres = np.array([1, 2, 3, 4, value, 6], "<f2").tobytes()
        load(tmp_path, gzip.compress(header(1, 2) + centres + MIDDLE + FIRST_THREE))
        splats, dropped = clean(read_splats(tmp_path / "scene.spz"))
        assert (len(splats), dropped) == (1, {"not finite": 1})


def test_version_4_cut_anywhere(tmp_path):
    data = version_4(struct.pack("<III", 0xADBE0003, 4, 4))
    for length in range(len(data)):
        with pytest.raises(InputError):
            load(tmp_path, data[:length])


@pytest.mark.parametrize(
    ("offset", "form", "value", "word"),
    [
        (8, "<I", 2**32 - 1, "numPoints"),
        (8, "<I", 3, "positions"),
        (15, "<B", 6, "numStreams"),
        (16, "<I", 2**32 - 1, "tocByteOffset"),
        (16, "<I", 16, "tocByteOffset"),
        (32, "<Q", 2**63, "positions"),
        (40, "<Q", 2**63, "positions"),
    ],
)
def test_version_4_with_absurd_numbers(tmp_path, offset, form, value, word):
    data = bytearray(version_4())
    struct.pack_into(form, data, offset, value)
    with pytest.raises(InputError, match=word):
        load(tmp_path, bytes(data))


def test_a_bomb_is_not_unpacked(tmp_path):
    """A gigabyte of zeros behind a header of one Gaussian, and a Zstandard frame that lies."""
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = bomb.compress(header(3, 1) + bytes(20))
    data += b"".join(bomb.compress(bytes(1 << 20)) for _ in range(64)) + bomb.flush()
    assert len(load(tmp_path, data)) == 1  # what follows the attributes is left packed
    zstandard = pytest.importorskip("zstandard")
    good = version_4()
    frame = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    size = struct.unpack_from("<Q", good, 32)[0]
    body = frame + good[32 + 80 + size :]
    table = struct.pack("<Q", len(frame)) + good[40 : 32 + 80]
    with pytest.raises(InputError, match="positions"):
        load(tmp_path, good[:32] + table + body)


def test_extreme_values_saturate(tmp_path):
    splats = make(3)
    splats.log_scales[:] = [-3e38, 3e38, 0]
    splats.opacity_logits[:] = [-3e38, 3e38, 0]
    splats.sh_dc[:], splats.sh_rest[:], splats.quats[:] = 3e38, -3e38, 1e-30
    with np.errstate(all="raise", under="ignore"):
        spz.write(splats, tmp_path / "a.spz")
    back = spz.read(tmp_path / "a.spz")
    np.testing.assert_array_equal(back.log_scales[0], [-10, 5.9375, 0])
    assert np.isfinite(back.opacity_logits).all()
    np.testing.assert_allclose(np.abs(back.quats), 0.5, atol=0.002)


def test_noise_is_refused_or_read(tmp_path):
    """Flips and cuts of every version: an `InputError` or sound Gaussians, nothing else."""
    path = tmp_path / "a.spz"
    spz.write(make(20, 1), path)
    plain = gzip.decompress(path.read_bytes())
    rng = np.random.default_rng(0)
    for good in (path.read_bytes(), plain, gzip.compress(version_2()), version_4()):
        for _ in range(250):
            data = bytearray(good[: rng.integers(len(good) + 1) if rng.random() < 0.3 else None])
            for place in rng.integers(0, max(len(data), 1), rng.integers(1, 5)):
                if place < len(data):
                    data[place] = rng.integers(256)
            try:
                splats = load(tmp_path, bytes(data))
            except InputError:
                continue
            splats = clean(splats).splats
            for name in ATTRIBUTES:
                assert np.isfinite(getattr(splats, name)).all()


REAL = ["minimal-raw", "minimal-v2", "minimal-v3", "minimal-v4"]


@pytest.mark.parametrize("name", REAL)
def test_real_files(shared_data, name):
    """Four Gaussians on a square of side 1, of deviation 0.1 and opacity 0.9."""
    splats = spz.read(shared_data(f"splats/minimal/{name}.spz"))
    z = 1 if name in REAL[:2] else -1
    square = [[-1, 0, z], [0, 0, z], [-1, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(splats.means, square)
    np.testing.assert_allclose(np.exp(splats.log_scales), 0.1, rtol=0.02)
    np.testing.assert_allclose(1 / (1 + np.exp(-splats.opacity_logits)), 0.9, atol=0.002)
    np.testing.assert_allclose(splats.quats, [[1, 0, 0, 0]] * 4, atol=0.005)
    assert splats.degree == 0
    reds = splats.sh_dc[:, 0]
    assert reds[0] == reds[2] < 0 < reds[1] == reds[3]


def test_the_guitar(shared_data, tmp_path):
    splats = ply.read(shared_data("splats/guitar_30k.ply"))
    path = tmp_path / "guitar.spz"
    spz.write(splats, path)
    back = spz.read(path)
    assert np.abs(back.means - splats.means).max() <= 0.5 / 4096 + 1e-6
    inside = np.clip(splats.log_scales, -10, 5.9375)
    assert np.abs(back.log_scales - inside).max() <= 1 / 32 + 1e-6
    assert np.abs(matrices(back.quats) - matrices(splats.quats)).max() < 0.006
    stored = spz.decode(path.read_bytes(), path, into="as stored")
    np.testing.assert_array_equal(stored.means, back.means * [1, -1, -1])
    assert path.stat().st_size / len(splats) < 20
