"""Gaussians as a module: placed, resized, scheduled, given to optimisers and to files."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Thread

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields.gaussians import NAMES, Gaussians, tensors_of
from polyfield.training.stepper import of_group


def values(n: int, k: int = 15) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"quats": (n, 4), "opacity_logits": (n,), "sh_rest": (n, k, 3)}
    return {name: torch.randn(shapes.get(name, (n, 3)), generator=generator) for name in NAMES}


def test_there_are_none_at_first_and_then_those_that_were_placed() -> None:
    field, given = Gaussians(), values(7)
    assert len(field) == 0
    field.place(given)
    assert len(field) == 7
    assert all(torch.equal(field.tensors[name], given[name]) for name in NAMES)
    assert all(tensor.requires_grad for tensor in field.tensors.values())


@pytest.mark.parametrize(("degree", "k"), [(0, 0), (1, 3), (2, 8), (3, 15)])
def test_harmonics_that_are_missing_are_zero_and_further_ones_left_out(degree: int, k: int) -> None:
    field = Gaussians(degree=degree)
    field.place(values(3, k=8))
    assert field.sh_rest.shape == (3, k, 3)
    common = min(k, 8)
    assert torch.equal(field.sh_rest[:, :common], values(3, k=8)["sh_rest"][:, :common])
    assert not bool(field.sh_rest[:, common:].any())


def test_a_saved_state_finds_room() -> None:
    trained, field = Gaussians(), Gaussians()
    trained.place(values(5))
    trained.grow(0, 0.5)
    field.take_structure(trained.state_dict())
    field.load_state_dict(trained.state_dict())
    assert torch.equal(field.means, trained.means)
    assert int(field.active) == 3


def test_degrees_come_one_by_one() -> None:
    field = Gaussians()
    seen = []
    for step in range(0, 30_000, 500):
        field.grow(step, step / 30_000)
        seen.append(int(field.active))
    assert seen[:8] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert set(seen[8:]) == {3}
    assert int(Gaussians(degree=2, degree_every=0.0).active) == 2


@pytest.mark.parametrize(("k", "expected"), [(0, 0), (1, 1), (3, 1), (4, 2), (8, 2), (15, 3)])
def test_degrees_of_which_something_was_learned_count_when_asked(k: int, expected: int) -> None:
    field, given = Gaussians(), values(5)
    given["sh_rest"][:, k:] = 0
    field.place(given)
    assert int(field.active) == 0
    field.count_learned()
    assert int(field.active) == expected
    field.grow(0, 0.0)  # does not take them back
    assert int(field.active) == expected
    field.grow(1, 1.0)
    assert int(field.active) == 3


def test_rates_are_those_of_the_paper() -> None:
    rates = {
        group["name"]: 2.5e-3 * group["lr_scale"]
        for group in Gaussians(extent=2.0).parameter_groups()
    }
    expected = [2 * 1.6e-4, 1e-3, 5e-3, 5e-2, 2.5e-3, 1.25e-4]
    assert rates == pytest.approx(dict(zip(NAMES, expected)))


def test_centres_alone_slow_down() -> None:
    groups = {group["name"]: group for group in Gaussians().parameter_groups()}
    assert of_group(groups["means"], 0.5) == pytest.approx(0.1)
    assert of_group(groups["means"], 1.0) == pytest.approx(0.01)
    assert of_group(groups["quats"], 1.0) == 1.0


def test_splats_and_back() -> None:
    field, other = Gaussians(antialiased=True), Gaussians()
    field.place(values(4))
    splats = field.splats()
    assert splats.antialiased
    assert splats.degree == 3
    other.place(tensors_of(splats))
    for name in NAMES:
        assert np.array_equal(field.tensors[name].detach(), other.tensors[name].detach())


@pytest.mark.parametrize(
    ("setting", "value"),
    [("degree", 4), ("degree_every", 1.5), ("means_final", 0.0), ("scales_lr", -1.0)],
)
def test_bad_settings_are_refused(setting: str, value: float) -> None:
    with pytest.raises(InputError, match="field"):
        Gaussians(**{setting: value})


def test_values_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match="quats"):
        Gaussians().place({**values(3), "quats": torch.zeros(2, 4)})
    field, given = Gaussians(), values(3)
    field.place(given)
    with pytest.raises(InputError, match="quats"):
        field.place({**values(2), "quats": torch.zeros(3, 4)})
    assert torch.equal(field.means, given["means"])  # those there were are there still


class Interrupted(dict):
    """Parameters between the third and the fourth of which another thread gets its turn."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], turn: Thread) -> None:
        super().__init__(parameters)
        self.turn = turn

    def __getitem__(self, name: str) -> nn.Parameter:
        if name == NAMES[3]:
            self.turn.start()
            self.turn.join(timeout=0.3)  # what waits for the swap goes on without
        return super().__getitem__(name)


def test_a_thread_that_renders_sees_all_of_one_moment() -> None:
    field, other, seen = Gaussians(), Gaussians(), list[set[int]]()
    field.place(values(4))
    other.place(values(9))
    turn = Thread(target=lambda: seen.append({len(each) for each in field.tensors.values()}))
    field.replace(Interrupted(other.tensors, turn))
    turn.join()
    assert seen in ([{4}], [{9}])
