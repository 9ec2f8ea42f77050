"""What made a field's parameters change shape, so that a checkpoint can do it again.

A field grows by itself, and at a share of the training its box may be cut to what is occupied
(TensoRF, Chen et al. 2022, section 5). What occupancy said then is kept, as it says other things
later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from polyfield.errors import InputError
from polyfield.fields.backbone import Replacement
from polyfield.fields.resampling import Box


@dataclass(frozen=True)
class Crop:
    """A cut of a field's box.

    Args:
        share: of the training at which it is made.
        box: says what is occupied then, in the unit cube; crop: cuts to that.
    """

    share: float
    box: Callable[[], Box]
    crop: Callable[[Box], Sequence[Replacement]]


class Growth:
    """When a field grew.

    Args:
        grow: of the field: step and progress -> the parameters that were replaced.
        crop: the cut of its box, if there is one.
    """

    def __init__(
        self,
        grow: Callable[[int, float], Sequence[Replacement]],
        crop: Crop | None = None,
    ) -> None:
        self._grow, self._crop = grow, crop
        self._done: list[dict[str, Any]] = []

    @property
    def cropped(self) -> bool:
        """Whether the box was cut."""
        return any("box" in entry for entry in self._done)

    def __call__(self, step: int, progress: float) -> Sequence[Replacement]:
        """Let the field grow; when it did is kept."""
        crop = self._crop
        due = crop is not None and not self.cropped and progress >= crop.share
        box = crop.box() if crop is not None and due else None
        return self._apply(step, progress, box)

    def _apply(self, step: int, progress: float, box: Box | None) -> Sequence[Replacement]:
        entry: dict[str, Any] = {"step": step, "progress": progress}
        replaced: list[Replacement] = []
        if box is not None and self._crop is not None:
            entry["box"] = [list(corner) for corner in box]
            replaced += self._crop.crop(box)
        replaced += self._grow(step, progress)
        if replaced:
            self._done.append(entry)
        return replaced

    def state(self) -> list[dict[str, Any]]:
        """Plain data."""
        return [dict(entry) for entry in self._done]

    def load_state(self, state: list[dict[str, Any]]) -> None:
        """Let the field grow as it had."""
        done = len(self._done)
        if state[:done] != self._done:
            raise InputError(field="growth", found=state, expected=f"to begin with {self._done}")
        for entry in state[done:]:
            self._apply(int(entry["step"]), entry["progress"], entry.get("box"))


def crop_of(renderer: Any, share: float) -> Crop:
    """The cut of a renderer's box to what it finds occupied.

    Args:
        renderer: with `croppable`, `occupied_box` and `crop`, as `VolumeRenderer` has them.
        share: of the training.

    Raises:
        InputError: where nothing can be cut.
    """
    if not 0 <= share < 1:
        raise InputError(field="task.crop", found=share, expected="null, or 0 to below 1")
    if not getattr(renderer, "croppable", False):
        field = getattr(renderer, "field", renderer)
        what = type(getattr(field, "backbone", field)).__name__
        raise InputError(
            field="task.crop",
            found=f"{share:g}, and {what} in {type(renderer).__name__}",
            expected="null, or lattices along the axes in a box, with renderer=volume",
        )
    return Crop(share, renderer.occupied_box, renderer.crop)
