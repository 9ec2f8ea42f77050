"""Which photos are compared."""

from __future__ import annotations

import pytest

from polyfield.structure.pairs import LOOK, NEIGHBOURS, pairs, resolve


@pytest.mark.parametrize("n", [3, 12, 100])
def test_exhaustive_is_each_with_each(n: int) -> None:
    assert len(set(pairs("exhaustive", n))) == n * (n - 1) // 2


@pytest.mark.parametrize("n", [3, 12, 100, 257])
def test_sequential_is_neighbours_and_where_a_path_closes(n: int) -> None:
    found = pairs("sequential", n)
    assert found == sorted(set(found))
    assert all(0 <= i < j < n for i, j in found)
    near = {(i, j) for i in range(n) for j in range(i + 1, min(n, i + NEIGHBOURS + 1))}
    assert near <= set(found)
    last = (n - 1) // LOOK * LOOK
    assert last == 0 or (0, last) in found
    if n == 257:
        assert len(found) < 0.2 * n * (n - 1) / 2


def test_auto_follows_from_what_there_is() -> None:
    assert resolve("auto", 250, video=False) == "exhaustive"
    assert resolve("auto", 251, video=False) == "sequential"
    assert resolve("auto", 20, video=True) == "sequential"
    assert resolve("exhaustive", 999, video=True) == "exhaustive"
