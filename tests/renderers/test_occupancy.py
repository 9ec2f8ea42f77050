"""The occupancy estimator: what it converges to, and what it must never become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from polyfield.errors import InputError
from polyfield.fields import Domain
from polyfield.kernels.distances import cell_distances_reference
from polyfield.renderers import OccupancyGrid, halved

BOUNDS = torch.tensor([[-1.0, -0.75, -1.25], [1.125, 0.875, 1.0]])
CENTRE, RADIUS, SIZE = torch.tensor([0.1, 0.0, -0.2]), 0.45, 16


def sphere(x: Tensor) -> Tensor:
    """Density 50 in a ball."""
    return 50.0 * (torch.linalg.vector_norm(x - CENTRE, dim=-1) < RADIUS)


def constant(value: float) -> Callable[[Tensor], Tensor]:
    return lambda x: x.new_full((len(x),), value)


def grid_of(kind: Any = "box", **options: Any) -> OccupancyGrid:
    return OccupancyGrid(Domain(BOUNDS, kind), **({"resolution": SIZE, "every": 4} | options))


def run(
    grid: OccupancyGrid, density: Any = sphere, steps: range = range(0, 40, 4), seed: int = 0
) -> OccupancyGrid:
    generator = torch.Generator().manual_seed(seed)
    for step in steps:
        grid.update(step, density, constant(0.02), generator)
    return grid


def corners(grid: OccupancyGrid, density: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Cells that hold matter at most of a fine lattice of points, and those at any."""
    cells = torch.arange(grid.resolution**3)
    hits = torch.zeros(len(cells))
    fine = torch.cartesian_prod(*[torch.tensor([0.1, 0.5, 0.9])] * 3)
    for jitter in fine:
        hits += density(grid.cell_points(cells, jitter.expand(len(cells), 3))) > 0
    return hits == len(fine), hits > 0


@pytest.mark.parametrize("kind", ["box", "contract_l2", "contract_linf"])
def test_the_grid_converges_to_a_known_shape(kind: str) -> None:
    grid = run(grid_of(kind))
    within, touching = corners(grid, sphere)
    occupied = grid.occupied.bool()
    assert within.sum() > 5
    assert occupied[within].all()
    # A cell that the ball barely cuts may be missed or hit; none that it does not touch is left.
    margin = (grid.domain.bounds[1] - grid.domain.bounds[0]).norm() / SIZE * (1 + (kind != "box"))
    middle = grid.cell_points(torch.arange(SIZE**3), torch.full((SIZE**3, 3), 0.5))
    far = torch.linalg.vector_norm(middle - CENTRE, dim=-1) > RADIUS + margin
    assert not occupied[far].any()
    assert touching[occupied].float().mean() > 0.9
    assert grid.fraction == pytest.approx(float(occupied[grid.reachable].float().mean()))


def test_after_the_warmup_it_still_finds_what_appears_and_forgets_what_leaves() -> None:
    grid = run(grid_of(warmup=16, decay=0.8))
    left = grid.occupied.clone()

    def moved(x: Tensor) -> Tensor:
        return sphere(x - torch.tensor([0.4, 0.2, 0.3]))

    run(grid, moved, range(40, 40 + 4 * 150, 4))
    within, touching = corners(grid, moved)
    assert grid.occupied[within].float().mean() > 0.99
    gone = left.bool() & ~touching
    assert gone.sum() > 20
    assert not grid.occupied[gone].any()


def test_a_cell_holds_the_largest_density_seen_fading_with_time() -> None:
    """values <- max(decay * values, density), in every way that a cell is visited."""
    grid = run(grid_of(decay=0.5), constant(10.0), range(1))
    torch.testing.assert_close(grid.values, torch.full((SIZE**3,), 10.0))
    run(grid, constant(1.0), range(1))
    torch.testing.assert_close(grid.values, torch.full((SIZE**3,), 5.0))
    run(grid, constant(6.0), range(1))
    torch.testing.assert_close(grid.values, torch.full((SIZE**3,), 6.0))
    run(grid, constant(30.0), range(1000, 1001))  # some cells, some of them more than once
    seen = grid.values > 5
    assert 0.05 < seen.float().mean() < 0.9
    torch.testing.assert_close(grid.values[seen], torch.full_like(grid.values[seen], 30.0))
    torch.testing.assert_close(grid.values[~seen], torch.full_like(grid.values[~seen], 3.0))


@pytest.mark.parametrize("kind", ["box", "contract_l2", "contract_linf"])
def test_what_has_learned_nothing_yet_loses_no_region(kind: Any) -> None:
    """Noise around one density, steps growing with distance: cells near and far stay alike."""
    grid = grid_of(kind, resolution=32)
    middle = BOUNDS.mean(dim=0)
    generator = torch.Generator().manual_seed(0)

    def noise(x: Tensor) -> Tensor:
        return 0.37 * (1 + 0.1 * torch.randn(len(x), generator=generator))

    def step_size(x: Tensor) -> Tensor:
        distance = torch.linalg.vector_norm(x - middle, dim=-1)
        return (distance / 256).clamp(min=2 / 256, max=4)

    grid.update(0, noise, step_size, generator)
    cells = torch.arange(32**3)
    points = grid.cell_points(cells, torch.full((len(cells), 3), 0.5))
    near = ((points > BOUNDS[0]) & (points < BOUNDS[1])).all(dim=-1)
    assert 0.3 < grid.occupied[near].float().mean() < 0.7
    if kind != "box":
        assert 0.3 < grid.occupied[~near & grid.reachable].float().mean() < 0.9


