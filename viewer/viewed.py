"""What is looked at: a renderer and what is known around it.

Letters: h, w pixels; n cameras.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.cameras import Cameras
from polyfield.errors import InputError
from polyfield.training.photo_task import Renderable

if TYPE_CHECKING:
    from polyfield.datasets.scene import Scene
    from polyfield.training.photo_task import PhotoTask

UP = (0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Light:
    """How a scene is lit and what lies behind it.

    Attributes:
        background: [3] sRGB; None for black.
        code: of the light, as the renderer takes it; None for none.
    """

    background: Float[Tensor, "3"] | None = None
    code: Float[Tensor, " a"] | None = None


@dataclass(frozen=True)
class Viewed:
    """What can be shown.

    Attributes:
        renderer: of the scene.
        light: as it is now; asked whenever a picture is made.
        bounds: the box in the world that holds what is of interest.
        seen: the cameras of the data; None where there is none.
        start: one camera, from which a browser looks first.
        names: of the photos, one a camera.
        source_from_world: similarity into the frame of the user's data.
        up: in the world, unit length.
        photo: number of a camera -> uint8 [h,w,c], None where there are no photos; may raise
            InputError where they are gone.
        points: -> points [m,3] in the world and their colours uint8 [m,3]; None where there are
            none.
        inside: within it no parameter changes.
        step: of the training that is shown; None where unknown.
    """

    renderer: Renderable
    light: Callable[[], Light]
    bounds: Float[Tensor, "2 3"]
    start: Cameras
    seen: Cameras | None = None
    names: tuple[str, ...] = ()
    source_from_world: Float[Tensor, "4 4"] = field(
        default_factory=lambda: torch.eye(4, dtype=torch.float64)
    )
    up: tuple[float, float, float] = UP
    photo: Callable[[int], Any] | None = None
    points: Callable[[], tuple[Any, Any] | None] | None = None
    inside: Callable[[], AbstractContextManager[None]] = nullcontext
    step: Callable[[], int | None] = lambda: None

    @property
    def moves(self) -> bool:
        """Whether the scene does."""
        return self.seen is not None and self.seen.times is not None

    @property
    def scale(self) -> float:
        """Units of the user's data in a unit of the world."""
        return float(self.source_from_world[:3, :3].det()) ** (1 / 3)

    @property
    def size(self) -> float:
        """Length of the diagonal of `bounds`."""
        return float((self.bounds[1] - self.bounds[0]).norm())


class Stage:
    """What a viewer shows now, and may show another thing of from one moment to the next.

    Args:
        viewed: at first.
        against: a second one, to be compared with.
    """

    def __init__(self, viewed: Viewed, against: Viewed | None = None) -> None:
        self.viewed, self.against = viewed, against
        self.version = 0
        self._changed = threading.Lock()

    def show(self, viewed: Viewed) -> None:
        """Another state of the same scene."""
        with self._changed:
            self.viewed, self.version = viewed, self.version + 1

    def touch(self) -> None:
        """Say that parameters have changed."""
        with self._changed:
            self.version += 1


def of_task(task: PhotoTask, **more: Any) -> Viewed:
    """What a task has learned of photos.

    Args:
        more: other attributes of `Viewed`.
    """
    scene = task.scene
    seen = scene.cameras

    def light() -> Light:
        behind = task.background
        return Light(None if behind is None else behind.detach(), task.code)

    found = Viewed(
        renderer=task.renderer,
        light=light,
        bounds=scene.bounds.double(),
        start=seen[int(scene.splits["train"][0]) if len(scene.splits.get("train", ())) else 0],
        seen=seen,
        names=tuple(scene.images.names),
        source_from_world=scene.source_from_world.double(),
        photo=scene.images.__getitem__,
        points=lambda: points_of(scene),
    )
    return replace(found, **more)


def points_of(scene: Scene) -> tuple[Any, Any] | None:
    """The sparse points of a scene and their colours, grey where they have none."""
    if scene.points is None or not len(scene.points):
        return None
    colors = scene.point_colors
    if colors is None:
        colors = torch.full((len(scene.points), 3), 160, dtype=torch.uint8)
    return scene.points.numpy(), colors.numpy()


def check_viewable(task: Any, run: Any) -> None:
    """InputError for a task that has learned something that has no views."""
    if not hasattr(task, "renderer"):
        found = type(task).__name__
        raise InputError(file=run, field="task", found=found, expected="a scene with views")
