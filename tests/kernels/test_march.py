"""Marching: the same samples as looking at every interval, and what those samples must be."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from polyfield.fields.domain import Domain
from polyfield.kernels.packed import SLOTS, Samples, march_packed
from polyfield.kernels.packed_reference import march_reference
from polyfield.kernels.volume import Geometry

KINDS = ["box", "contract_l2", "contract_linf"]
MakeGeometry = Callable[..., Geometry]


def assert_same_samples(ours: Samples, right: Samples) -> None:
    assert torch.equal(ours.offsets, right.offsets)
    assert torch.equal(ours.ray, right.ray)
    for name in ("t", "dt", "u"):
        a, b = getattr(ours, name), getattr(right, name)
        torch.testing.assert_close(a, b, rtol=0, atol=1e-11)


def of_ray(samples: Samples, i: int) -> slice:
    return slice(int(samples.offsets[i]), int(samples.offsets[i + 1]))


def cells_of(samples: Samples, occupied: Tensor) -> Tensor:
    """Whether each sample's cell is occupied, by the unit coordinates that it carries."""
    i, j, k = (samples.u * len(occupied)).long().T
    return occupied[i, j, k]


@pytest.mark.parametrize("cone", [0.0, 0.03])
@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_those_of_every_interval_of_the_lattice(
    kind: str, cone: float, cells: Tensor, make_beam: Any, make_geometry: MakeGeometry
) -> None:
    """Whatever is skipped, and however, no interval in an occupied cell may be lost."""
    beam = make_beam(400, seed=5)
    geometry = make_geometry(cells, kind=kind, cone=cone, step=0.02)
    right = march_reference(*beam, geometry)
    assert len(right.t) > 0
    assert_same_samples(march_packed(*beam, geometry), right)


def test_rays_of_more_samples_than_are_kept_are_marched_again(
    make_beam: Any, make_geometry: MakeGeometry
) -> None:
    """Below, at and above the number of samples that the first march has room for."""
    geometry = make_geometry(torch.ones(8, 8, 8, dtype=torch.bool), step=0.01)
    right = march_reference(*make_beam(2000), geometry)
    counts = right.offsets.diff()
    for count in (SLOTS - 1, SLOTS, SLOTS + 1, 2 * SLOTS):
        assert (counts == count).any()
    assert_same_samples(march_packed(*make_beam(2000), geometry), right)


