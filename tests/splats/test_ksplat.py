"""The .ksplat files of GaussianSplats3D, built by hand in each level."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from polyfield.errors import InputError
from polyfield.splats import ksplat
from polyfield.splats.activations import opacities

SH0 = 0.28209479177387814


def bands(k: int, start: float) -> np.ndarray:
    """[3k] coefficients as the file has them: band after band, in each all of red first."""
    rest = start + np.arange(3 * k).reshape(k, 3)  # [k,3]
    parts = [rest[:3], rest[3:8]]
    return np.concatenate([part.T.ravel() for part in parts])


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_level_0(tmp_path: Path, ksplat_bytes: Callable, degree: int) -> None:
    k = [0, 3, 8][degree]
    records = [
        ([1, 2, 3], [0.5, 1, 2], [1, 0, 0, 0], [51, 102, 153, 204], bands(k, 1)),
        ([-1, 0, 5], [4, 0, 1], [0, 0, -1, 0], [255, 0, 0, 255], bands(k, -100)),
    ]
    (tmp_path / "a.ksplat").write_bytes(ksplat_bytes(0, [{"records": records, "degree": degree}]))
    splats = ksplat.read(tmp_path / "a.ksplat")
    np.testing.assert_array_equal(splats.means, [[1, 2, 3], [-1, 0, 5]])
    np.testing.assert_array_equal(splats.quats, [[1, 0, 0, 0], [0, 0, -1, 0]])
    np.testing.assert_allclose(np.exp(splats.log_scales), [[0.5, 1, 2], [4, 0, 1]], atol=1e-6)
    np.testing.assert_allclose(opacities(splats.opacity_logits), [0.8, 254.75 / 255], rtol=1e-6)
    np.testing.assert_allclose(splats.sh_dc * SH0 + 0.5, [[0.2, 0.4, 0.6], [1, 0, 0]], atol=1e-6)
    expected = np.stack([np.arange(3 * k).reshape(k, 3) + start for start in (1, -100)])
    np.testing.assert_array_equal(splats.sh_rest, expected)


@pytest.mark.parametrize("level", [1, 2])
def test_buckets(tmp_path: Path, ksplat_bytes: Callable, level: int) -> None:
    """Two full buckets of two, then two of one and three; positions count from their walls."""
    centers = [[10 * i, 100 * i, 1000 * i] for i in range(4)]
    buckets = [0, 0, 1, 1, 2, 3, 3, 3]
    stored = np.random.default_rng(0).integers(0, 65535, (8, 3))
    harmonics = [[0.5] * 9, range(0, 255, 30)][level - 1]
    records = [(place, [1, 2, 4], [0, 1, 0, 0], [1, 2, 3, 4], harmonics) for place in stored]
    section = {"records": records, "degree": 1, "centers": centers, "capacity": 2, "full": 2}
    section |= {"partial": [1, 3], "width": 6.0}
    data = ksplat_bytes(level, [section], sh_range=(-2, 3))
    (tmp_path / "a.ksplat").write_bytes(data)
    splats = ksplat.read(tmp_path / "a.ksplat")
    expected = np.array(centers)[buckets] + (stored - 32767) * (3 / 32767)
    np.testing.assert_allclose(splats.means, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(np.exp(splats.log_scales), [[1, 2, 4]] * 8, rtol=1e-6)
    np.testing.assert_array_equal(splats.quats, [[0, 1, 0, 0]] * 8)
    value = np.full(9, 0.5) if level == 1 else -2 + np.array(harmonics) / 255 * 5
    np.testing.assert_allclose(splats.sh_rest[0], value.reshape(3, 3).T, atol=1e-6)


def test_the_number_of_steps_may_be_stated(tmp_path: Path, ksplat_bytes: Callable) -> None:
    record = ([0, 100, 200], [1, 1, 1], [1, 0, 0, 0], [1, 2, 3, 4], [])
    section = {"records": [record], "centers": [[0, 0, 0]], "partial": [1], "half_steps": 100}
    (tmp_path / "a.ksplat").write_bytes(ksplat_bytes(1, [section]))
    np.testing.assert_allclose(ksplat.read(tmp_path / "a.ksplat").means, [[-2.5, 0, 2.5]])


def test_sections_lie_behind_each_other(tmp_path: Path, ksplat_bytes: Callable) -> None:
    """Harmonics that a section has none of are 0."""

    def record(x: float, k: int) -> tuple:
        return ([x, 0, 0], [1, 1, 1], [1, 0, 0, 0], [1, 2, 3, 4], [1] * (3 * k))

    sections = [
        {"records": [record(1, 3), record(2, 3)], "degree": 1},
        {"records": []},
        {"records": [record(3, 8)], "degree": 2},
        {"records": [record(4, 0)], "degree": 0},
    ]
    (tmp_path / "a.ksplat").write_bytes(ksplat_bytes(0, sections))
    splats = ksplat.read(tmp_path / "a.ksplat")
    np.testing.assert_array_equal(splats.means[:, 0], [1, 2, 3, 4])
    np.testing.assert_array_equal(splats.sh_rest[:, :, 0].sum(axis=1), [3, 3, 8, 0])


@pytest.fixture(scope="session")
def sound(ksplat_bytes: Callable) -> bytes:
    """A file of five Gaussians in three buckets."""
    records = [([i, i, i], [1, 1, 1], [1, 0, 0, 0], [1, 2, 3, 4], [0] * 9) for i in range(5)]
    section = {"records": records, "degree": 1, "centers": [[0, 0, 0]] * 3, "capacity": 2}
    return ksplat_bytes(1, [section | {"full": 1, "partial": [2, 1]}])


def test_a_file_cut_anywhere_is_refused(tmp_path: Path, sound: bytes) -> None:
    sizes = [0, 1, 23, 24, 4095, 4096, 4500, 5119, 5120]
    for size in [*sizes, *range(5121, len(sound), 9), len(sound) - 1]:
        (tmp_path / "a.ksplat").write_bytes(sound[:size])
        with pytest.raises(InputError, match=r"a\.ksplat"):
            ksplat.read(tmp_path / "a.ksplat")


@pytest.mark.parametrize(
    ("offset", "kind", "value", "message"),
    [
        (0, "B", 1, "no .ksplat file"),
        (1, "B", 0, "no .ksplat file"),
        (4, "I", 0, "no .ksplat file"),
        (4, "I", 2**32 - 1, "no .ksplat file"),
        (4, "I", 60000, "section 0"),
        (16, "I", 6, "expected 6"),
        (20, "H", 3, "no .ksplat file"),
        (4096, "I", 6, "found 6 Gaussians, expected at most 5"),
        (4096, "I", 4, "found 4 Gaussians in sections"),
        (4100, "I", 2**32 - 1, "section 0: found"),
        (4108, "I", 2**32 - 1, "section 0: found"),
        (4108, "I", 2, "at most 2"),
        (4116, "H", 16, "buckets of 16 bytes"),
        (4128, "I", 2**32 - 1, "at most 3"),
        (4132, "I", 2**32 - 1, "section 0: found"),
        (4136, "H", 3, "found degree 3, expected 0, 1 or 2"),
        (4104, "I", 0, "room for 3"),
    ],
)
def test_headers_are_not_believed(
    tmp_path: Path, sound: bytes, offset: int, kind: str, value: int, message: str
) -> None:
    changed = bytearray(sound)
    struct.pack_into(f"<{kind}", changed, offset, value)
    (tmp_path / "a.ksplat").write_bytes(changed)
    tracemalloc.start()
    with pytest.raises(InputError, match=message):
        ksplat.read(tmp_path / "a.ksplat")
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_no_gaussians_are_refused(tmp_path: Path, ksplat_bytes: Callable) -> None:
    (tmp_path / "a.ksplat").write_bytes(ksplat_bytes(0, [{"records": []}]))
    with pytest.raises(InputError, match="no Gaussians"):
        ksplat.read(tmp_path / "a.ksplat")


def test_a_real_file(shared_data: Callable) -> None:
    splats = ksplat.read(shared_data("splats/minimal/minimal.ksplat"))
    np.testing.assert_array_equal(splats.means[:, [0, 2]], [[-1, -1], [0, -1], [-1, 0], [0, 0]])
    np.testing.assert_allclose(np.exp(splats.log_scales), 0.1, rtol=1e-6)
    np.testing.assert_allclose(opacities(splats.opacity_logits), 230 / 255, rtol=1e-5)
