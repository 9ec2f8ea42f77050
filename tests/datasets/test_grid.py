"""Signals on grids: where their samples lie, how they are scaled, turned and recorded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyfield.datasets.grid import Grid, make_grid, turned
from polyfield.errors import InputError

COUNTS = st.lists(st.integers(1, 7), min_size=1, max_size=3).map(tuple)


def grid_of(counts: tuple[int, ...], **settings: object) -> Grid:
    values = np.arange(int(np.prod(counts)), dtype=np.uint8).reshape(*counts, 1)
    return make_grid("volume", values, **settings)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(COUNTS)
def test_samples_are_cubes_in_the_middle_of_the_unit_cube(counts: tuple[int, ...]) -> None:
    grid = grid_of(counts)
    points = grid.points(torch.arange(grid.size)).view(*counts, len(counts)).double()
    assert torch.allclose(points.flatten(0, -2).mean(dim=0), torch.tensor(0.5).double(), atol=1e-6)
    cell = 1 / max(counts)
    for axis, n in enumerate(counts):
        along = points.movedim(axis, 0).reshape(n, -1, len(counts))[:, 0, axis]
        steps = torch.full((n - 1,), cell).double()
        assert torch.allclose(along.diff(), steps, atol=1e-6)
        assert along.min() > cell / 2 - 1e-6
        assert along.max() < 1 - cell / 2 + 1e-6
    assert grid.finest == max(counts)


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.integers(2, 4))
def test_a_finer_grid_has_the_same_extent(counts: tuple[int, ...], factor: int) -> None:
    grid = grid_of(counts)
    finer = tuple(n * factor for n in counts)
    points = grid.points(torch.arange(int(np.prod(finer))), finer).view(*finer, len(counts))
    coarse = grid.points(torch.arange(grid.size)).view(*counts, len(counts))
    first = points[tuple(slice(0, factor) for _ in counts)].flatten(0, -2).mean(dim=0)
    assert torch.allclose(first, coarse[(0,) * len(counts)], atol=1e-6)


def test_spacing_stretches_an_axis() -> None:
    grid = grid_of((4, 4), spacing=[1.0, 0.5])
    points = grid.points(torch.arange(16)).view(4, 4, 2)
    assert points[..., 0].max() - points[..., 0].min() == pytest.approx(0.75)
    assert points[..., 1].max() - points[..., 1].min() == pytest.approx(0.375)
    assert grid.finest == 8


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32"])
def test_numbers_come_back_as_they_were(dtype: str) -> None:
    random = np.random.default_rng(0)
    values = (random.random((5, 6, 2)) * 200 - (100 if dtype[0] != "u" else 0)).astype(dtype)
    grid = make_grid("image", values)
    scaled = grid.taken(torch.arange(30)).double().numpy()
    assert scaled.min() >= 0
    assert scaled.max() <= 1
    stored = grid.stored(scaled.reshape(5, 6, 2))
    assert stored.dtype == values.dtype == grid.values.dtype
    np.testing.assert_allclose(stored, values, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32"])
def test_what_is_above_the_peak_is_clipped_to_it(dtype: str) -> None:
    info = np.iinfo(dtype)
    grid = make_grid("audio", np.array([[info.min], [info.max]], dtype), span=(info.min, info.max))
    stored = grid.stored(np.array([[-0.1], [0.0], [1.0], [1.1]], np.float32))
    assert stored[:, 0].tolist() == [info.min, info.min, info.max, info.max]


@pytest.mark.parametrize("value", [0.0, -3.0, 1e17, -1e30, 3e38])
def test_numbers_that_are_all_the_same_are_finite(value: float) -> None:
    grid = make_grid("volume", np.full((2, 2, 2, 1), value, np.float32))
    scaled = grid.taken(torch.arange(8))
    assert (scaled == 0).all()
    np.testing.assert_array_equal(grid.stored(scaled.numpy()), np.float32(value))


def test_a_range_that_float32_does_not_hold_is_refused() -> None:
    with pytest.raises(InputError, match=r"found -3e\+38 to 3e\+38, expected a range of at most"):
        make_grid("volume", np.array([[-3e38], [3e38]], np.float32))


def test_the_digest_is_of_the_samples_in_their_order() -> None:
    values = np.arange(24, dtype=np.uint8).reshape(4, 6, 1)
    assert make_grid("image", np.asfortranarray(values)).digest == make_grid("image", values).digest
    assert make_grid("image", values[::-1]).digest != make_grid("image", values).digest


def test_other_types_are_brought_to_known_ones() -> None:
    def dtype(values: np.ndarray) -> str:
        return make_grid("volume", values[..., None]).dtype

    assert dtype(np.array([True, False])) == "uint8"
    assert dtype(np.array([0, 255], np.int64)) == "uint8"
    assert dtype(np.array([0, 256], np.uint64)) == "int16"
    assert dtype(np.array([0, 65535], ">u2")) == "uint16"
    assert dtype(np.array([0.0, 1.0])) == "float32"
    for bad in (np.array([1 << 40, 0]), np.array([1j]), np.array(["a"])):
        with pytest.raises(InputError, match="volume"):
            dtype(bad)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_where_it_is(value: float) -> None:
    values = np.zeros((3, 4, 1), np.float32)
    values[1, 2] = value
    with pytest.raises(InputError, match=r"NaN or infinity at \[1, 2\]"):
        make_grid("image", values, Path("x.exr"))


def test_a_record_is_the_grid_without_its_samples() -> None:
    grid = grid_of((3, 4), spacing=[1.0, 2.0], rate=2.5)
    again = Grid.of_record(json.loads(json.dumps(grid.record())))
    assert again.record() == grid.record()
    index = torch.arange(12)
    assert torch.equal(again.points(index), grid.points(index))
    with pytest.raises(InputError, match="is gone"):
        _ = again.values


def test_a_picture_turned_by_a_right_angle_is_its_transpose_turned() -> None:
    values = np.random.default_rng(0).integers(0, 255, (9, 9, 3), dtype=np.uint8)
    grid = make_grid("image", values)
    straight = turned(grid, 0).values
    np.testing.assert_array_equal(turned(grid, 90).values, np.rot90(straight))
    np.testing.assert_array_equal(turned(grid, -90).values, np.rot90(straight, -1))
    np.testing.assert_array_equal(turned(grid, 360).values, straight)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_picture_is_as_sharp_at_all_angles(dtype: str) -> None:
    """Noise, which has more fine detail than any photo: the energy of its gradient in the disc."""
    noise = np.random.default_rng(0).integers(0, 255, (120, 140, 1), dtype=np.uint8)
    grid = make_grid("image", noise.astype(dtype))
    energies = []
    for degrees in (0, 17, 30, 45, 52, 90):
        there = turned(grid, degrees)
        assert there.mask is not None
        values = there.values[..., 0].astype(np.float64)
        slopes = sum(
            slope**2
            for slope in (values[1:, 1:] - values[:-1, 1:], values[1:, 1:] - values[1:, :-1])
        )
        energies.append(slopes[there.mask[1:, 1:]].mean())
    np.testing.assert_allclose(energies, energies[0], rtol=0.1)


def test_a_turned_picture_counts_within_its_disc_only() -> None:
    y, x = np.mgrid[:40, :60]
    plain = np.stack([y * 4, x * 4, 0 * x], axis=-1).astype(np.float32)
    grid = make_grid("image", plain)
    there = turned(grid, 30)
    assert there.mask is not None
    assert there.mask.mean() == pytest.approx(np.pi * 20**2 / (40 * 60), abs=0.02)
    # Linear ramps are blurred into themselves, but at the border, and turned exactly.
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    v, u = y + 0.5 - 20, x + 0.5 - 30
    truth = 4 * np.stack([v * cos + u * sin + 19.5, u * cos - v * sin + 29.5], axis=-1)
    inner = there.mask & (v**2 + u**2 < 12**2)
    np.testing.assert_allclose(there.values[inner][:, :2], truth[inner], atol=1e-2)


def test_only_pictures_turn() -> None:
    with pytest.raises(InputError, match=r"task\.rotation"):
        turned(grid_of((3, 3, 3)), 10)
