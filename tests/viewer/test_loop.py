"""One browser's pictures, without a browser."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from polyfield.cameras.poses import quaternion_from_rotation
from polyfield.renderers.pictures import picture
from polyfield.renderers.render import Render
from polyfield.viewer.look import Look
from polyfield.viewer.loop import FAR, Drawer, Drawn, z_depths
from polyfield.viewer.screen import Screen
from polyfield.viewer.share import Turns
from polyfield.viewer.standing import camera_of, vertical_angle
from polyfield.viewer.viewed import Stage, Viewed

PATIENCE = 60.0


class Browser:
    """What a drawer knows of a browser; keeps what it is sent."""

    client_id = 0

    def __init__(self, viewed: Viewed, size: tuple[int, int] = (96, 64)) -> None:
        pose = viewed.start.world_from_camera[0]
        self.camera = self.scene = self
        self.wxyz = quaternion_from_rotation(pose[:, :3]).numpy()
        self.position = pose[:, 3].numpy()
        self.fov = vertical_angle(viewed.start)
        self.image_width, self.image_height = size
        self.images: list[np.ndarray] = []
        self.depths: list[Any] = []

    def set_background_image(self, image: np.ndarray, depth: Any = None, **_: Any) -> None:
        self.images.append(image)
        self.depths.append(depth)

    def flush(self) -> None:
        pass


class Seen:
    """Waits for pictures."""

    def __init__(self) -> None:
        self.drawn: list[Drawn] = []
        self._more = threading.Condition()

    def __call__(self, drawn: Drawn) -> None:
        with self._more:
            self.drawn.append(drawn)
            self._more.notify_all()

    def until(self, holds: Callable[[list[Drawn]], bool]) -> None:
        with self._more:
            assert self._more.wait_for(lambda: holds(self.drawn), PATIENCE)


def test_a_still_camera_gets_finer_pictures_and_the_last_is_the_renderers(rays: Any) -> None:
    browser, seen = Browser(rays), Seen()
    screen = Screen(Stage(rays), Turns(), Look())
    drawer = Drawer(browser, screen, seen)
    drawer.start()
    seen.until(lambda drawn: bool(drawn) and drawn[-1].finest)
    drawer.stop()
    assert drawer.join(PATIENCE)
    sizes = [drawn.size for drawn in seen.drawn]
    assert sizes == sorted(sizes)
    assert sizes[-1] == (96, 64)
    camera = camera_of(browser, (96, 64))
    ours = picture(rays.renderer.image(camera, 0, rays.light().background).rgb.numpy())
    assert np.abs(browser.images[-1].astype(int) - ours).max() <= 1


def test_a_change_of_mode_is_drawn_without_a_move(rays: Any) -> None:
    browser, seen = Browser(rays), Seen()
    screen = Screen(Stage(rays), Turns(), Look())
    drawer = Drawer(browser, screen, seen)
    drawer.start()
    seen.until(lambda drawn: bool(drawn) and drawn[-1].finest)
    screen.set(mode="opacity", solid=True)
    seen.until(lambda drawn: drawn[-1].finest and drawn[-1].legend is not None)
    drawer.stop()
    assert browser.depths[-1].shape == (64, 96)


def test_a_browser_that_leaves_ends_its_drawer_in_the_middle_of_a_picture(rays: Any) -> None:
    inside, leave = threading.Event(), threading.Event()

    class Held:
        def __enter__(self) -> None:
            inside.set()
            assert leave.wait(PATIENCE)

        def __exit__(self, *_: object) -> None:
            pass

    held = replace(rays, inside=Held)
    screen = Screen(Stage(held), Turns(), Look())
    browser = Browser(rays)
    drawer = Drawer(browser, screen)
    drawer.start()
    assert inside.wait(PATIENCE)
    drawer.stop()
    leave.set()
    assert drawer.join(PATIENCE)
    assert browser.images == []
    screen.changed()  # nobody listens any more


def test_a_diverged_run_is_drawn_and_told_of(rays: Any) -> None:
    renderer = copy.deepcopy(rays.renderer)
    with torch.no_grad():
        for parameter in renderer.parameters():
            parameter.fill_(torch.nan)
    browser, seen = Browser(rays), Seen()
    viewed = replace(rays, renderer=renderer)
    drawer = Drawer(browser, Screen(Stage(viewed), Turns(), Look()), seen)
    drawer.start()
    seen.until(lambda drawn: bool(drawn) and drawn[-1].finest)
    drawer.stop()
    assert not seen.drawn[-1].finite


def test_what_cannot_be_drawn_is_told_and_the_next_picture_comes(rays: Any) -> None:
    broken, said, seen = [True], [], Seen()

    class Renderer:
        def image(self, *arguments: Any, **named: Any) -> Any:
            if broken[0]:
                broken[0] = False
                raise RuntimeError("no")
            return rays.renderer.image(*arguments, **named)

    viewed = replace(rays, renderer=Renderer())
    screen, told = Screen(Stage(viewed), Turns(), Look()), threading.Event()

    def failed(error: Any) -> None:
        said.append(str(error))
        told.set()

    drawer = Drawer(Browser(rays), screen, seen, failed)
    drawer.start()
    assert told.wait(PATIENCE)
    screen.changed()
    seen.until(lambda drawn: bool(drawn))
    drawer.stop()
    assert "no" in said[0]


@pytest.mark.parametrize("hit", [0.0, 1.0])
def test_depth_along_the_axis_is_that_of_a_plane(rays: Any, hit: float) -> None:
    camera = rays.start
    width, height = camera.size[0].tolist()
    cosines = camera.image_rays(0).axis_cosine.reshape(height, width)
    render = Render(torch.zeros(height, width, 3), torch.full((height, width), hit), 2 / cosines)
    expected = np.full((height, width), 2.0 if hit else FAR, np.float32)
    np.testing.assert_allclose(z_depths(camera, render), expected, rtol=1e-5)