def test_cells_that_are_the_image_of_no_point_stay_empty() -> None:
    grid = run(grid_of("contract_l2"), constant(10.0))
    assert torch.equal(grid.occupied.bool(), grid.reachable)
    assert grid.fraction == 1
    assert 0.5 < grid.reachable.float().mean() < 0.75  # pi / 6 and the cells that the ball cuts
    x = torch.randn(5000, 3, generator=torch.Generator().manual_seed(0)) * 10
    i, j, k = (grid.domain.to_unit(x) * SIZE).long().clamp(max=SIZE - 1).T
    assert grid.reachable[(i * SIZE + j) * SIZE + k].all()


def test_a_density_that_recovers_is_forgotten() -> None:
    grid = run(grid_of(), constant(float("nan")), range(1))
    run(grid, sphere)
    assert grid.values.isfinite().all()
    assert grid.fraction < 0.5


def test_it_is_never_empty() -> None:
    """Not for a field that is empty everywhere, nor for one with a single faint spot."""
    for density in (constant(0.0), constant(1e-12), constant(-1.0)):
        assert run(grid_of(), density).occupied.any()
    faint = run(grid_of(), lambda x: 1e-9 * sphere(x))
    assert faint.occupied.any()
    assert faint.fraction < 0.2


def test_a_field_that_diverged_is_looked_at() -> None:
    """What is no number counts as matter, so that a picture shows it; and nothing crashes."""
    everywhere = run(grid_of(), constant(float("nan")))
    assert everywhere.occupied.all()

    def partly(x: Tensor) -> Tensor:
        return torch.where(x[:, 0] > 0, float("nan"), sphere(x))

    grid = run(grid_of(), partly)
    middle = grid.cell_points(torch.arange(SIZE**3), torch.full((SIZE**3, 3), 0.5))
    assert grid.occupied[middle[:, 0] > 0.1].all()
    run(grid_of(), constant(float("inf")))


@pytest.mark.parametrize("kind", ["box", "contract_linf"])
def test_distances_and_clip_follow_the_cells(kind: str) -> None:
    grid = run(grid_of(kind))
    distances = cell_distances_reference(grid.occupied, SIZE)
    assert torch.equal(grid.distances, distances)
    cells = grid.occupied.nonzero().flatten()
    low = grid.cell_points(cells, torch.zeros(len(cells), 3))
    high = grid.cell_points(cells, torch.ones(len(cells), 3))
    if kind == "box":  # tight, to rounding
        torch.testing.assert_close(grid.clip[0], low.amin(0))
        torch.testing.assert_close(grid.clip[1], high.amax(0))
    else:
        assert torch.equal(grid.clip, grid.domain.bounds)


def test_before_the_first_update_everything_is_occupied() -> None:
    grid = grid_of()
    assert grid.fraction == 1
    assert not grid.distances.any()
    assert torch.equal(grid.clip, BOUNDS)


def test_updates_follow_the_generator() -> None:
    for steps in (range(0, 40, 4), range(256, 300, 4)):
        first, again, other = (run(grid_of(), steps=steps, seed=seed) for seed in (1, 1, 2))
        assert torch.equal(first.values, again.values)
        assert torch.equal(first.occupied, again.occupied)
        assert not torch.equal(first.values, other.values)


def test_a_checkpoint_holds_the_cells() -> None:
    trained = run(grid_of())
    loaded = grid_of()
    loaded.load_state_dict(trained.state_dict())
    for name in ("values", "occupied", "distances", "clip"):
        assert torch.equal(getattr(loaded, name), getattr(trained, name))
    run(trained, steps=range(300, 320, 4), seed=5)
    run(loaded, steps=range(300, 320, 4), seed=5)
    assert torch.equal(loaded.values, trained.values)


def test_points_of_a_cell_lie_in_it() -> None:
    for kind in ("box", "contract_l2", "contract_linf"):
        grid = grid_of(kind)
        generator = torch.Generator().manual_seed(0)
        cells = torch.randint(SIZE**3, (500,), generator=generator)
        jitter = 0.02 + 0.96 * torch.rand(500, 3, generator=generator)
        u = grid.domain.to_unit(grid.cell_points(cells, jitter).double())
        inside = torch.ones(500, dtype=torch.bool)
        if kind == "contract_l2":  # the corners of the cube are the image of nothing
            corner = torch.stack([cells // SIZE**2, cells // SIZE % SIZE, cells % SIZE], -1)
            inside = torch.linalg.vector_norm(4 * (corner + jitter) / SIZE - 2, dim=-1) < 1.95
        i, j, k = (u * SIZE).long().T
        assert torch.equal(((i * SIZE + j) * SIZE + k)[inside], cells[inside])


def test_updates_are_due_at_their_interval() -> None:
    grid = grid_of(every=5)
    assert [step for step in range(12) if grid.due(step)] == [0, 5, 10]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("resolution", 0),
        ("resolution", 1),
        ("resolution", 513),
        ("every", 0),
        ("decay", 1.5),
        ("threshold", float("nan")),
        ("warmup", -1),
    ],
)
def test_bad_options_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"{name}: found"):
        grid_of(**{name: value})


