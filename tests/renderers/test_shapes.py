"""What compiled kernels are given is as long as they take it to be, or they do not run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from polyfield.cameras import Rays
from polyfield.errors import InputError
from polyfield.fields import DenseGrid, FrequencyEncoding, HashGrid, RadianceDecoder
from polyfield.kernels.render import N_SETTINGS


@pytest.mark.parametrize(
    "backbone", [HashGrid(2, 2, 6, 4, 8), DenseGrid(4, channels=4), FrequencyEncoding(2)]
)
@pytest.mark.parametrize("shape", [(5, 2), (5, 4), (5,), (2, 5, 3)])
def test_points_have_the_backbones_dimensions(backbone: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="points"):
        backbone.kernels(torch.rand(shape), backbone.params)


def test_every_ray_has_an_origin_and_a_direction(make_renderer: Any, make_rays: Any) -> None:
    renderer, rays = make_renderer(), make_rays(3)
    with pytest.raises(InputError, match="rays"), torch.no_grad():
        renderer(Rays(rays.origins, rays.directions[:1]))


@pytest.mark.parametrize("width", [0, 1, 3])
def test_codes_have_the_decoders_width(width: int, make_renderer: Any, make_rays: Any) -> None:
    renderer, rays = make_renderer(decoder="trunk_mlp"), make_rays(3)
    with pytest.raises(InputError, match="appearance"):
        renderer(rays, appearance=torch.zeros(3, width, dtype=torch.float64))


def test_codes_are_refused_where_nothing_takes_them(make_renderer: Any, make_rays: Any) -> None:
    with pytest.raises(InputError, match="appearance"):
        make_renderer()(make_rays(3), appearance=torch.zeros(3, 2, dtype=torch.float64))


def test_rays_and_parameters_are_of_one_type(make_renderer: Any, make_rays: Any) -> None:
    renderer, rays = make_renderer(), make_rays(4)
    field = renderer.field
    features = field.decoder.ray_features(rays.directions)
    geometry = renderer.geometry(torch.zeros(1, dtype=torch.float32).numpy().dtype)
    settings = np.zeros(N_SETTINGS)
    with pytest.raises(InputError, match="one floating type"):
        field.kernels(rays.origins, rays.directions, features, field.params, geometry, settings)


def test_another_decoder_brings_its_own_kernels(make_renderer: Any, make_rays: Any) -> None:
    renderer, rays = make_renderer(), make_rays(20)
    field = renderer.field
    with torch.no_grad():
        renderer(rays)
        field.decoder = RadianceDecoder(field.backbone.out_dim, trunk=(5, 6), sh_degree=0).double()
        fused = renderer(rays).rgb
        renderer.backend = "modular"
        torch.testing.assert_close(fused, renderer(rays).rgb, rtol=0, atol=1e-11)


def test_no_rays_still_make_a_graph(make_renderer: Any, make_rays: Any) -> None:
    renderer = make_renderer()
    none = make_rays(4)[:0]
    renderer(none).rgb.sum().backward()
    assert not renderer.field.backbone.table.grad.any()
