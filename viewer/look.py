"""How the scene is looked at: what a person has set in the panels."""

from __future__ import annotations

from dataclasses import dataclass

MODES = ("rgb", "depth", "normals", "opacity", "samples", "error")
Corner = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """Settings of all pictures; a new one for each change.

    Attributes:
        mode: what is shown, of `MODES`.
        colors: a name of `colormaps.MAPS`, or "auto" for the one that suits the mode.
        background: sRGB in [0, 1]; None as trained.
        exposure: stops by which light is multiplied.
        box: corners in the world of what is shown; None for all.
        time: of a scene that moves, in [0, 1].
        divide: share of the width, from the left, that shows the first of two scenes.
        longest: pixels of the longer edge of the finest picture.
        photo: number of a photo that is shown instead of the render; None for the render.
        solid: whether things drawn into the scene are hidden by what stands before them.
    """

    mode: str = "rgb"
    colors: str = "auto"
    background: Corner | None = None
    exposure: float = 0.0
    box: tuple[Corner, Corner] | None = None
    time: float = 0.0
    divide: float = 1.0
    longest: int = 1280
    photo: int | None = None
    solid: bool = False


# What a renderer is asked for so that a mode can be shown.
WANTS = {
    "rgb": ("rgb",),
    "depth": ("rgb", "depth"),
    "normals": ("rgb", "normal"),
    "opacity": ("rgb", "opacity"),
    "samples": ("rgb", "samples"),
    "error": ("rgb", "depth"),
}