def test_a_crop_keeps_what_is_occupied_where_it_is() -> None:
    grid = run(grid_of())
    before = grid.occupied.view(SIZE, SIZE, SIZE).bool()
    box = grid.box()
    world = grid.domain.to_world(torch.tensor(box))
    assert (world[0] < CENTRE - 0.9 * RADIUS).all()
    assert (world[1] > CENTRE + 0.9 * RADIUS).all()
    grid.domain.crop(box)
    grid.crop(box, constant(0.02))
    # The middle of a cell is occupied if it was; and some around it, of which the old cell was.
    middle = grid.cell_points(torch.arange(SIZE**3), torch.full((SIZE**3, 3), 0.5))
    old = ((middle - BOUNDS[0]) / (BOUNDS[1] - BOUNDS[0]) * SIZE).long().clamp(0, SIZE - 1)
    was = before[old[:, 0], old[:, 1], old[:, 2]]
    assert grid.occupied.bool()[was].all()
    assert grid.found
    assert (grid.clip[0] >= grid.domain.bounds[0] - 1e-6).all()
    assert torch.equal(grid.distances == 0, grid.occupied == 1)


def test_nothing_found_is_told_from_something() -> None:
    assert run(grid_of()).found
    assert not run(grid_of(), constant(0.1)).found


def points_of(cells: Tensor, resolution: int) -> Tensor:
    """The numbers of cells along the three axes, [n, 3]."""
    return torch.stack(
        [cells // resolution**2, cells // resolution % resolution, cells % resolution], -1
    )


def test_halves_that_hold_something_stay() -> None:
    grid = run(grid_of())
    fine = halved.halved(grid, sphere, constant(0.02))
    twice = OccupancyGrid(Domain(grid.domain.bounds, "box"), resolution=2 * grid.resolution)
    within, touching = corners(twice, sphere)
    parent = points_of(torch.arange(len(within)), twice.resolution) // 2
    r = grid.resolution
    looked_at = grid.occupied.bool()[(parent[:, 0] * r + parent[:, 1]) * r + parent[:, 2]]
    kept = fine.distances == 0
    assert fine.resolution == 2 * r
    assert within.sum() > 20
    assert kept[within & looked_at].all()
    assert not kept[~touching].any()
    assert kept.sum() < 8 * grid.occupied.sum()
    assert (fine.clip[0] >= grid.clip[0]).all()
    assert (fine.clip[1] <= grid.clip[1]).all()
    assert (fine.clip[1] - fine.clip[0]).max() < 1.1


@pytest.mark.parametrize("place", [0.0, 0.013, 0.031, 0.047])
def test_halves_of_a_sheet_as_thin_as_a_step_stay(place: float) -> None:
    """Wherever it lies between the looks, and though its cells are four steps wide."""
    step = 2.25 / SIZE / 4

    def sheet(x: Tensor) -> Tensor:
        return 50.0 * ((x[:, 2] - place).abs() <= 0.5 * step)

    grid = grid_of()
    grid.values.fill_(50.0)
    grid.refresh()
    fine = halved.halved(grid, sheet, constant(step))
    assert fine.resolution == 2 * SIZE
    cells = (fine.distances == 0).view(fine.resolution, fine.resolution, -1)
    assert cells.any(dim=2).all()  # no hole in it
    assert cells.float().mean() < 0.1


def test_under_a_contraction_cells_stay_as_they_are() -> None:
    grid = run(grid_of("contract_linf"))
    assert halved.halved(grid, sphere, constant(0.02)) == grid.cells


def test_the_grids_own_cells_stay_where_looking_costs_too_much(monkeypatch: Any) -> None:
    grid = run(grid_of())
    monkeypatch.setattr(halved, "MOST", int(grid.occupied.sum()) * (2 * halved.LEAST) ** 3 - 1)
    assert halved.halved(grid, sphere, constant(0.02)) == grid.cells


def test_a_field_that_lost_everything_keeps_the_grids_cells() -> None:
    grid = run(grid_of())
    assert halved.halved(grid, constant(0.0), constant(0.02)) == grid.cells


def test_densities_that_are_no_number_are_looked_at() -> None:
    grid = run(grid_of())
    fine = halved.halved(grid, constant(float("nan")), constant(0.02))
    assert int((fine.distances == 0).sum()) == 8 * int(grid.occupied.sum())
