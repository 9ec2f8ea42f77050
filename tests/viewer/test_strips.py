"""Pictures in parts are the pictures in one; a box cuts; nobody waits in vain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from polyfield.viewer.look import Look
from polyfield.viewer.pace import Pace
from polyfield.viewer.screen import Screen
from polyfield.viewer.share import Turns
from polyfield.viewer.strips import Stale, render, window
from polyfield.viewer.viewed import Stage


class Slow(Pace):
    """A machine that can do few pixels at a time."""

    def pixels(self, seconds: float) -> int:
        return 700


def test_parts_make_up_the_whole(rays: Any) -> None:
    camera = rays.start.scaled(0.5)
    modes = ("rgb", "normal", "samples")
    whole = rays.renderer.image(camera, 0, rays.light().background, modes)
    parts = render(rays, camera, modes, Turns(), Slow())
    torch.testing.assert_close(parts.extras["samples"], whole.extras["samples"])
    assert float(parts.extras["samples"].max()) > 0
    for name in ("rgb", "opacity", "depth", "normals"):
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name), atol=1e-4, rtol=1e-4)


def test_a_window_is_a_part_of_the_picture(viewed: Any) -> None:
    camera = viewed.start.scaled(0.1)
    whole = viewed.renderer.image(camera, 0).rgb
    part = viewed.renderer.image(window(camera, 20, 10, 30, 25), 0).rgb
    torch.testing.assert_close(part, whole[10:35, 20:50], rtol=1e-4, atol=3e-2)


def test_a_picture_nobody_waits_for_is_given_up_between_parts(rays: Any) -> None:
    pace, asked = Slow(), []

    def stale() -> bool:
        asked.append(pace.measured)
        return len(asked) > 2

    with pytest.raises(Stale):
        render(rays, rays.start, ("rgb",), Turns(), pace, stale=stale)
    assert pace.measured == 2


def test_gaussians_are_drawn_whole(viewed: Any) -> None:
    pace = Slow()
    render(viewed, viewed.start.scaled(0.1), ("rgb",), Turns(), pace)
    assert pace.measured == 1


@pytest.mark.parametrize("of", ["rays", "viewed"])
def test_a_box_shows_what_is_in_it_and_is_gone_afterwards(
    of: str, request: pytest.FixtureRequest
) -> None:
    viewed: Any = request.getfixturevalue(of)
    camera = viewed.start.scaled(64 / int(viewed.start.size[0, 0]))
    low, high = viewed.bounds.tolist()
    middle = [(a + b) / 2 for a, b in zip(low, high)]
    boxes = {
        "all": (tuple(low), tuple(high)),
        "half": (tuple(low), (middle[0], *high[1:])),
        "none": (tuple(x + 100 for x in low), tuple(x + 100 for x in high)),
    }
    seen = {
        name: float(render(viewed, camera, ("rgb",), Turns(), Pace(), box=box).opacity.mean())
        for name, box in boxes.items()
    }
    assert 0 == seen["none"] < seen["half"] < 0.9 * seen["all"]
    assert viewed.renderer.picture_box is None


@pytest.mark.parametrize("divide", [0.0, 0.3, 1.0])
def test_two_scenes_are_divided_and_aligned_by_the_frame_of_the_data(
    viewed: Any, divide: float
) -> None:
    camera = viewed.start.scaled(0.1)
    screen = Screen(Stage(viewed, viewed), Turns(), Look(divide=divide))
    alone = viewed.renderer.image(camera, 0).rgb
    together = screen.render(camera, screen.look).rgb
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=3e-2)
    # The same scene in a world that is twice as large, seen through its own frame.
    twice = replace(viewed, source_from_world=torch.diag(torch.tensor([0.5, 0.5, 0.5, 1]).double()))
    from polyfield.viewer.screen import in_frame_of

    moved = in_frame_of(camera, viewed, twice)
    torch.testing.assert_close(moved.positions, 2 * camera.positions)
