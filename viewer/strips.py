"""Pictures in parts, so that whoever waits for one waits for a part at most.

Letters: h, w pixels.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from polyfield.cameras import Cameras
from polyfield.cameras.models import Model
from polyfield.renderers.render import Render
from polyfield.viewer.look import Corner
from polyfield.viewer.pace import Pace
from polyfield.viewer.share import Turns
from polyfield.viewer.viewed import Viewed

PART = 0.04  # seconds that a part should take
FEWEST = 8  # rows of a part: neighbours share work
NAP = 0.02  # seconds between looks at whether anybody still waits

Box = tuple[Corner, Corner]


class Stale(Exception):
    """Nobody waits for this picture any more."""


def render(
    viewed: Viewed,
    camera: Cameras,
    modes: tuple[str, ...],
    turns: Turns,
    pace: Pace,
    *,
    background: Tensor | None = None,
    box: Box | None = None,
    stale: Callable[[], bool] = lambda: False,
) -> Render:
    """The picture of the first of some cameras, part by part.

    Args:
        modes: as `Renderable.image` takes them.
        turns: that each part has to wait for.
        pace: learns how long parts take.
        background: [3] in the place of that of the scene.
        box: corners in the world of what is shown.
        stale: whether nobody waits for it any more.

    Raises:
        Stale: where that is so, between two parts.
        InputError: as the renderer.
    """
    parts = []
    for part in _parts(camera, pace, getattr(viewed.renderer, "whole", False)):
        while True:
            if stale():
                raise Stale
            rest = turns.rest()
            if not rest:
                break
            time.sleep(min(rest, NAP))
        with turns.turn(viewed.inside), shown(viewed.renderer, box):
            light = viewed.light()
            behind = light.background if background is None else background
            began = time.perf_counter()
            parts.append(viewed.renderer.image(part, 0, behind, modes, appearance=light.code))
            seconds = time.perf_counter() - began
        pace.add(int(part.size[0].prod()), seconds)
    return parts[0] if len(parts) == 1 else _joined(parts)


def window(camera: Cameras, left: int, top: int, width: int, height: int) -> Cameras:
    """The camera of a rectangle of the picture of the first of some cameras, in pixels."""
    first = camera[0]
    intrinsics = first.intrinsics.clone()
    intrinsics[0, 2] -= left
    intrinsics[0, 3] -= top
    return replace(first, intrinsics=intrinsics, size=torch.tensor([[width, height]]))


def _parts(camera: Cameras, pace: Pace, whole: bool) -> Iterator[Cameras]:
    width, height = camera.size[0].tolist()
    top = 0
    whole = whole or int(camera.model[0]) == Model.EQUIRECTANGULAR  # whose size is of its lens
    while top < height:
        rows = 1 << round(math.log2(max(pace.pixels(PART) / width, 1)))  # few sizes: as in `pace`
        rows = height - top if whole else min(max(rows, FEWEST), height - top)
        if height - top - rows < FEWEST:  # no sliver at the end
            rows = height - top
        yield window(camera, 0, top, width, rows) if rows < height else camera[0]
        top += rows


@contextmanager
def shown(renderer: Any, box: Box | None) -> Iterator[None]:
    """Inside, a renderer that can do so shows what is within a box alone."""
    if box is None or not hasattr(renderer, "picture_box"):
        yield
        return
    renderer.picture_box = torch.tensor(box, dtype=torch.float64)
    try:
        yield
    finally:
        renderer.picture_box = None


def _joined(parts: list[Render]) -> Render:
    """Parts that lie below each other."""

    def joined(values: list[Any]) -> Tensor | None:
        return None if values[0] is None else torch.cat(values)

    extras = {name: torch.cat([part.extras[name] for part in parts]) for name in _maps(parts[0])}
    return Render(
        rgb=torch.cat([part.rgb for part in parts]),
        opacity=torch.cat([part.opacity for part in parts]),
        depth=torch.cat([part.depth for part in parts]),
        normals=joined([part.normals for part in parts]),
        extras=extras,
        median_depth=joined([part.median_depth for part in parts]),
    )


def beside(left: Render, right: Render) -> Render:
    """Two pictures of one height beside each other; NaN where one lacks a map of the other."""
    maps = _maps(left) | _maps(right)

    def both(name: str) -> Tensor:
        sides = [_map(side, name) for side in (left, right)]
        return torch.cat(sides, dim=1)

    has_normals = left.normals is not None and right.normals is not None
    return Render(
        rgb=torch.cat([left.rgb, right.rgb], dim=1),
        opacity=torch.cat([left.opacity, right.opacity], dim=1),
        depth=torch.cat([left.depth, right.depth], dim=1),
        normals=torch.cat([left.normals, right.normals], dim=1) if has_normals else None,  # type: ignore[list-item]
        extras={name: both(name) for name in maps},
    )


def _maps(render: Render) -> set[str]:
    """Names of the extras that are pictures."""
    return {k for k, v in render.extras.items() if isinstance(v, Tensor) and v.ndim >= 2}


def _map(render: Render, name: str) -> Tensor:
    found = render.extras.get(name)
    return torch.full_like(render.opacity, torch.nan) if found is None else found
