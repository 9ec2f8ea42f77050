"""What people see of a render."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from polyfield.renderers.pictures import picture
from polyfield.renderers.render import Render
from polyfield.viewer.colormaps import MAPS, colored
from polyfield.viewer.look import MODES, Look
from polyfield.viewer.painting import exposed, is_finite, paint
from polyfield.viewer.strips import beside


def rendered(h: int = 4, w: int = 6, samples: bool = True) -> Render:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    extras = {"samples": 20 * draw(h, w), "n_samples": 7} if samples else {"n_samples": 7}
    normals = torch.nn.functional.normalize(draw(h, w, 3) - 0.5, dim=-1)
    return Render(draw(h, w, 3), torch.ones(h, w), 1 + draw(h, w), normals, extras)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_a_picture_also_of_what_is_no_number(mode: str) -> None:
    render = rendered()
    image, _ = paint(render, Look(mode=mode), error=np.full((4, 6), 0.1))
    assert image.dtype == np.uint8
    assert image.shape == (4, 6, 3)
    assert is_finite(render)
    broken = Render(
        *(
            torch.full_like(x, torch.nan)
            for x in (render.rgb, render.opacity, render.depth, render.normals)
        ),
        extras={"samples": render.depth * torch.nan},
    )
    assert paint(broken, Look(mode=mode))[0].shape == (4, 6, 3)
    assert not is_finite(broken)


def test_rgb_is_the_picture_of_the_renderer() -> None:
    render = rendered()
    image, legend = paint(render, Look())
    np.testing.assert_array_equal(image, picture(render.rgb.numpy()))
    assert legend is None


def test_exposure_doubles_light_and_comes_back() -> None:
    x = np.linspace(0, 0.5, 50)
    np.testing.assert_allclose(exposed(exposed(x, 1.0), -1.0), x, atol=2e-3)
    # 0.5 is a linear 0.2140, twice that 0.4281, which is 0.6858 of sRGB.
    assert exposed(np.array([0.5]), 1.0)[0] == pytest.approx(0.6858, abs=1e-3)


def test_depth_is_told_in_units_of_the_data() -> None:
    _, legend = paint(rendered(), Look(mode="depth"), scale=10.0)
    assert legend is not None
    assert 10 <= legend.low < legend.high <= 20
    assert f"{legend.low:.4g}" in legend.html()


@pytest.mark.parametrize("name", MAPS)
def test_maps_run_from_end_to_end(name: str) -> None:
    x = np.array([[-1.0, 0.0, 0.5, 1.0, 2.0, np.nan]])
    found = colored(x, name)[0].astype(int)
    assert (found[0] == found[1]).all()
    assert (found[3] == found[4]).all()
    assert (found[5] == found[1]).all()
    assert np.abs(found[1] - found[3]).max() > 60
    np.testing.assert_array_equal(colored(x, name, reverse=True)[0, 1], found[3])


def test_a_mode_that_a_renderer_does_not_know_says_so() -> None:
    _, legend = paint(rendered(samples=False), Look(mode="samples"))
    assert legend is not None
    assert "no samples" in legend.html()


def test_pictures_beside_each_other_keep_what_one_of_them_has() -> None:
    left, right = rendered(), rendered(samples=False)
    both = beside(left, right)
    assert both.rgb.shape == (4, 12, 3)
    torch.testing.assert_close(both.extras["samples"][:, :6], left.extras["samples"])
    assert bool(both.extras["samples"][:, 6:].isnan().all())
