"""What a run has learned, as a surface: a distance, an occupancy or a density at a level.

Letters: n points, R cells an axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.errors import InputError
from polyfield.export.meshes.implicit import Implicit, Near, Value
from polyfield.export.meshes.occupied import near_occupied, near_samples
from polyfield.training.photo_task import PhotoTask
from polyfield.training.shape import OccupancyTask, SdfTask, ShapeTask
from polyfield.training.task import Task

STEEP = 1.25  # times as fast as a distance may what was learned as one change
DENSITY = math.log(2)  # the usual level, in optical thickness along a hundredth of the diagonal
DARKEST = 1e-12  # a density that counts as none
CHUNK = 1 << 17  # points

Colors = Callable[[Float[Tensor, "n 3"], Float[Tensor, "n 3"]], Float[Tensor, "n 3"]]


@dataclass(frozen=True)
class Learned:
    """A surface and what is known around it.

    Attributes:
        box: [lower, upper] corner of where it is, in the world of the training.
        source_from_world: [4,4] back to the frame of the user's data.
        surface: its function; None of Gaussians, which have none.
        level: at which it is; noun: of what.
        measure: world points -> the number that `level` is compared with.
        time: in [0, 1], of a scene that moves.
        colors: world points and the unit directions in which they are looked at -> sRGB; None where
            nothing has a colour.
    """

    box: Float[np.ndarray, "2 3"]
    source_from_world: Float[np.ndarray, "4 4"]
    surface: Implicit | None = None
    level: float = 0.0
    noun: str = "opacity"
    measure: Value | None = None
    colors: Colors | None = None
    time: float | None = None


def learned_surface(task: Task, level: float | None = None, time: float | None = None) -> Learned:
    """The surface of a task.

    Args:
        level: of the distance (by default 0), of the probability of being inside (0.5), or of the
            density, 1 / world unit.
        time: in [0, 1], of a scene that moves.

    Raises:
        InputError: for a task without a surface, a level that is none, a scene that moves and no
            time.
    """
    if level is not None and not math.isfinite(level):
        raise InputError(field="level", found=level, expected="a finite number")
    if isinstance(task, ShapeTask):
        return _shape(task, level)
    field: Any = getattr(getattr(task, "renderer", None), "field", None)
    if isinstance(task, PhotoTask) and hasattr(field, "density"):
        return _radiance(task, field, level, time)
    if isinstance(task, PhotoTask) and hasattr(field, "splats"):
        box, frame = task.scene.bounds, task.scene.source_from_world
        return Learned(box.double().numpy(), frame.double().numpy())
    name = type(task).__name__
    raise InputError("has no surface", field="run", found=name, expected="radiance, sdf, occupancy")


def _shape(task: ShapeTask, level: float | None) -> Learned:
    if isinstance(task, SdfTask):
        at = 0.0 if level is None else level
        noun, measure = "distance", task.sdf
        value: Value = lambda x: at - task.sdf(x)  # noqa: E731
        near: Near = lambda x, half: value(x).abs() <= STEEP * half.norm()  # noqa: E731
    elif isinstance(task, OccupancyTask):
        at = 0.5 if level is None else level
        if not 0 < at < 1:
            raise InputError(field="level", found=at, expected="a probability, between 0 and 1")
        noun, measure, logit = "probability", task.occupancy, math.log(at / (1 - at))
        value = lambda x: task.raw(x) - logit  # noqa: E731
        near = near_samples(value, 2.0)
    box = np.array([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
    surface = Implicit(in_parts(value), box, near)
    return Learned(box, task.mesh.source_from_world, surface, at, noun, measure)


def _radiance(task: PhotoTask, field: Any, level: float | None, time: float | None) -> Learned:
    domain, occupancy = field.domain, getattr(task.renderer, "occupancy", None)
    inner = domain.bounds.double().numpy()
    box = inner
    if occupancy is not None and domain.kind == "box" and occupancy.found:
        box = occupancy.clip.double().numpy()
    thickness = DENSITY / (0.01 * float(np.linalg.norm(inner[1] - inner[0])))
    at = thickness if level is None else level
    if not at > 0:
        raise InputError(field="level", found=at, expected="a density above 0")
    when = _time(field, time)

    def density(x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        with torch.no_grad():
            return field.density(x, None if when is None else x.new_full((len(x),), when))

    def value(x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        # Densities grow exponentially: their logarithm is what is straight along an edge.
        return (density(x) / at).clamp(min=DARKEST).log()

    def colors(x: Float[Tensor, "n 3"], directions: Float[Tensor, "n 3"]) -> Tensor:
        code = task.code
        codes = None if code is None else code.expand(len(x), -1)
        times = None if when is None else x.new_full((len(x),), when)
        with torch.no_grad():
            return field.radiance(x, directions, codes, times)[1].clamp(0, 1)

    near = near_samples(value, float((box[1] - box[0]).max()))
    if occupancy is not None and domain.kind == "box":
        near = near_occupied(occupancy)
    surface = Implicit(in_parts(value), box, near, closed=domain.kind == "box")
    frame = task.scene.source_from_world.double().numpy()
    return Learned(box, frame, surface, at, "density", density, colors, when)


def _time(field: Any, time: float | None) -> float | None:
    if not field.moves:
        if time is not None:
            raise InputError("does not fit", field="time", found="a scene that stands still")
        return None
    if time is None or not 0 <= time <= 1:
        found = "none" if time is None else time
        expected = "0 to 1, as the scene moves"
        raise InputError(field="time", found=found, expected=expected)
    return time


def in_parts(value: Value) -> Value:
    """The same function of any number of points, a part at a time."""

    def whole(x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return torch.cat([value(part) for part in x.split(CHUNK)] or [x.new_zeros(0)])

    return whole