@pytest.mark.parametrize("cone", [0.0, 0.03])
def test_the_reference_marches_group_by_group(
    cone: float, cells: Tensor, make_beam: Any, make_geometry: MakeGeometry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    beam, geometry = make_beam(50), make_geometry(cells, cone=cone, kind="contract_linf")
    right = march_reference(*beam, geometry)
    monkeypatch.setattr("polyfield.kernels.packed_reference.LATTICE", 1000)
    assert_same_samples(march_reference(*beam, geometry), right)


def test_single_precision_loses_hardly_a_sample_at_the_default_settings(
    make_beam: Any, make_geometry: MakeGeometry
) -> None:
    """A thousand units far in growing steps: rounding may move a sample, not lose it."""
    generator = torch.Generator().manual_seed(4)
    blocks = torch.rand(16, 16, 16, generator=generator) < 0.1
    for axis in range(3):
        blocks = blocks.repeat_interleave(4, axis)
    settings = {"kind": "contract_linf", "near": 0.05, "far": 1e3, "cone": 1 / 256, "step": 0.0125}
    beam = make_beam(200, seed=6)
    exact = march_reference(*beam, make_geometry(blocks, **settings))
    ours = march_packed(
        *beam.to(torch.float32), make_geometry(blocks, **settings, dtype=torch.float32)
    )
    assert len(exact.t) > 10_000
    assert exact.t.max() > 500
    lost = (exact.offsets.diff() - ours.offsets.diff()).abs()
    assert int(lost.sum()) <= 2e-3 * len(exact.t)
    assert int(lost.max()) <= 3
    same = (lost == 0)[exact.ray]
    kept = (lost == 0)[ours.ray]
    torch.testing.assert_close(ours.t[kept].double(), exact.t[same], rtol=5e-3, atol=0.02)


@pytest.mark.parametrize("kind", ["contract_l2", "contract_linf"])
def test_nothing_is_lost_far_out_where_a_contraction_bends_rays(
    kind: str, make_beam: Any, make_geometry: MakeGeometry
) -> None:
    generator = torch.Generator().manual_seed(1)
    occupied = torch.rand(32, 32, 32, generator=generator) < 0.002
    beam = make_beam(300, seed=2)
    for cone in (0.0, 0.01):
        geometry = make_geometry(occupied, kind=kind, cone=cone, far=60.0, step=0.02)
        right = march_reference(*beam, geometry)
        assert (right.t > 10).sum() > 30
        assert_same_samples(march_packed(*beam, geometry), right)


@pytest.mark.parametrize("kind", KINDS)
def test_rays_along_the_axes(
    kind: str, cells: Tensor, bounds: Tensor, make_geometry: MakeGeometry
) -> None:
    """Both ways along each axis: through the box, beside it, and from within it."""
    middle = bounds.mean(0) + torch.tensor([0.01, 0.02, 0.03])
    origins, directions = [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            for offset in (0.0, 0.4, 5.0):
                for back in (3.0, 0.0, -3.0):
                    direction = torch.zeros(3, dtype=torch.float64)
                    direction[axis] = sign
                    origin = middle - back * direction
                    origin[(axis + 1) % 3] += offset
                    origins.append(origin)
                    directions.append(direction)
    beam = (torch.stack(origins), torch.stack(directions))
    jitter = torch.full((len(origins),), 0.5, dtype=torch.float64)
    geometry = make_geometry(cells, kind=kind)
    ours = march_packed(*beam, jitter, geometry)
    assert_same_samples(ours, march_reference(*beam, jitter, geometry))
    if kind == "box":
        outside = torch.tensor([abs(float((o - middle).abs().max())) > 4 for o in origins])
        assert not ours.offsets.diff()[outside].any()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", KINDS)
def test_every_sample_lies_on_its_ray_in_an_occupied_cell(
    kind: Any,
    dtype: torch.dtype,
    cells: Tensor,
    bounds: Tensor,
    make_beam: Any,
    make_geometry: MakeGeometry,
) -> None:
    beam = make_beam(200).to(dtype)
    samples = march_packed(*beam, make_geometry(cells, kind=kind, dtype=dtype))
    assert len(samples.t) > 0
    assert samples.u.dtype == dtype
    assert cells_of(samples, cells).all()
    x = beam.origins[samples.ray] + samples.t[:, None] * beam.directions[samples.ray]
    u = Domain(bounds, kind).to(dtype).to_unit(x)
    tolerance = 1e-12 if dtype == torch.float64 else 2e-6
    torch.testing.assert_close(samples.u, u, rtol=0, atol=tolerance)


def test_steps_in_a_full_box_add_up_to_the_chord(
    bounds: Tensor, make_beam: Any, make_geometry: MakeGeometry
) -> None:
    beam, step, near = make_beam(300), 0.03, 0.05
    beam = beam._replace(jitter=torch.full_like(beam.jitter, 0.5))
    geometry = make_geometry(torch.ones(8, 8, 8, dtype=torch.bool), step=step, near=near)
    samples = march_packed(*beam, geometry)
    faces = (bounds[:, None, :] - beam.origins) / beam.directions
    enter, leave = faces.amin(0).amax(-1).clamp(min=near), faces.amax(0).amin(-1)
    chord = (leave - enter).clamp(min=0)
    assert (chord > 0).any()
    assert (chord == 0).any()
    total = torch.zeros(300, dtype=torch.float64).index_add(0, samples.ray, samples.dt)
    assert ((total - chord).abs() <= step * 1.000001).all()
    first = samples.offsets[:-1][samples.offsets.diff() > 0]
    begins = (samples.t - 0.5 * samples.dt)[first]
    expected = (enter + beam.jitter * step)[samples.ray[first]]
    torch.testing.assert_close(begins, expected)


def test_intervals_follow_one_another_and_grow_with_the_cone(
    make_beam: Any, make_geometry: MakeGeometry
) -> None:
    step, cone = 0.03, 0.05
    geometry = make_geometry(
        torch.ones(8, 8, 8, dtype=torch.bool), kind="contract_linf", cone=cone, step=step, far=30
    )
    samples = march_packed(*make_beam(20), geometry)
    begins, ends = samples.t - 0.5 * samples.dt, samples.t + 0.5 * samples.dt
    for a, b in pairwise(samples.offsets.tolist()):
        assert b - a > 50
        torch.testing.assert_close(begins[a + 1 : b], ends[a : b - 1])
    torch.testing.assert_close(samples.dt, (cone * begins).clamp(min=step))
    assert samples.dt.max() > 10 * step
    assert samples.t.max() < 30


def test_samples_lie_between_near_and_far(make_beam: Any, make_geometry: MakeGeometry) -> None:
    full = torch.ones(8, 8, 8, dtype=torch.bool)
    for kind in KINDS:
        t = march_packed(*make_beam(50), make_geometry(full, kind=kind, near=1.0, far=2.5)).t
        assert len(t)
        assert (t > 1.0).all()
        assert (t < 2.5).all()


@pytest.mark.parametrize("cone", [0.0, 0.03])
@pytest.mark.parametrize("kind", KINDS)
def test_no_rays_give_no_samples(kind: str, cone: float, make_geometry: MakeGeometry) -> None:
    nothing = torch.empty(0, 3, dtype=torch.float64)
    geometry = make_geometry(torch.ones(8, 8, 8, dtype=torch.bool), kind=kind, cone=cone)
    for march in (march_packed, march_reference):
        samples = march(nothing, nothing, nothing[:, 0], geometry)
        assert samples.offsets.tolist() == [0]
        assert samples.u.shape == (0, 3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("kind", KINDS)
def test_a_ray_that_is_no_ray_ends_and_leaves_the_others_alone(
    kind: str, value: float, cells: Tensor, make_beam: Any, make_geometry: MakeGeometry
) -> None:
    good, bad = make_beam(8), make_beam(8)
    bad.origins[2, 1] = value
    bad.directions[5, 0] = value
    for cone in (0.0, 0.03):
        geometry = make_geometry(cells, kind=kind, cone=cone)
        right, ours = march_packed(*good, geometry), march_packed(*bad, geometry)
        for i in range(8):
            if i in (2, 5):
                assert of_ray(ours, i).start == of_ray(ours, i).stop
            else:
                assert torch.equal(ours.t[of_ray(ours, i)], right.t[of_ray(right, i)])


def test_selected_samples_stay_with_their_rays(
    cells: Tensor, make_beam: Any, make_geometry: MakeGeometry
) -> None:
    samples = march_packed(*make_beam(60), make_geometry(cells))
    mask = torch.rand(len(samples.t), generator=torch.Generator().manual_seed(0)) < 0.4
    few = samples.select(mask)
    assert torch.equal(few.t, samples.t[mask])
    counts = torch.bincount(few.ray, minlength=60)
    assert torch.equal(few.offsets.diff(), counts)
