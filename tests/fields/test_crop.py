"""Fields that spend themselves on a part of what they covered: the same there, and finer."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from polyfield.errors import InputError
from polyfield.fields import (
    CP,
    TT,
    VM,
    DenseGrid,
    Domain,
    HashGrid,
    KPlanes,
    RadianceDecoder,
    RadianceField,
    TriPlane,
    Tucker,
)
from polyfield.fields.resampling import resampled, spread

LATTICES: list[tuple[Any, dict[str, Any]]] = [
    (CP, {"density": 4, "color": 8}),
    (VM, {"density": 6, "color": 12}),
    (KPlanes, {"channels": 8}),
    (TriPlane, {"channels": 8}),
    (TT, {"channels": 8, "rank": 3}),
    (Tucker, {"channels": 8, "rank": 3}),
    (DenseGrid, {"channels": 8}),
]
CUBE = ([0.25, 0.0, 0.5], [0.75, 0.5, 1.0])
SLAB = ([0.0, 0.5, 0.0], [1.0, 1.0, 0.25])


def within(x: torch.Tensor, box: Any) -> torch.Tensor:
    """Points of a part of the unit cube, of points of the whole."""
    lower, upper = (torch.tensor(corner, dtype=x.dtype) for corner in box)
    return lower + x * (upper - lower)


def vertices(counts: Any) -> torch.Tensor:
    return torch.cartesian_prod(*[torch.linspace(0, 1, n, dtype=torch.float64) for n in counts])


@pytest.mark.parametrize(("family", "arguments"), LATTICES)
@pytest.mark.parametrize("box", [CUBE, SLAB], ids=["cube", "slab"])
def test_at_its_new_vertices_a_field_is_what_it_was_there(
    family: Any, arguments: dict[str, Any], box: Any
) -> None:
    """Interpolation is exact at vertices, for each factor and so for what is made of them."""
    grid = family(resolution=9, **arguments).double()
    (old,) = [p for p in grid.parameters() if p.numel() == len(grid.params)]
    counts = [n + 1 for n in grid.cells]
    before = grid.reference(within(vertices(counts), box))
    (replaced,) = grid.crop(box)
    if box is CUBE:
        assert [n + 1 for n in grid.cells] == counts
    else:
        before = None
    assert replaced.old is old
    assert replaced.new is grid.params
    torch.testing.assert_close(replaced.carry(old.detach()), grid.params.detach())
    if before is not None:
        torch.testing.assert_close(grid.reference(vertices(counts)), before)
        torch.testing.assert_close(grid(vertices(counts)), before)


def test_cells_of_a_slab_become_cubes_and_are_as_many() -> None:
    grid = VM(resolution=64, density=3, color=3)
    grid.crop(SLAB)
    counts = torch.tensor([n + 1.0 for n in grid.cells])
    edges = torch.tensor([1.0, 0.5, 0.25])
    torch.testing.assert_close(counts / edges, (counts / edges).mean().expand(3), rtol=0.02, atol=0)
    assert float(counts.prod()) == pytest.approx(64**3, rel=0.03)
    dense = DenseGrid(16, channels=4)
    dense.crop(SLAB)
    assert dense.counts == [32, 16, 8]


def test_a_crop_of_a_crop_is_the_crop_of_both() -> None:
    twice, once = (
        VM(resolution=32, density=3, color=3, generator=torch.Generator().manual_seed(0))
        for _ in range(2)
    )
    half = ([0.0, 0.0, 0.0], [0.5, 1.0, 1.0])
    twice.crop(half)
    twice.crop(([0.0, 0.0, 0.0], [1.0, 0.5, 1.0]))
    once.crop(([0.0, 0.0, 0.0], [0.5, 0.5, 1.0]))
    assert twice.cells == once.cells


def test_resolution_rises_in_the_shape_of_the_box() -> None:
    grid = VM(resolution=64, density=3, color=3, coarse=0.5, upsample=[0.5])
    grid.crop(SLAB)
    assert [n + 1 for n in grid.cells] == [64, 32, 16]
    grid.grow(0, 0.5)
    assert [n + 1 for n in grid.cells] == [128, 64, 32]


def test_a_whole_box_changes_nothing() -> None:
    values = torch.randn(4, 5, 2)
    whole = ([0.0, 0.0], [1.0, 1.0])
    assert resampled(values, (4, 5)) is values
    torch.testing.assert_close(resampled(values, (4, 5), whole), values)
    assert spread([0.5, 0.5, 0.5]) == pytest.approx([1.0, 1.0, 1.0])
    assert spread([1.0, 0.25]) == pytest.approx([2.0, 0.5])


def test_a_cropped_field_is_the_same_in_the_world() -> None:
    """Linear functions survive interpolation, so that they are equal everywhere, not at vertices
    alone."""
    domain = Domain(torch.tensor([[-1.0, -2.0, 0.0], [1.0, 2.0, 4.0]]))
    grid = DenseGrid(9, channels=28).double()
    ramp = vertices([9, 9, 9]).sum(dim=1)
    with torch.no_grad():
        grid.grid.copy_(ramp.view(9, 9, 9).permute(2, 1, 0).reshape(1, -1, 1).expand(7, -1, 4)
                        .reshape(-1))  # fmt: skip
    decoder = RadianceDecoder(28, None, color="sh", sh_degree=2).double()
    field = RadianceField(domain, grid, decoder)
    x = within(torch.rand(100, 3, dtype=torch.float64), CUBE)
    world = domain.to_world(x)
    before = field.density(world).detach()
    field.crop(CUBE)
    torch.testing.assert_close(domain.bounds, torch.tensor([[-0.5, -2, 2], [0.5, 0, 4]]))
    torch.testing.assert_close(field.density(world).detach(), before)
    outside = torch.tensor([[0.9, 0.0, 1.0]], dtype=torch.float64)
    assert float(field.density(outside).detach()) == 0.0


def test_what_cannot_be_cropped_says_so_by_name() -> None:
    with pytest.raises(InputError, match="HashGrid"):
        HashGrid(4, 2, 6).crop(CUBE)
    tilted = VM(resolution=8, transforms=4)
    assert not tilted.croppable
    with pytest.raises(InputError, match=r"field\.transforms"):
        tilted.crop(CUBE)
    with pytest.raises(InputError, match=r"domain\.kind"):
        Domain(torch.tensor([[-1.0] * 3, [1.0] * 3]), "contract_l2").crop(CUBE)
