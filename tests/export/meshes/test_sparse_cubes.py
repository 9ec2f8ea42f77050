"""Surfaces from functions: where they lie, that they close, what they cost."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
import trimesh

from polyfield.datasets.mesh import closed_edges
from polyfield.errors import InputError
from polyfield.export.meshes import Mesh, room
from polyfield.export.meshes.cube_table import FACE_EDGES, loops, table, triangles
from polyfield.export.meshes.implicit import Implicit
from polyfield.export.meshes.lattice import find_blocks, lattice_over
from polyfield.export.meshes.sparse_cubes import sparse_cubes

BOX = np.array([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
RADIUS = 0.7


def ball(x: torch.Tensor) -> torch.Tensor:
    return RADIUS - x.norm(dim=1)


def around(value: Callable) -> Callable:
    return lambda middles, half: value(middles).abs() <= half.norm()


def everywhere(middles: torch.Tensor, half: torch.Tensor) -> torch.Tensor:
    return torch.ones(len(middles), dtype=torch.bool)


def noise(n: int, seed: int) -> Callable:
    """Independent values at the points of a lattice of n cells."""
    values = torch.randn(n + 3, n + 3, n + 3, generator=torch.Generator().manual_seed(seed))

    def value(x: torch.Tensor) -> torch.Tensor:
        i, j, k = ((x + 1) * n / 2 + 1).round().long().unbind(dim=1)
        return values[i, j, k]

    return value


def unpaired(mesh: Mesh) -> int:
    """How many directed edges lack the one back."""
    there = np.concatenate([mesh.faces[:, [i, (i + 1) % 3]] for i in range(3)]).astype(np.int64)
    return len(np.setdiff1d(there[:, 0] << 32 | there[:, 1], there[:, 1] << 32 | there[:, 0]))


def test_the_table_cuts_every_edge_that_is_crossed_once_and_no_face_twice() -> None:
    rows, counts = table()
    for configuration in range(256):
        crossed = {edge for loop in loops(configuration) for edge in loop}
        assert sum(len(loop) for loop in loops(configuration)) == len(crossed)
        assert set(rows[configuration, : counts[configuration]].flat) == crossed
        for loop in loops(configuration):
            assert triangles(loop)[0] == 0  # no cut lies in a face
            for here, there in pairwise([*loop, loop[0]]):
                assert any({here, there} <= edges for edges in FACE_EDGES)
    assert counts.max() == 5
    assert counts[0] == counts[255] == 0


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_even_noise_has_a_surface_without_cracks(seed: int) -> None:
    surface = Implicit(noise(24, seed), BOX, everywhere, bend=False)
    mesh = sparse_cubes(surface, 24)
    assert len(mesh) > 10_000
    assert closed_edges(mesh.faces)
    open_mesh = sparse_cubes(
        Implicit(noise(24, seed), BOX, everywhere, closed=False, bend=False), 24
    )
    assert not closed_edges(open_mesh.faces)
    # Only at the faces of the box are there edges without a partner.
    inner = np.abs(open_mesh.vertices).max(axis=1) < 1 - 1e-4
    at_border = (~inner)[open_mesh.faces].any(axis=1)
    assert unpaired(Mesh(open_mesh.vertices, open_mesh.faces)) > 0
    assert unpaired(open_mesh) <= 3 * int(at_border.sum())


def test_vertices_lie_on_the_surface_and_triangles_look_outwards() -> None:
    mesh = sparse_cubes(Implicit(ball, BOX, around(ball)), 40)
    assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - RADIUS).max() < 1e-4
    made = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert made.is_watertight
    assert made.volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=5e-3)


def test_crossings_of_a_bent_function_are_found() -> None:
    def steep(x: torch.Tensor) -> torch.Tensor:
        return torch.exp(8 * ball(x)) - 1

    bent = sparse_cubes(Implicit(steep, BOX, around(ball)), 12)
    straight = sparse_cubes(Implicit(steep, BOX, around(ball), bend=False), 12)
    errors = [abs(np.linalg.norm(m.vertices, axis=1) - RADIUS).max() for m in (bent, straight)]
    assert 4 * errors[0] < 8e-3 < errors[1]


def test_the_surface_is_followed_from_wherever_it_is_known() -> None:
    def at_the_top(middles: torch.Tensor, half: torch.Tensor) -> torch.Tensor:
        top = torch.tensor([0.0, 0.0, RADIUS])
        return ((middles - top).abs() <= half).all(dim=1)

    whole = sparse_cubes(Implicit(ball, BOX, around(ball)), 48)
    followed = sparse_cubes(Implicit(ball, BOX, at_the_top), 48)
    np.testing.assert_array_equal(followed.vertices, whole.vertices)
    np.testing.assert_array_equal(followed.faces, whole.faces)


def test_what_is_looked_at_grows_with_the_surface_and_not_with_the_volume() -> None:
    looked = []
    for resolution in (32, 64, 128, 256):
        found = find_blocks(
            surface := Implicit(ball, BOX, around(ball)), lattice_over(BOX, resolution, True)
        )
        assert surface.closed
        looked.append(found.looked)
    # Twice as fine: four times as many blocks, where the volume has eight times as many.
    assert looked[3] < 4.6 * looked[2] < 4.6**2 * looked[1]
    assert looked[3] < 0.16 * (256 / 8) ** 3


def test_a_surface_that_is_nowhere_has_no_triangles() -> None:
    nothing = Implicit(lambda x: -torch.ones(len(x)), BOX, everywhere)
    assert len(sparse_cubes(nothing, 16)) == 0
    nowhere = Implicit(ball, BOX, lambda middles, half: torch.zeros(len(middles), dtype=torch.bool))
    assert len(sparse_cubes(nowhere, 16)) == 0


def test_numbers_that_are_none_are_refused() -> None:
    broken = Implicit(lambda x: x[:, 0] / 0 * 0, BOX, everywhere)
    with pytest.raises(InputError, match="gives no numbers"):
        sparse_cubes(broken, 16)


def test_what_does_not_fit_is_refused_with_what_does(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def value(x: torch.Tensor) -> torch.Tensor:
        calls.append(len(x))
        return ball(x)

    surface = Implicit(value, BOX, around(ball))
    monkeypatch.setattr(room, "free_memory", lambda: 200_000_000)
    with pytest.raises(
        InputError, match=r"resolution: more than fits into memory, found 4,096"
    ) as e:
        sparse_cubes(surface, 4096)
    assert not calls  # said before anything was evaluated
    fits = int(str(e.value.expected).split()[0].replace(",", ""))
    assert 128 < fits < 512
    assert len(sparse_cubes(surface, fits)) > 0
