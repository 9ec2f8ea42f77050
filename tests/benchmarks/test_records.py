"""A bench measures each cell once for what it depends on, and a peer computes what we compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from polyfield.benchmarks import running
from polyfield.benchmarks.catalogue import cells
from polyfield.benchmarks.cells import Cell, Folders, NotRun
from polyfield.benchmarks.torch_hash_grid import TorchHashGrid
from polyfield.fields import HashGrid


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every measurement that would have been taken, instead of a process for it."""
    taken: list[dict[str, Any]] = []

    def take(module: str, arguments: dict[str, Any]) -> dict[str, Any]:
        taken.append(arguments)
        return {"values": {"seconds": 1.5}}

    monkeypatch.setattr(running, "in_process", take)
    monkeypatch.setattr(running, "record_of", lambda cell, answer, revision, seconds: {
        "name": cell.name, "hash": cell.hash, "revision": revision, **answer,
    })  # fmt: skip
    monkeypatch.setattr(
        running,
        "is_current",
        lambda record, cell, revision: (
            bool(record) and (record["hash"], record["revision"]) == (cell.hash, revision)
        ),
    )
    return taken


def measure(cell: Cell, out: Path, revision: str = "a", **options: Any) -> dict[str, str]:
    return running.run_cells(
        [cell], out, Folders(), revision=revision, say=lambda _: None, **options
    )


def test_a_cell_is_measured_again_only_when_code_or_settings_differ(
    calls: list[dict[str, Any]], tmp_path: Path
) -> None:
    for _ in range(2):
        assert measure(Cell("s", "n", "m", {"x": 1}), tmp_path) == {}
    assert len(calls) == 1
    measure(Cell("s", "n", "m", {"x": 2}), tmp_path)
    measure(Cell("s", "n", "m", {"x": 2}), tmp_path, revision="b")
    measure(Cell("s", "n", "m", {"x": 2}), tmp_path, revision="b", fresh=True)
    assert [call["x"] for call in calls] == [1, 2, 2, 2]


def test_a_cell_whose_data_is_not_there_says_so(
    calls: list[dict[str, Any]], tmp_path: Path
) -> None:
    cell = Cell("s", "n", "m", data="fox")
    with pytest.raises(NotRun):
        cell.arguments(Folders())
    assert list(measure(cell, tmp_path)) == ["n"]
    assert not calls


@pytest.mark.parametrize("budget", ["quick", "default", "full"])
def test_cells_have_names_of_their_own(budget: str) -> None:
    names = [cell.name for cell in cells("all", budget)]
    assert names
    assert len(set(names)) == len(names)


def test_the_torch_peer_computes_the_same_features_and_gradients() -> None:
    grid = HashGrid(levels=4, features=2, log2_entries=8, base_resolution=4, max_resolution=64)
    torch.nn.init.normal_(grid.table)
    x = torch.rand(500, 3, generator=torch.Generator().manual_seed(0))
    peer = TorchHashGrid(grid)
    weight = torch.linspace(-1, 1, grid.out_dim)
    expected = grid(x)
    (gradient,) = torch.autograd.grad((expected * weight).sum(), grid.table)
    for features in (peer.gather(x, grid.table), peer.bags(x, grid.table)):
        torch.testing.assert_close(features, expected, atol=1e-4, rtol=1e-4)
        (theirs,) = torch.autograd.grad((features * weight).sum(), grid.table)
        torch.testing.assert_close(theirs, gradient, atol=1e-3, rtol=1e-3)
