"""Compressed PLY: words packed by hand, and what a round trip may cost."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyfield.errors import InputError
from polyfield.splats import Splats, compressed_ply, ply
from polyfield.splats.activations import opacities
from polyfield.splats.cleaning import ATTRIBUTES
from polyfield.splats.morton import morton_order

RANGES = "min_x min_y min_z max_x max_y max_z min_scale_x min_scale_y min_scale_z max_scale_x"
RANGES += " max_scale_y max_scale_z"
COLORS = "min_r min_g min_b max_r max_g max_b"
SH0 = 0.28209479177387814


def by_hand(
    words: list[tuple[int, int, int, int]],
    ranges: list[float],
    sh: list[list[int]] | None = None,
) -> bytes:
    """A file of one chunk."""
    names = RANGES.split() + (COLORS.split() if len(ranges) == 18 else [])
    lines = ["ply", "format binary_little_endian 1.0", "comment of ours", "element chunk 1"]
    lines += [f"property float {name}" for name in names] + [f"element vertex {len(words)}"]
    lines += [f"property uint packed_{part}" for part in ("position", "rotation", "scale", "color")]
    if sh:
        lines += [f"element sh {len(sh)}"]
        lines += [f"property uchar f_rest_{i}" for i in range(len(sh[0]))]
    data = struct.pack(f"<{len(ranges)}f", *ranges)
    data += b"".join(struct.pack("<4I", *row) for row in words)
    return "\n".join([*lines, "end_header\n"]).encode() + data + b"".join(map(bytes, sh or []))


# Positions in [-1,1] x [0,2] x [4,8], log-scales in [-6,-2], [-5,-1] and [-4,0].
PLACES = [-1, 0, 4, 1, 2, 8, -6, -5, -4, -2, -1, 0]
WORDS = [
    (0, 0 << 30 | 1023 << 20 | 0 << 10 | 512, 2047 << 21 | 1023 << 11 | 2047, 0xFF8000FF),
    (2047 << 21 | 1023 << 11 | 2047, 1 << 30 | 512 << 20 | 512 << 10 | 512, 0, 0x336699CC),
    (1 << 21 | 2 << 11 | 3, 3 << 30 | 1023 << 20 | 512 << 10 | 512, 4 << 21 | 5 << 11 | 6, 1),
]


def test_words_packed_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "a.ply"
    file.write_bytes(by_hand(WORDS, [*PLACES, 0, 0.5, -1, 1, 1.5, 1]))
    splats = compressed_ply.read(file)
    means = [[-1, 0, 4], [1, 2, 8], [-1 + 2 / 2047, 2 * 2 / 1023, 4 + 4 * 3 / 2047]]
    np.testing.assert_allclose(splats.means, means, rtol=1e-6)
    scales = [[-2, -1, 0], [-6, -5, -4]]
    scales += [[-6 + 4 * 4 / 2047, -5 + 4 * 5 / 1023, -4 + 4 * 6 / 2047]]
    np.testing.assert_allclose(splats.log_scales, scales, rtol=1e-6)
    root = np.sqrt(0.5)
    half = (512 / 1023 - 0.5) / root  # what 512 stands for: not quite 0
    quats = [
        [np.sqrt(max(0, 1 - 0.5 - 0.5 - half**2)), root, -root, half],
        [half, np.sqrt(1 - 3 * half**2), half, half],
        [root, half, half, np.sqrt(0.5 - 2 * half**2)],
    ]
    np.testing.assert_allclose(splats.quats, quats, atol=2e-4)
    colors = np.array([[0xFF, 0x80, 0], [0x33, 0x66, 0x99], [0, 0, 0]]) / 255
    colors = colors * [1, 1, 2] + [0, 0.5, -1]
    np.testing.assert_allclose(splats.sh_dc, (colors - 0.5) / SH0, atol=1e-5)
    opacity = [254.75 / 255, 0xCC / 255, 1 / 255]
    np.testing.assert_allclose(opacities(splats.opacity_logits), opacity, rtol=1e-5)


def test_chunks_without_ranges_of_colour(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(by_hand(WORDS, PLACES))
    splats = compressed_ply.read(tmp_path / "a.ply")
    colors = np.array([[0xFF, 0x80, 0], [0x33, 0x66, 0x99], [0, 0, 0]]) / 255
    np.testing.assert_allclose(splats.sh_dc, (colors - 0.5) / SH0, atol=1e-5)


@pytest.mark.parametrize("k", [3, 8, 15])
def test_harmonics_are_bytes_with_all_of_red_first(tmp_path: Path, k: int) -> None:
    levels = [[(5 * i + 3 * j) % 256 for i in range(3 * k)] for j in range(3)]
    levels[0][0], levels[0][1] = 0, 255
    (tmp_path / "a.ply").write_bytes(by_hand(WORDS, PLACES, levels))
    values = ((np.array(levels) + 0.5) / 256 - 0.5) * 8
    values[0, :2] = -4, 4
    rest = compressed_ply.read(tmp_path / "a.ply").sh_rest
    np.testing.assert_allclose(rest, values.reshape(3, 3, k).transpose(0, 2, 1), atol=1e-6)


def test_one_gaussian_is_written_as_by_hand(tmp_path: Path) -> None:
    """Its ranges have no extent, so that the words of position, scale and colour are 0."""
    rest = np.array([[[0, 4, -4], [0.03, -0.03, 1], [-9, 9, 0]]])
    splats = Splats(
        *(np.array([[1, 2, 3]]), np.array([[0, 0, -2, 0]]), np.array([[-3, -30, 1]])),
        *(np.array([np.log(3)]), np.array([[0, 1, 2]]), rest),
    )
    file = tmp_path / "a.ply"
    compressed_ply.write(splats, file)
    colors = np.float32(0.5) + np.float32(SH0) * np.arange(3, dtype=np.float32)
    ranges = [1, 2, 3, 1, 2, 3, -3, -20, 1, -3, -20, 1, *colors, *colors]
    # Opacity 3/4; half a turn about y, whose sign does not matter; all of red before green.
    word = (0, 2 << 30 | 512 << 20 | 512 << 10 | 512, 0, 191)
    sh = [128, 128, 0, 255, 127, 255, 0, 160, 128]
    expected = by_hand([word], ranges, [sh]).replace(b"comment of ours\n", b"")
    assert file.read_bytes() == expected


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(1, 600), st.integers(0, 3), st.integers(0, 2**32 - 1), st.floats(1e-3, 1e4))
def test_a_round_trip_costs_no_more_than_a_step(
    tmp_path: Path,
    gaussians: Callable,
    turned_apart: Callable,
    n: int,
    degree: int,
    seed: int,
    spread: float,
) -> None:
    splats = gaussians(n, degree, seed)
    splats = Splats(**{**vars(splats), "means": splats.means * np.float32(spread)})
    compressed_ply.write(splats, tmp_path / "a.ply")
    back = compressed_ply.read(tmp_path / "a.ply")
    order = morton_order(splats.means)
    assert (np.sort(order) == np.arange(n)).all()
    was = {name: getattr(splats, name)[order] for name in ATTRIBUTES}
    for start in range(0, n, 256):
        rows = slice(start, start + 256)
        for name, steps in (
            ("means", [2047, 1023, 2047]),
            ("log_scales", [2047, 1023, 2047]),
            ("sh_dc", [255, 255, 255]),
        ):
            extent = np.ptp(was[name][rows], axis=0)
            apart = np.abs(getattr(back, name)[rows] - was[name][rows])
            tiny = 4e-7 * (1 + np.abs(was[name]).max())
            assert (apart <= 0.501 * extent / steps + tiny).all(), name
    # Three components half a step off each, and what follows for the fourth.
    assert turned_apart(back.quats, was["quats"]).max() < 2 * 2 * np.sqrt(3) * np.sqrt(0.5) / 1023
    apart = opacities(back.opacity_logits) - opacities(was["opacity_logits"])
    assert np.abs(apart).max() < 0.501 / 255
    within = np.abs(was["sh_rest"]) < 3.9
    assert (np.abs(back.sh_rest - was["sh_rest"])[within] < 0.5001 / 32).all()


def test_chunks_are_compact() -> None:
    points = np.random.default_rng(0).uniform(size=(64 * 256, 3)).astype(np.float32)
    extents = np.ptp(points[morton_order(points)].reshape(64, 256, 3), axis=1)
    assert 0.25 <= extents.mean() < 0.4  # cubes of a quarter of the side are the least


def test_the_mip_filter_is_noted(tmp_path: Path, gaussians: Callable) -> None:
    compressed_ply.write(Splats(**{**vars(gaussians()), "antialiased": True}), tmp_path / "a.ply")
    assert compressed_ply.read(tmp_path / "a.ply").antialiased


def test_none_are_written_and_read(tmp_path: Path, gaussians: Callable) -> None:
    compressed_ply.write(gaussians(0, 2), tmp_path / "a.ply")
    assert compressed_ply.read(tmp_path / "a.ply").sh_rest.shape == (0, 8, 3)


SOUND = by_hand(WORDS, [*PLACES, 0, 0, 0, 1, 1, 1], [[0] * 9] * 3)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"element chunk 1", b"element chunk 2", "element|chunks"),
        (b"element chunk 1", b"element chunk 4000000000", "4,000,000,000 rows"),
        (b"element vertex 3", b"element vertex 257", "bytes"),
        (b"element vertex 3", b"element vertex 99999999999", "99,999,999,999 rows"),
        (b"element sh 3", b"element sh 2", "element sh: found 2 rows, expected 3"),
        (b"element sh 3", b"element sh 4", "36 bytes|rows"),
        (b"float min_x", b"uint min_x", "element chunk: no compressed PLY, found <u4"),
        (b"float max_b", b"float max_c", "expected max_b"),
        (b"uint packed_color", b"float packed_color", "packed_color of type u4"),
        (b"packed_scale", b"packed_skale", "found no packed_scale"),
        (b"uchar f_rest_3", b"char f_rest_3", "f_rest_3 of type u1"),
        (b"f_rest_3", b"f_rest_30", "found 9 coefficients"),
        (b"element chunk", b"element chonk", "expected chunk"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, old: bytes, new: bytes, message: str) -> None:
    assert old in SOUND
    (tmp_path / "a.ply").write_bytes(SOUND.replace(old, new, 1))
    tracemalloc.start()
    with pytest.raises(InputError, match=message):
        compressed_ply.read(tmp_path / "a.ply")
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_a_chunk_too_few_is_refused(tmp_path: Path, gaussians: Callable) -> None:
    compressed_ply.write(gaussians(257), tmp_path / "a.ply")
    data = (tmp_path / "a.ply").read_bytes()
    (tmp_path / "a.ply").write_bytes(data.replace(b"chunk 2", b"chunk 1"))
    with pytest.raises(InputError, match="found 1 chunks, expected 2"):
        compressed_ply.read(tmp_path / "a.ply")


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    for size in [*range(0, len(SOUND), 13), *range(len(SOUND) - 30, len(SOUND))]:
        (tmp_path / "a.ply").write_bytes(SOUND[:size])
        with pytest.raises(InputError):
            compressed_ply.read(tmp_path / "a.ply")


def test_guitar_decodes_as_others_decode_it(shared_data: Callable, turned_apart: Callable) -> None:
    guitar = compressed_ply.read(shared_data("splats/guitar.compressed.ply"))
    assert len(guitar) == 90_854
    others = ply.read(shared_data("splats/guitar_30k.ply"))
    n = len(others)
    assert n == 30_000
    for name in ("means", "log_scales", "sh_dc"):
        np.testing.assert_allclose(getattr(guitar, name)[:n], getattr(others, name), atol=1e-6)
    assert turned_apart(guitar.quats[:n], others.quats).max() < 1e-5
    apart = opacities(guitar.opacity_logits[:n]) - opacities(others.opacity_logits)
    assert np.abs(apart).max() < 0.3 / 255  # full opacity stands for half a step less there


def test_guitar_is_written_as_small_and_as_well(shared_data: Callable, tmp_path: Path) -> None:
    source = shared_data("splats/guitar.compressed.ply")
    guitar = compressed_ply.read(source)
    compressed_ply.write(guitar, tmp_path / "b.ply")
    assert (tmp_path / "b.ply").stat().st_size <= source.stat().st_size
    back = compressed_ply.read(tmp_path / "b.ply")
    apart = np.abs(back.means - guitar.means[morton_order(guitar.means)])
    assert apart.max() < 1e-3
    assert np.median(apart) < 5e-5
