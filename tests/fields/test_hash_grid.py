"""The hash grid's layout: levels as instant-ngp has them. Its values are in tests/kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyfield.errors import InputError
from polyfield.fields import HashGrid


def description(grid: HashGrid) -> tuple[np.ndarray, np.ndarray]:
    """Rows [hashed, size, first row, column, counts...] and [scales..., shift] of the levels."""
    kernels, d = grid.kernels, grid.in_dim
    assert kernels is not None
    return kernels.ints[1:].reshape(-1, 4 + d), kernels.floats.reshape(-1, d + 1)


def test_the_papers_configuration_has_the_papers_resolutions() -> None:
    """16 levels from 16 to 2048: growth 1.38 (equations 2 and 3)."""
    grid = HashGrid(16, 2, 14, 16, 2048)
    assert grid.resolutions == [
        16, 23, 31, 43, 59, 81, 112, 154, 213, 295, 407, 562, 777, 1073, 1483, 2048
    ]  # fmt: skip
    ints, floats = description(grid)
    growth = math.exp((math.log(2048) - math.log(16)) / 15)
    scales = [16 * growth**level - 1 for level in range(16)]
    assert floats[:, :3] == pytest.approx(np.repeat(scales, 3).reshape(-1, 3))
    assert (floats[:, 3] == 0.5).all()
    hashed, size = ints[:, 0], ints[:, 1]
    assert hashed.tolist() == [r**3 > 2**14 for r in grid.resolutions]
    assert (size[hashed == 1] == 2**14).all()


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    levels=st.integers(1, 12),
    features=st.integers(1, 4),
    log2_entries=st.integers(3, 10),
    base=st.integers(2, 20),
    more=st.integers(0, 100),
    d=st.integers(1, 4),
)
def test_levels_do_not_overlap_and_fill_the_table(
    levels: int, features: int, log2_entries: int, base: int, more: int, d: int
) -> None:
    grid = HashGrid(levels, features, log2_entries, base, base + more, in_dim=d)
    ints, floats = description(grid)
    hashed, size, first, column, counts = *ints[:, :4].T, ints[:, 4:]
    assert first.tolist() == np.concatenate([[0], np.cumsum(size)[:-1]]).tolist()
    assert column.tolist() == [level * features for level in range(levels)]
    assert grid.table.numel() == size.sum() * features
    assert grid.out_dim == levels * features
    assert grid.resolutions[0] == base
    if levels > 1:
        assert grid.resolutions[-1] == base + more
    assert grid.resolutions == sorted(grid.resolutions)
    for level in range(levels):
        vertices = int(counts[level, 0])
        assert (counts[level] == vertices).all()
        assert hashed[level] == (vertices**d > 2**log2_entries)
        dense = -(-(vertices**d) // 8) * 8
        assert size[level] == (2**log2_entries if hashed[level] else dense)
        # The last vertex a point of the cube can reach is the last one there is.
        assert math.floor(floats[level, 0] + 0.5) + 1 == vertices - 1


def test_values_start_small_and_follow_the_generator() -> None:
    first, again, other = (
        HashGrid(2, 2, 5, 4, 8, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first.table, again.table)
    assert not torch.equal(first.table, other.table)
    assert first.table.abs().max() <= 1e-4
    assert first.table.std() > 3e-5


def test_the_table_is_a_sparse_group_of_the_optimiser() -> None:
    (group,) = HashGrid(2, 2, 5, 4, 8).parameter_groups()
    assert group["sparse"]
    assert group["name"] == "grid"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("levels", 0),
        ("levels", 65),
        ("features", 0),
        ("features", 33),
        ("log2_entries", 2),
        ("log2_entries", 29),
        ("base_resolution", 1),
        ("max_resolution", 15),
        ("in_dim", 0),
        ("in_dim", 5),
    ],
)
def test_bad_arguments_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"^field.{field}: found {value}, expected") as error:
        HashGrid(**{field: value})
    assert error.value.field == f"field.{field}"
