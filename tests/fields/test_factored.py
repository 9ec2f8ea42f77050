"""Factored grids: what the families are made of, how they grow, what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from polyfield.errors import InputError
from polyfield.fields import CP, TT, VM, FactoredGrid, KPlanes, TriPlane, Tucker
from polyfield.fields.factored.families import TIED

FAMILIES: list[tuple[Any, dict[str, Any]]] = [
    (CP, {"density": 4, "color": 8}),
    (VM, {"density": 6, "color": 12}),
    (KPlanes, {"channels": 8}),
    (TriPlane, {"channels": 8}),
    (TT, {"channels": 8, "rank": 3}),
    (Tucker, {"channels": 8, "rank": 3}),
]


def points(n: int = 200, d: int = 3) -> torch.Tensor:
    return torch.rand(n, d, generator=torch.Generator().manual_seed(0))


def axes_of(grid: FactoredGrid) -> list[list[tuple[int, ...]]]:
    """The axes of each part's factors."""
    parts: list[list[tuple[int, ...]]] = [[] for _ in grid.layout.frame_of]
    for place in grid.layout.places:
        parts[place.part].append(place.factor.axes)
    return parts


def test_the_papers_factors() -> None:
    vm = VM(resolution=8, density=3, color=3)
    assert axes_of(vm)[:3] == [[(0, 1), (2,)], [(0, 2), (1,)], [(1, 2), (0,)]]
    assert axes_of(CP(resolution=8, density=1, color=1))[0] == [(0,), (1,), (2,)]
    assert axes_of(KPlanes(resolution=8, channels=1))[0] == [(0, 1), (0, 2), (1, 2)]
    hexplane = VM(resolution=8, density=0, color=3, in_dim=4)
    assert axes_of(hexplane) == [[(0, 1), (2, 3)], [(0, 2), (1, 3)], [(0, 3), (1, 2)]]
    assert len(axes_of(KPlanes(resolution=8, channels=1, in_dim=4))[0]) == 6


def test_the_papers_numbers_of_parameters() -> None:
    """TensoRF's VM-192 at 300^3 and K-Planes' static Blender model."""
    vm = VM(resolution=300, density=48, color=144)
    assert vm.table.numel() == 192 * (300**2 + 300)
    planes = KPlanes(resolution=(128, 256, 512), channels=96)
    assert planes.table.numel() == 3 * 32 * (128**2 + 256**2 + 512**2)


def test_rotations_cost_no_parameters_but_their_own() -> None:
    plain, tilted = (VM(resolution=8, transforms=t) for t in (0, 4))
    assert plain.table.shape == tilted.table.shape
    assert plain.out_dim == tilted.out_dim
    assert sum(p.numel() for p in tilted.parameters()) - plain.table.numel() == 4 * 3


def test_a_time_plane_begins_at_one() -> None:
    """So a K-Planes scene begins as one that stands still."""
    grid = KPlanes(resolution=(4, 8), channels=8, in_dim=4, time_resolution=6)
    x = points(50, 4)
    later = torch.cat([x[:, :3], torch.rand(50, 1)], dim=1)
    torch.testing.assert_close(grid(x), grid(later))
    assert [place.factor.counts for place in grid.layout.places[:6]] == [
        (4, 4), (4, 4), (4, 6), (4, 4), (4, 6), (4, 6)
    ]  # fmt: skip


@pytest.mark.parametrize(("family", "arguments"), FAMILIES)
def test_time_may_have_a_resolution_of_its_own(family: Any, arguments: dict[str, Any]) -> None:
    arguments = arguments | ({"density": 3} if family is VM else {})
    grid = family(resolution=8, time_resolution=5, in_dim=4, **arguments)
    for place in grid.layout.places:
        assert place.factor.counts == tuple(5 if axis == 3 else 8 for axis in place.factor.axes)


def test_the_magnitude_has_another_weight_at_first() -> None:
    grid = VM(resolution=4, density=3, color=3, l1=1.0, l1_first=2.0, l1_until=0.4)
    rest = VM(resolution=4, density=3, color=3, l1=1.0)
    rest.table.data.copy_(grid.table.data)
    for step, (progress, times) in enumerate([(0.0, 2), (0.39, 2), (0.4, 1), (1.0, 1)]):
        grid.grow(step, progress)
        torch.testing.assert_close(grid.regularization(), times * rest.regularization())
    for settings in ({"l1_first": 1.0}, {"l1": 1.0}):  # moves entries that no point has met
        (group,) = VM(4, 3, 3, l1_until=0.4, **settings).parameter_groups()
        assert not group["sparse"]
    with pytest.raises(InputError, match=r"field\.l1_until"):
        VM(4, 3, 3, l1_until=1.5)


def test_what_has_no_plane_of_space_and_time_cannot_be_held_still() -> None:
    with pytest.raises(InputError, match=r"field\.still"):
        CP(resolution=4, in_dim=4, still=1.0).regularization()


