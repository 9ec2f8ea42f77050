"""Which rays meet something, against marching along all of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from polyfield.kernels.meets import meets
from polyfield.kernels.packed_reference import march_reference


@pytest.mark.parametrize("kind", ["box", "contract_linf"])
def test_rays_that_meet_something_are_those_with_a_sample(
    kind: str, cells: Tensor, make_beam: Any, make_geometry: Any
) -> None:
    origins, directions, jitter = make_beam(400, seed=5)
    geometry = make_geometry(cells, kind=kind, step=0.02)
    right = march_reference(origins, directions, torch.full_like(jitter, 0.5), geometry)
    met = meets(origins, directions, geometry)
    assert torch.equal(met, right.offsets.diff() > 0)
    assert met.any()
    hidden = geometry.distances.copy()
    hidden[:] = 1
    assert not meets(origins, directions, geometry._replace(distances=hidden)).any()
    assert len(meets(origins[:0], directions[:0], geometry)) == 0
