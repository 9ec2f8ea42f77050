"""The user's word decides which twin runs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NoReturn

import pytest
import torch

from polyfield.kernels.choice import plain
from polyfield.kernels.distances import cell_distances
from polyfield.kernels.interlevel import interlevel, ray_weights
from polyfield.kernels.resample import distances, place, ray_spans, resample
from polyfield.kernels.spherical_harmonics import spherical_harmonics

BOUNDS = torch.tensor([[-1.0] * 3, [1.0] * 3])
EDGES = torch.linspace(0, 1, 5).expand(3, 5)
WEIGHTS = torch.rand(3, 4, generator=torch.Generator().manual_seed(0))
RAYS = (torch.zeros(3, 3), torch.nn.functional.normalize(torch.arange(9.0).view(3, 3) + 1))
OPERATIONS: dict[str, Callable[[], Any]] = {
    "spherical_harmonics": lambda: spherical_harmonics(RAYS[1], 2),
    "cell_distances": lambda: cell_distances(torch.ones(8, dtype=torch.uint8), 2),
    "ray_spans": lambda: ray_spans(*RAYS, BOUNDS, 0, 0.1, 9.0),
    "distances": lambda: distances(EDGES, torch.tensor([[0.1, 9.0]]).expand(3, 2), "power"),
    "place": lambda: place(EDGES, *RAYS, BOUNDS, 0),
    "resample": lambda: resample(EDGES, WEIGHTS, torch.full((3,), 0.5), 6),
    "ray_weights": lambda: ray_weights(WEIGHTS, EDGES.diff()),
    "interlevel": lambda: interlevel(EDGES, WEIGHTS, EDGES, WEIGHTS),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_nothing_compiled_runs_where_the_reference_is_asked_for(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> NoReturn:
        raise AssertionError("a compiled kernel was launched")

    right = OPERATIONS[name]()
    monkeypatch.setattr(import_module("polyfield.kernels.launch"), "_blas", refuse)
    with pytest.raises(AssertionError, match="compiled"):
        OPERATIONS[name]()
    monkeypatch.setenv("POLYFIELD_KERNELS", "reference")
    torch.testing.assert_close(OPERATIONS[name](), right)


def test_only_the_word_reference_forces_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    for word, forced in (("reference", True), ("cpu", False), ("", False)):
        monkeypatch.setenv("POLYFIELD_KERNELS", word)
        assert plain(torch.zeros(1)) is forced
    monkeypatch.delenv("POLYFIELD_KERNELS")
    assert not plain(torch.zeros(1))
    assert plain(torch.zeros(1, device="meta"))