@pytest.mark.parametrize(("family", "arguments"), FAMILIES)
def test_growing_keeps_what_is_seen_where_vertices_stay(
    family: Any, arguments: dict[str, Any]
) -> None:
    """From 5 to 9 vertices every old vertex stays: factors are linear between them, and so equal
    at both resolutions; only their products differ in between."""
    grid = family(resolution=9, coarse=5 / 9, upsample=[0.5], **arguments)
    lattice = torch.cartesian_prod(*[torch.linspace(0, 1, 5)] * 3)
    before, old = grid(lattice).detach(), grid.table
    assert grid.grow(0, 0.0) == []
    (replaced,) = grid.grow(10, 0.5)
    assert grid.grow(11, 0.6) == []
    assert replaced.old is old
    assert replaced.new is grid.table
    assert grid.table.numel() > old.numel()
    torch.testing.assert_close(grid(lattice), before, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(replaced.carry(old.detach()), grid.table.detach())
    whole = family(resolution=9, **arguments)
    assert whole.table.shape == grid.table.shape


def test_resolution_rises_evenly_in_its_logarithm() -> None:
    grid = VM(resolution=160, density=3, color=3, coarse=0.25, upsample=[0.2, 0.4])
    seen = []
    for progress in (0.0, 0.2, 0.4, 0.9):
        grid.grow(0, progress)
        seen.append(grid.layout.places[0].factor.counts[0])
    assert seen == [40, 80, 160, 160]


def test_a_late_grow_does_all_that_was_missed() -> None:
    grid = VM(resolution=16, density=3, color=3, coarse=0.25, upsample=[0.2, 0.4])
    assert len(grid.grow(0, 0.5)) == 1
    assert grid.layout.places[0].factor.counts == (16, 16)


def test_penalties_are_those_of_their_definitions() -> None:
    grid = KPlanes(resolution=(4,), channels=2, tv=1.0)
    with torch.no_grad():
        grid.table.fill_(3.0)
    assert float(grid.regularization().detach()) == 0.0
    magnitude = KPlanes(resolution=(4,), channels=2, l1=0.5)
    with torch.no_grad():
        magnitude.table.fill_(-3.0)
    assert float(magnitude.regularization().detach()) == pytest.approx(1.5)
    sparse = KPlanes(resolution=(4,), channels=2, sparsity=2.0)
    with torch.no_grad():
        sparse.table.fill_(-3.0)
    assert float(sparse.regularization().detach()) == pytest.approx(6.0)
    slope = VM(resolution=(5,), density=0, color=3, tv=1.0)
    with torch.no_grad():
        for place in slope.layout.places:
            values, rising = place.view(slope.table), torch.arange(5.0)
            values.copy_(rising.view(5, *[1] * len(place.factor.axes)).expand(values.shape))
    # Planes rise along one of their axes alone: a mean over 3 planes x 2 axes and 3 lines.
    assert float(slope.regularization().detach()) == pytest.approx((3 + 3) / 9)


def test_penalties_of_time_are_those_of_their_definitions() -> None:
    """Planes that rise evenly with time are smooth; parabolas are rough; all at 1 stand still."""
    smooth = KPlanes((4,), 2, in_dim=4, time_resolution=5, still=0, time_smooth=3.0)
    assert float(smooth.regularization().detach()) == 0.0
    time = torch.arange(5.0)
    for shape, roughness in ((1 + time, 0.0), (time.square(), 3.0 * 2**2)):
        with torch.no_grad():
            for place in smooth.layout.places:
                if 3 in place.factor.axes:
                    place.view(smooth.table).copy_(shape.view(5, 1, 1).expand(5, 4, 2))
        assert float(smooth.regularization().detach()) == pytest.approx(roughness)
    still = KPlanes((4,), 2, in_dim=4, time_resolution=5, time_smooth=0, still=0.5)
    assert float(still.regularization().detach()) == 0.0
    with torch.no_grad():
        still.table.fill_(-2.0)
    still.regularization().backward()
    assert float(still.regularization().detach()) == pytest.approx(1.5)
    for place in still.layout.places:
        gradient = place.view(still.table.grad)  # type: ignore[arg-type]
        assert bool(gradient.any()) == (3 in place.factor.axes)


def test_moments_are_tied_to_each_other_unless_asked_otherwise() -> None:
    """In space and time K-Planes' penalties have weights by default; in space alone none has."""
    assert not any(KPlanes((4,), 2).weights.values())
    tied = KPlanes((4,), 2, in_dim=4, time_resolution=5)
    assert {name for name, weight in tied.weights.items() if weight} == set(TIED)
    free = KPlanes((4,), 2, in_dim=4, time_resolution=5, time_smooth=0, still=0)
    assert not any(free.weights.values())


def test_lines_at_right_angles_cost_no_ortho() -> None:
    """4 components over 4 vertices, one line of unit vectors and one of equal ones."""
    grid = CP(resolution=4, density=0, color=4, ortho=1.0)
    first, *others = (place.view(grid.table) for place in grid.layout.places)
    with torch.no_grad():
        first.copy_(3 * torch.eye(4))
        for values in others:
            values.fill_(0.5)
    assert float(grid.regularization().detach()) == pytest.approx((0 + 1 + 1) / 3)


def test_ortho_is_between_lines_of_one_mode_and_purpose() -> None:
    """Parts are a register wide, modes are not; density and colour keep to themselves."""
    grid = VM(resolution=4, density=12, color=24, ortho=1.0)
    lines = [place for place in grid.layout.places if len(place.factor.axes) == 1]
    assert len(lines) == 9
    with torch.no_grad():
        grid.table.zero_()
        for place in lines[:3]:  # the density's, of 3 modes
            place.view(grid.table).fill_(1.0)
    grid.regularization().backward()
    assert float(grid.regularization().detach()) == pytest.approx(3 * 4 / 6)
    assert grid.table.grad is not None
    touched = [bool(place.view(grid.table.grad).any()) for place in lines]
    assert touched == [True] * 3 + [False] * 6


def test_l1_is_of_the_density_alone() -> None:
    grid = VM(resolution=4, density=3, color=3, l1=1.0)
    grid.regularization().backward()
    touched = [bool(place.view(grid.table.grad).any()) for place in grid.layout.places]  # type: ignore[arg-type]
    assert touched == [True] * 6 + [False] * 6


@pytest.mark.parametrize(("family", "arguments"), FAMILIES)
def test_tilted_fields_are_made_of_what_they_say(family: Any, arguments: dict[str, Any]) -> None:
    arguments = {name: 2 * value for name, value in arguments.items()}
    grid = family(resolution=5, transforms=2, **arguments)
    assert set(grid.layout.frame_of) == {0, 1}
    groups = {group["name"]: group for group in grid.parameter_groups()}
    assert groups["rotations"]["params"] == [grid.rotations.delta]
    assert not groups["rotations"]["sparse"]
    fixed = family(resolution=5, transforms=2, rotation_lr=0.0, **arguments)
    assert [group["name"] for group in fixed.parameter_groups()] == ["grid"]


@pytest.mark.parametrize(
    ("family", "arguments", "field"),
    [
        (VM, {"density": 4}, "density"),
        (VM, {"color": 71}, "color"),
        (VM, {"transforms": 5}, "density"),
        (KPlanes, {"channels": 10}, "channels"),
        (VM, {"transforms": -1}, "transforms"),
        (VM, {"resolution": 1}, "resolution"),
        (VM, {"resolution": []}, "resolution"),
        (VM, {"in_dim": 1}, "in_dim"),
        (CP, {"in_dim": 1, "transforms": 1}, "transforms"),
        (TT, {"rank": 0}, "rank"),
        (TT, {"in_dim": 1}, "in_dim"),
        (Tucker, {"transforms": 3}, "channels"),
        (Tucker, {"resolution": 1}, "resolution"),
        (VM, {"upsample": [1.5]}, "upsample"),
        (VM, {"coarse": 0.0}, "coarse"),
        (VM, {"tv": -1.0}, "tv"),
        (VM, {"rotation_hold": 0.9, "rotation_end": 0.5}, "rotation_end"),
        (VM, {"density": 0, "color": 0}, "color"),
        (VM, {"density": 0, "color": 70}, "color"),
        (KPlanes, {"channels": 0}, "channels"),
        (VM, {"coarse": 0.5}, "coarse"),
        (KPlanes, {"still": 1e-4}, "still"),
        (KPlanes, {"time_smooth": -1.0}, "time_smooth"),
        (KPlanes, {"time_resolution": 1, "in_dim": 4}, "resolution"),
        (KPlanes, {"ortho": 0.1}, "ortho"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(
    family: Any, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(InputError, match=rf"field\.{field}"):
        family(**arguments)


def test_a_learned_frame_fits_what_the_axes_do_not() -> None:
    """A picture that is one product of two functions, askew: the paper's point in two dimensions.

    One term along the axes cannot hold it; one term in a frame that learns can.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2000, 2, generator=generator)
    inside = x[((x - 0.5).norm(dim=1) < 0.5)]
    angle = torch.tensor(0.6)
    along = (inside - 0.5) @ torch.stack([angle.cos(), angle.sin()])
    across = (inside - 0.5) @ torch.stack([-angle.sin(), angle.cos()])
    truth = torch.cos(7 * along) * torch.exp(-8 * across.square())
    errors = {}
    for name, transforms in (("axes", 0), ("frame", 1)):
        torch.manual_seed(0)
        grid = VM(resolution=32, density=0, color=1, transforms=transforms, in_dim=2)
        with torch.no_grad():
            grid.table.fill_(0.5)
        if grid.rotations is not None:  # 20 degrees off
            turn = torch.tensor(0.25)
            grid.rotations.set(
                torch.stack([turn.cos(), turn.sin(), -turn.sin(), turn.cos()]).view(1, 2, 2)
            )
        optimizer = torch.optim.Adam(grid.parameters(), lr=2e-2)
        for _ in range(600):
            grid.grow(0, 0.0)
            optimizer.zero_grad()
            loss = (grid.reference(inside)[:, 0] - truth).square().mean()
            loss.backward()
            optimizer.step()
        errors[name] = float(loss.detach())
    assert errors["frame"] < 0.05 * errors["axes"]
