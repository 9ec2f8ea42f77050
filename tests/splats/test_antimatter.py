"""The 32-byte records of .splat files."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyfield.errors import InputError
from polyfield.splats import Splats, antimatter
from polyfield.splats.activations import opacities

SH0 = 0.28209479177387814


def test_bytes_by_hand(tmp_path: Path) -> None:
    """The larger one first, although it is given last; colours outside [0,1] are cut."""
    small = struct.pack("<6f8B", 1, 2, 3, 0.5, 0.25, 0.125, 255, 0, 128, 204, 128, 128, 0, 128)
    large = struct.pack("<6f8B", -1, -2, -3, 4, 1, 2, 51, 102, 153, 64, 255, 128, 128, 128)
    colors = np.array([[1.5, -2, 128 / 255], [0.2, 0.4, 0.6]])
    splats = Splats(
        means=np.array([[1, 2, 3], [-1, -2, -3]]),
        quats=np.array([[0, 0, -5, 0], [1, 0, 0, 0]]),
        log_scales=np.log([[0.5, 0.25, 0.125], [4, 1, 2]]),
        opacity_logits=np.array([np.log(4), np.log(64 / 191)]),
        sh_dc=(colors - 0.5) / SH0,
        sh_rest=np.ones((2, 15, 3)),
    )
    antimatter.write(splats, tmp_path / "a.splat")
    written = (tmp_path / "a.splat").read_bytes()
    assert [written[32 * i + 24 : 32 * i + 32] for i in (0, 1)] == [large[24:], small[24:]]
    floats = np.frombuffer(written, "<f4").reshape(2, 8)[:, :6]
    np.testing.assert_allclose(floats, [[-1, -2, -3, 4, 1, 2], [1, 2, 3, 0.5, 0.25, 0.125]], 1e-6)

    (tmp_path / "b.splat").write_bytes(small + large)
    back = antimatter.read(tmp_path / "b.splat")
    np.testing.assert_array_equal(back.means, splats.means)
    np.testing.assert_allclose(back.log_scales, splats.log_scales, atol=1e-6)
    np.testing.assert_array_equal(back.quats, [[0, 0, -1, 0], [127 / 128, 0, 0, 0]])
    cut = (np.clip(colors, 0, 1) - 0.5) / SH0
    np.testing.assert_allclose(back.sh_dc, cut, atol=1e-6)
    np.testing.assert_allclose(opacities(back.opacity_logits), [0.8, 64 / 255], rtol=1e-6)
    assert back.degree == 0


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_a_round_trip_costs_no_more_than_a_step(
    tmp_path: Path, gaussians: Callable, turned_apart: Callable, n: int, seed: int
) -> None:
    splats = gaussians(n, 1, seed)
    antimatter.write(splats, tmp_path / "a.splat")
    assert (tmp_path / "a.splat").stat().st_size == 32 * n
    back = antimatter.read(tmp_path / "a.splat")
    order = [int(np.flatnonzero((splats.means == mean).all(1))[0]) for mean in back.means]
    assert sorted(order) == list(range(n))
    weights = np.exp(splats.log_scales.sum(1)) * opacities(splats.opacity_logits)
    assert (np.diff(weights[order]) <= 1e-6 * weights[order][:-1]).all()
    np.testing.assert_allclose(back.log_scales, splats.log_scales[order], atol=1e-5)
    assert turned_apart(back.quats, splats.quats[order]).max() < 2 * 2 / 128
    apart = opacities(back.opacity_logits) - opacities(splats.opacity_logits[order])
    assert np.abs(apart).max() < 0.501 / 255
    colors, expected = (np.clip(0.5 + SH0 * s, 0, 1) for s in (back.sh_dc, splats.sh_dc[order]))
    assert np.abs(colors - expected).max() < 0.501 / 255


def test_every_byte_is_written_as_it_was_read(tmp_path: Path) -> None:
    """What stands for an opacity or a colour is what rounds to it again."""
    records = [struct.pack("<6f8B", 0, 0, i, 1, 1, 1, i, i, i, i, i, 255, 0, i) for i in range(256)]
    (tmp_path / "a.splat").write_bytes(b"".join(reversed(records)))
    antimatter.write(antimatter.read(tmp_path / "a.splat"), tmp_path / "b.splat")
    written = (tmp_path / "b.splat").read_bytes()
    assert [written[32 * i + 24 : 32 * i + 28] for i in range(256)] == [
        bytes([level] * 4) for level in range(255, -1, -1)
    ]


def test_a_flat_gaussian_stays_one(tmp_path: Path) -> None:
    record = struct.pack("<6f8B", 0, 0, 0, 1, 0, -1, 9, 9, 9, 9, 255, 128, 128, 128)
    (tmp_path / "a.splat").write_bytes(record + struct.pack("<6f8B", *[1] * 14))
    flat = antimatter.read(tmp_path / "a.splat").log_scales[0]
    assert flat[0] == 0
    assert -100 < flat[1] < -20
    assert np.isnan(flat[2])


@pytest.mark.parametrize("size", [0, 1, 31, 33, 63])
def test_parts_of_records_are_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "a.splat").write_bytes(bytes(size))
    with pytest.raises(InputError, match=f"found {size} bytes, expected whole records of 32"):
        antimatter.read(tmp_path / "a.splat")


def test_records_of_nonsense_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.splat").write_bytes(b"\xff" * 320)
    with pytest.raises(InputError, match="found 0 of 10 records"):
        antimatter.read(tmp_path / "a.splat")


def test_real_files(shared_data: Callable) -> None:
    airplane = antimatter.read(shared_data("splats/airplane.splat"))
    assert len(airplane) == 29_911
    assert np.isfinite(airplane.log_scales).all()
    minimal = antimatter.read(shared_data("splats/minimal/minimal.splat"))
    np.testing.assert_array_equal(minimal.means[:, [0, 2]], [[-1, -1], [0, -1], [-1, 0], [0, 0]])
    np.testing.assert_allclose(np.exp(minimal.log_scales), 0.1, rtol=1e-6)
