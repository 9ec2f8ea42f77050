"""Photos beside renders: fitted to the page, and what is different from them."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from polyfield.errors import InputError
from polyfield.renderers.render import Render
from polyfield.viewer.photos import Photos
from polyfield.viewer.viewed import Stage


def render_of(photo: np.ndarray, depth: float, change: float = 0.0) -> Render:
    h, w = photo.shape[:2]
    rgb = torch.from_numpy(photo.astype(np.float32) / 255) + change
    return Render(rgb, torch.ones(h, w), torch.full((h, w), depth))


def test_a_render_like_the_photo_has_no_error_and_a_brighter_one_has(rays: Any) -> None:
    photos = Photos(Stage(rays))
    photo = photos[2]
    assert photo is not None
    camera = rays.seen[2]
    assert photos.nearest(camera) == 2
    same = photos.error(camera, render_of(photo, 1.0), wait=True)
    assert same is not None
    assert np.nanmax(same) < 1e-6
    assert np.isfinite(same).mean() > 0.99
    other = photos.error(camera, render_of(photo, 1.0, 0.1), wait=True)
    np.testing.assert_allclose(other[np.isfinite(other)], 0.1, atol=1e-5)


def test_from_elsewhere_the_photo_is_looked_up_where_its_camera_sees_the_point(rays: Any) -> None:
    """A wall as far as the meeting point of both cameras, of one colour in the photo: no error."""
    photos = Photos(Stage(replace(rays, photo=lambda i: np.full((64, 64, 3), 60, np.uint8))))
    turned = rays.seen[1]
    grey = render_of(np.full((64, 64, 3), 60, np.uint8), 1.5)
    found = photos.error(turned, grey, wait=True)
    assert found is not None
    assert np.nanmax(found) < 1e-6


def test_a_photo_is_read_meanwhile(rays: Any) -> None:
    photos, read = Photos(Stage(rays)), threading.Event()
    photos.read = read.set
    assert photos.soon(1) is None
    assert read.wait(30)
    assert photos.soon(1) is not None


def test_photos_that_are_gone_are_none_and_said(rays: Any) -> None:
    def gone(i: int) -> Any:
        raise InputError("the photos are gone")

    photos = Photos(Stage(replace(rays, photo=gone)))
    assert photos[0] is None
    assert photos.fitted(0, (10, 10)) is None
    assert "gone" in str(photos.missing)


def test_a_photo_is_as_high_as_the_page(rays: Any) -> None:
    photos = Photos(Stage(rays))
    page = photos.fitted(0, (200, 100))
    assert page is not None
    assert page.shape == (100, 200, 3)
    assert (page[:, :40] == page[0, 0]).all()
    thumbnail = photos.thumbnail(0)
    assert thumbnail is not None
    assert thumbnail.shape == (64, 64, 3)
