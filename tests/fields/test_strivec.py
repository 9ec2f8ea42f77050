"""Strivec: where its tensors lie, how they grow, travel and are refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from polyfield.errors import InputError
from polyfield.fields import Strivec
from polyfield.fields.tensor_cloud import centers_of

SMALL: dict[str, Any] = {"half_sizes": (0.2, 0.1), "density": 8, "color": 16}


def sphere(n: int = 400) -> Tensor:
    points = torch.randn(n, 3, generator=torch.Generator().manual_seed(n))
    return 0.5 + 0.3 * torch.nn.functional.normalize(points, dim=1)


def placed(**changes: Any) -> Strivec:
    field = Strivec(**{**SMALL, "max_resolution": 24, **changes})
    field.place(sphere(), torch.Generator().manual_seed(0))
    return field


def test_each_voxel_that_holds_points_gets_a_tensor_at_their_mean() -> None:
    points = torch.tensor([[0.1, 0.1, 0.1], [0.2, 0.1, 0.3], [0.9, 0.6, 0.1]])
    centers = centers_of(points, 0.5)
    torch.testing.assert_close(centers, torch.tensor([[0.15, 0.1, 0.2], [0.9, 0.6, 0.1]]))
    shuffled = centers_of(points[[2, 1, 0]], 0.5)
    torch.testing.assert_close(shuffled, centers)


def test_the_papers_numbers_of_vertices() -> None:
    """Half sizes 0.3, 0.15, 0.075 of a box of 3, and vectors of 121, 61, 31 vertices."""
    field = Strivec((0.1, 0.05, 0.025), max_resolution=600)
    field.place(sphere())
    assert [level.vertices for level in field.levels] == [121, 61, 31]
    counts = field.counts.tolist()
    assert counts[0] < counts[1] < counts[2]
    assert field.table.numel() == sum(m * 3 * v * (8 + 16) for m, v in zip(counts, (121, 61, 31)))


def test_density_begins_where_tensors_are() -> None:
    """Each level adds its share of `start` where it covers, and nothing is outside."""
    field = placed(start=4.0, deviation=1e-3)
    at = torch.cat([sphere(50), torch.tensor([[0.01, 0.01, 0.99]])])
    sums = field.reference(at)[:, : field.summed].sum(dim=1)
    torch.testing.assert_close(sums[-1], torch.tensor(0.0))
    steps = (sums / 2.0).round()
    torch.testing.assert_close(sums, 2.0 * steps, atol=1e-2, rtol=0)
    assert (sums[:-1] > 3.9).float().mean() > 0.8


def test_growing_keeps_what_is_seen_where_vertices_stay() -> None:
    """From 5 to 9 and 3 to 5 vertices: vectors are linear between, their products seen alike."""
    field = placed(max_resolution=20, coarse=0.5, upsample=[0.5])
    x = sphere(300)
    before, old = field.reference(x).detach(), field.table
    assert field.grow(0, 0.0) == []
    (replaced,) = field.grow(10, 0.5)
    assert replaced.old is old
    assert replaced.new is field.table
    assert [level.vertices for level in field.levels] == [9, 5]
    torch.testing.assert_close(field.reference(x), before, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(replaced.carry(old.detach()), field.table.detach())
    assert field.kernels is not None
    assert field.kernels.n_params == field.table.numel()
    assert placed(max_resolution=20).table.shape == field.table.shape


def test_structure_travels_with_the_tensors() -> None:
    field = placed()
    state = field.state_dict()
    other = Strivec(**SMALL, max_resolution=24)
    assert other.table.numel() == 0
    other.take_structure(state)
    other.load_state_dict(state)
    x = sphere(100)
    assert torch.equal(other.reference(x), field.reference(x))
    assert other.kernels is not None
    assert field.kernels is not None
    assert (other.kernels.ints == field.kernels.ints).all()
    assert (other.kernels.floats == field.kernels.floats).all()
    table = other.table
    other.take_structure(state)  # of the same shapes: nothing is made anew
    assert other.table is table


def test_too_many_parameters_are_refused_before_the_vectors_have_grown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    growing = {**SMALL, "max_resolution": 64, "coarse": 0.25, "upsample": (0.5,)}
    at_first, at_last = (
        Strivec(**{**growing, **changes}) for changes in ({}, {"coarse": 1.0, "upsample": ()})
    )
    for field in (at_first, at_last):
        field.place(sphere(100))
    numbers = len(at_last.table)
    assert len(at_first.table) < 0.5 * numbers
    monkeypatch.setattr("polyfield.fields.strivec.MOST_NUMBERS", numbers)
    Strivec(**growing).place(sphere(100))
    monkeypatch.setattr("polyfield.fields.strivec.MOST_NUMBERS", numbers - 1)
    with pytest.raises(InputError, match=f"half_sizes: found {numbers} parameters"):
        Strivec(**growing).place(sphere(100))


def test_a_damaged_structure_is_refused() -> None:
    state = placed().state_dict()
    state["centers"] = state["centers"][:-1]
    with pytest.raises(InputError, match="centers"):
        Strivec(**SMALL, max_resolution=24).take_structure(state)


def test_an_unplaced_field_is_empty_and_refuses_to_train() -> None:
    field = Strivec(**SMALL)
    assert not field.reference(sphere(10)).any()
    with pytest.raises(InputError, match="known geometry"):
        field.grow(0, 0.0)


def test_the_penalty_is_of_the_density_alone() -> None:
    field = placed(l1=0.5)
    with torch.no_grad():
        field.table.fill_(-3.0)
    penalty = field.regularization()
    assert float(penalty.detach()) == pytest.approx(1.5)
    penalty.backward()
    assert field.table.grad is not None
    touched = [bool(view.any()) for view in field._views(field.table.grad)]
    assert touched == [True, True, False, False]
    assert not field.parameter_groups()[0]["sparse"]
    assert placed().parameter_groups()[0]["sparse"]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"in_dim": 2}, "field"),
        ({"half_sizes": ()}, "half_sizes"),
        ({"half_sizes": (0.7,)}, "half_sizes"),
        ({"spacing": 3.0}, "spacing"),
        ({"max_resolution": 1}, "max_resolution"),
        ({"density": 9}, "density"),
        ({"color": 0}, "color"),
        ({"l1": -1.0}, "l1"),
        ({"coarse": 0.5}, "coarse"),
        ({"upsample": [1.5]}, "upsample"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=field):
        Strivec(**{**SMALL, **arguments})


def test_points_outside_and_too_many_tensors_are_refused() -> None:
    with pytest.raises(InputError, match="inside"):
        Strivec(**SMALL).place(2 + sphere(10))
    with pytest.raises(InputError, match="parameters"):
        Strivec((0.001,), 0.25, 1 << 16, density=64, color=960).place(torch.rand(20000, 3))
