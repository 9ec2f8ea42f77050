"""The dense grid's layout and refusals. Its values are in tests/kernels."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from polyfield.errors import InputError
from polyfield.fields import DenseGrid


def test_a_group_of_channels_is_a_lattice_of_its_own() -> None:
    """What lets density be read, and groups be differentiated, without touching the others."""
    grid = DenseGrid((4, 3, 5), channels=12)
    assert grid.out_dim == 12
    assert grid.grid.numel() == 4 * 3 * 5 * 12
    group = grid.grid.numel() // 3
    with torch.no_grad():
        for i in range(3):
            grid.grid[i * group : (i + 1) * group] = i + 1.0
    x = torch.rand(20, 3, generator=torch.Generator().manual_seed(0))
    right = torch.tensor([1.0, 2.0, 3.0]).repeat_interleave(4).expand(20, 12)
    torch.testing.assert_close(grid(x).detach(), right)


def test_one_number_serves_every_axis() -> None:
    assert DenseGrid(7, channels=4, in_dim=2).counts == [7, 7]
    assert DenseGrid(7, channels=4, in_dim=4).grid.numel() == 7**4 * 4


def test_time_may_have_a_number_of_its_own() -> None:
    assert DenseGrid([7], channels=4, in_dim=4, time_resolution=3).counts == [7, 7, 7, 3]
    assert DenseGrid(7, channels=4, in_dim=3, time_resolution=3).counts == [7, 7, 7]


def test_initial_values_follow_the_generator() -> None:
    first, again = (
        DenseGrid(8, generator=torch.Generator().manual_seed(1), initial=0.2) for _ in range(2)
    )
    assert torch.equal(first.grid, again.grid)
    assert float(first.grid.detach().std()) == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"resolution": 1}, "field.resolution"),
        ({"resolution": 1025}, "field.resolution"),
        ({"resolution": (4, 4)}, "field.resolution"),
        ({"resolution": (4, 4, 1)}, "field.resolution"),
        ({"channels": 0}, "field.channels"),
        ({"channels": 6}, "field.channels"),
        ({"in_dim": 0, "resolution": 4}, "field.in_dim"),
        ({"in_dim": 5, "resolution": 2}, "field.in_dim"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as error:
        DenseGrid(**arguments)
    assert error.value.field == field
