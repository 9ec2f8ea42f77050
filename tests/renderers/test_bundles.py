"""Neighbouring rays that look together for where matter begins: nothing changes but the time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from polyfield.cameras import Cameras
from polyfield.cameras.models import Model
from polyfield.kernels import volume
from polyfield.kernels.blocks import specialise
from polyfield.kernels.march import bundle_start
from polyfield.kernels.packed import march_packed
from polyfield.renderers import VolumeRenderer
from polyfield.renderers.image import _by_tiles

SIZE = (37, 29)  # pixels; no multiple of a tile
MODELS = {Model.PINHOLE: 40.0, Model.FISHEYE: 12.0, Model.EQUIRECTANGULAR: 10.0}


def camera(model: Model, position: list[float], turn: float) -> Cameras:
    """One that looks along +z, turned about +y."""
    c, s = np.cos(turn), np.sin(turn)
    pose = torch.tensor([[c, 0, s, position[0]], [0, 1, 0, position[1]], [-s, 0, c, position[2]]])
    focal, (w, h) = MODELS[model], SIZE
    return Cameras(
        pose[None].double(),
        torch.tensor([[focal, focal, w / 2, h / 2]]),
        torch.zeros(1, 0),
        torch.tensor([int(model)]),
        torch.tensor([SIZE]),
    )


@pytest.mark.parametrize("model", list(MODELS))
@pytest.mark.parametrize("occupancy", [0.0, 0.002, 0.05])
@pytest.mark.parametrize("position", [[0.0, 0.0, -4.0], [0.1, -0.2, 0.3], [3.0, 2.0, -3.0]])
def test_the_picture_is_the_same_to_the_last_bit(
    make_renderer: Callable[..., VolumeRenderer],
    monkeypatch: pytest.MonkeyPatch,
    model: Model,
    occupancy: float,
    position: list[float],
) -> None:
    """From far, from within, and past a corner; few occupied cells, so that much is skipped."""
    renderer = make_renderer("hash", "trunk_sh", occupancy=occupancy, step=0.02)
    cameras = camera(model, position, 0.3 if position[0] < 1 else -0.8)
    seen: list[Any] = []
    for bundle in (0, 4, 16, 64):
        monkeypatch.setattr(volume, "BUNDLE", bundle)
        picture = renderer.image(cameras, 0)
        tensors = (picture.rgb, picture.opacity, picture.depth, picture.extras["distortion"])
        seen.append((torch.cat([x.flatten() for x in tensors]), picture.extras["n_samples"]))
    for values, samples in seen[1:]:
        torch.testing.assert_close(values, seen[0][0], rtol=0, atol=0, equal_nan=True)
        assert samples == seen[0][1]


def test_growing_steps_are_the_same(
    make_renderer: Callable[..., VolumeRenderer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their lattice depends on where a ray begins: only rays that meet nothing may be left out."""
    renderer = make_renderer("hash", "trunk_sh", occupancy=0.01, step=0.02, cone=0.02)
    cameras = camera(Model.PINHOLE, [0.0, 0.0, -4.0], 0.3)
    seen = []
    for bundle in (0, 16):
        monkeypatch.setattr(volume, "BUNDLE", bundle)
        seen.append(renderer.image(cameras, 0).rgb)
    assert float(seen[0].sum()) > 0
    torch.testing.assert_close(seen[1], seen[0], rtol=0, atol=0)


def _starts(grid, march, distances, origins, directions, axis, out):  # type: ignore[no-untyped-def]
    out[0] = bundle_start(grid, march, distances, origins, directions, 0, len(origins), axis)


def start_of(renderer: VolumeRenderer, origins: torch.Tensor, directions: torch.Tensor) -> float:
    geometry = renderer.geometry(np.dtype(np.float64))
    axis, out = np.zeros(3), np.zeros(1)
    arrays = (origins.contiguous().numpy(), directions.contiguous().numpy(), axis, out)
    specialise(_starts, parallel=False)(*geometry, *arrays)
    return float(out[0])


@pytest.mark.parametrize("seed", range(8))
def test_no_ray_has_a_sample_before_the_start_of_its_bundle(
    make_renderer: Callable[..., VolumeRenderer], seed: int
) -> None:
    """Bundles of all widths towards a few occupied cells; some start well before them."""
    renderer = make_renderer("hash", "trunk_sh", occupancy=0.003, step=0.01)
    generator = torch.Generator().manual_seed(seed)
    random = partial(torch.randn, generator=generator, dtype=torch.float64)
    starts = 0
    for spread in (0.0, 0.003, 0.03, 0.3):
        origin = torch.nn.functional.normalize(random(1, 3), dim=-1) * 3
        aim = torch.nn.functional.normalize(0.5 * random(1, 3) - origin, dim=-1)
        directions = torch.nn.functional.normalize(aim + spread * random(32, 3), dim=-1)
        origins = origin.expand(32, 3).contiguous()
        start = start_of(renderer, origins, directions)
        middle = torch.nn.functional.normalize(directions.sum(dim=0), dim=0)
        jitter = torch.full((32,), 0.5, dtype=torch.float64)
        geometry = renderer.geometry(np.dtype(np.float64))
        samples = march_packed(origins, directions, jitter, geometry)
        along = samples.t * (directions @ middle)[samples.ray.long()]
        assert not len(along) or float(along.min()) > start - 0.01
        starts += start > 1
    assert starts > 1


def test_rays_from_different_places_know_nothing(
    make_renderer: Callable[..., VolumeRenderer],
) -> None:
    renderer = make_renderer("hash", "trunk_sh", occupancy=0.002)
    origins = torch.tensor([[0.0, 0, -4], [0, 0.01, -4]], dtype=torch.float64)
    directions = torch.tensor([[0.0, 0, 1], [0, 0, 1]], dtype=torch.float64)
    assert start_of(renderer, origins, directions) == 0
    assert start_of(renderer, origins[:1].expand(2, 3), directions) > 2


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (37, 29), (5, 200)])
def test_tiles_hold_every_pixel_once(size: tuple[int, int]) -> None:
    width, height = size
    order, pixels = _by_tiles(width, height)
    torch.testing.assert_close((pixels - 0.5) @ torch.tensor([1.0, width]).double(), order.double())
    assert sorted(order.tolist()) == list(range(width * height))
    if size == (8, 8):
        assert order[:4].tolist() == [0, 1, 8, 9]
        square = order[16:32]
        assert set((square % 8).tolist()) == {4, 5, 6, 7}
        assert set((square // 8).tolist()) == {0, 1, 2, 3}
