"""Whole pictures: asked for in chunks, by name, and with all that the renderer had to say."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from polyfield.cameras import Cameras, Rays
from polyfield.errors import InputError
from polyfield.renderers.image import REFERENCE_CHUNK, render_image
from polyfield.renderers.render import Render

WIDTH, HEIGHT = 50, 40


@dataclass
class Left:
    """Opaque where rays go to the left; remembers how many rays it was asked for at a time."""

    calls: list[int] = field(default_factory=list)
    normal_calls: list[int] = field(default_factory=list)

    def __call__(
        self, rays: Rays, background: Tensor | None = None, *, appearance: Tensor | None = None
    ) -> Render:
        self.calls.append(len(rays))
        hit = (rays.directions[:, 0] < 0).float()
        extras = {"distortion": rays.directions[:, 1], "n_samples": 3 * len(rays)}
        return Render(rays.directions.abs(), hit, 2 * hit, extras=extras, median_depth=3 * hit)

    def surface_normals(self, rays: Rays, depth: Tensor) -> Tensor:
        self.normal_calls.append(len(rays))
        assert (depth == 2).all()
        return -rays.directions


@pytest.fixture
def camera() -> Cameras:
    """One that looks along +z, the middle of its picture between pixels."""
    return Cameras(
        torch.eye(3, 4, dtype=torch.float64)[None],
        torch.tensor([[40.0, 40.0, WIDTH / 2, HEIGHT / 2]]),
        torch.zeros(1, 0),
        torch.zeros(1),
        torch.tensor([[WIDTH, HEIGHT]]),
    )


def test_normals_are_asked_for_by_chunk_and_only_of_what_was_hit(camera: Cameras) -> None:
    renderer = Left()
    picture = render_image(renderer, camera, 0, modes=("normal",), chunk=300)
    assert max(renderer.calls) == 300
    assert max(renderer.normal_calls) <= 300
    assert sum(renderer.normal_calls) == WIDTH * HEIGHT // 2
    assert picture.normals is not None
    directions = camera.image_rays(0).directions.view(HEIGHT, WIDTH, 3)
    half = WIDTH // 2
    assert torch.equal(picture.normals[:, :half], -directions[:, :half])
    assert not picture.normals[:, half:].any()


def test_what_a_renderer_tells_of_rays_is_told_of_pictures(camera: Cameras) -> None:
    picture = render_image(Left(), camera, 0, chunk=7)
    directions = camera.image_rays(0).directions.view(HEIGHT, WIDTH, 3)
    assert torch.equal(picture.extras["distortion"], directions[..., 1])
    assert picture.extras["n_samples"] == 3 * WIDTH * HEIGHT
    assert picture.normals is None
    assert picture.median_depth is None


def test_the_median_is_of_pictures_that_ask_for_it(camera: Cameras) -> None:
    picture = render_image(Left(), camera, 0, modes=("rgb", "median"), chunk=70)
    assert picture.median_depth is not None
    assert torch.equal(picture.median_depth, 1.5 * picture.depth)
    assert picture.median_depth.any()


@pytest.mark.parametrize("modes", [("nonsense",), ("rgb", "normals")])
def test_modes_that_there_are_not_are_refused(modes: tuple[str, ...], camera: Cameras) -> None:
    renderer = Left()
    with pytest.raises(InputError, match=f"modes: found {modes[-1]}, expected some of rgb, depth"):
        render_image(renderer, camera, 0, modes=modes)
    assert renderer.calls == []


def test_the_reference_gets_few_rays_at_a_time(
    camera: Cameras, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYFIELD_KERNELS", "reference")
    renderer = Left()
    render_image(renderer, camera, 0)
    assert max(renderer.calls) == REFERENCE_CHUNK < WIDTH * HEIGHT
