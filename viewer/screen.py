"""What all browsers share: the scene, how it is looked at, and whose turn it is."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from polyfield.cameras import Cameras
from polyfield.renderers.render import Render
from polyfield.viewer.look import WANTS, Look
from polyfield.viewer.pace import Pace
from polyfield.viewer.share import Turns
from polyfield.viewer.strips import beside, render, window
from polyfield.viewer.viewed import Stage, Viewed


class Screen:
    """Draws a stage as somebody wants to look at it.

    Args:
        stage: what is shown.
        turns: of all who render.
        look: at first.
    """

    def __init__(self, stage: Stage, turns: Turns, look: Look) -> None:
        self.stage, self.turns, self.look = stage, turns, look
        self.number = 0  # of changes of the look and the stage
        self.paces: dict[str, Pace] = defaultdict(Pace)
        self._changing = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    def set(self, **settings: Any) -> None:
        """Look in another way from now on."""
        with self._changing:
            self.look = replace(self.look, **settings)
        self.changed()

    def show(self, viewed: Viewed) -> None:
        """Show another state of the scene from now on."""
        self.stage.show(viewed)
        self.changed()

    def changed(self) -> None:
        """Tell everybody that pictures are to be made anew."""
        with self._changing:
            self.number += 1
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Have it called at every change."""
        with self._changing:
            self._listeners.append(listener)

    def leave(self, listener: Callable[[], None]) -> None:
        """Call it no more."""
        with self._changing:
            if listener in self._listeners:
                self._listeners.remove(listener)

    def pace(self, look: Look) -> Pace:
        """How long pictures of this kind take."""
        return self.paces[look.mode if look.mode in ("normals", "samples") else "rgb"]

    def render(
        self, camera: Cameras, look: Look, stale: Callable[[], bool] = lambda: False
    ) -> Render:
        """The picture of the first of some cameras, of two scenes where two are compared.

        Raises:
            strips.Stale: when nobody waits for it any more.
            InputError: as the renderers.
        """
        stage, pace = self.stage, self.pace(look)
        settings: dict[str, Any] = {
            "modes": WANTS[look.mode],
            "turns": self.turns,
            "pace": pace,
            "background": _color(look),
            "box": look.box,
            "stale": stale,
        }
        width, height = camera.size[0].tolist()
        middle = round(look.divide * width)
        if stage.against is None or middle >= width:
            return render(stage.viewed, camera, **settings)
        other = in_frame_of(camera, stage.viewed, stage.against)
        if middle <= 0:
            return render(stage.against, other, **settings)
        left = render(stage.viewed, window(camera, 0, 0, middle, height), **settings)
        rest = window(other, middle, 0, width - middle, height)
        return beside(left, render(stage.against, rest, **settings))


def in_frame_of(camera: Cameras, of: Viewed, other: Viewed) -> Cameras:
    """The cameras of one world in another one; what both know is the frame of the data."""
    other_from_world = torch.linalg.inv(other.source_from_world) @ of.source_from_world
    return camera.transformed(other_from_world)


def _color(look: Look) -> Tensor | None:
    return None if look.background is None else torch.tensor(look.background)
