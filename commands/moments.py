"""When the cameras of a path look at a scene that moves: the key `time` of `polyfield render`.

Letters: n cameras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polyfield.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from polyfield.cameras import Cameras
    from polyfield.datasets.scene import Scene


def time_span(time: Any) -> tuple[float, float] | None:
    """What `time=` means: `0.5` or `0:1`; None where it says nothing.

    Raises:
        InputError: for what is no time.
    """
    if time is None:
        return None
    try:
        numbers = [float(part) for part in str(time).split(":")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not all(0 <= number <= 1 for number in numbers):
        expected = "a number between 0 and 1, or FIRST:LAST"
        raise InputError(field="time", found=time, expected=expected)
    return numbers[0], numbers[-1]


def one_moment(time: Any) -> float | None:
    """The moment that `time=` means, where only one can be shown; None for none.

    Raises:
        InputError: for more than one, and what is no time.
    """
    span = time_span(time)
    if span is None:
        return None
    if span[0] != span[1]:
        raise InputError(field="time", found=time, expected="one number between 0 and 1")
    return span[0]


def path_times(
    scene: Scene, cameras: Cameras, span: tuple[float, float] | None
) -> Float[Tensor, " n"] | None:
    """When the n cameras of a path look; None of a scene that stands still.

    Args:
        span: from when to when, evenly; None: as the cameras say, else all of the time.

    Raises:
        InputError: for a time where nothing moves.
    """
    import torch

    if scene.times is None:
        if span is not None:
            found = f"{span[0]:g}:{span[1]:g}, and a scene that stands still"
            raise InputError(field="time", found=found, expected="no time")
        return None
    if span is None and cameras.times is not None:
        return cameras.times
    first, last = (0.0, 1.0) if span is None else span
    return torch.linspace(first, last, len(cameras), dtype=torch.float64)
