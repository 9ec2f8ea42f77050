"""The tab of what is shown and how: modes, colours, light, crop box, time, comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polyfield.viewer.colormaps import MAPS
from polyfield.viewer.look import MODES
from polyfield.viewer.loop import Drawn

if TYPE_CHECKING:
    from polyfield.viewer.server import Viewer

NO_LEGEND = '<div class="polyfield-legend"></div>'
BEHIND = ("as trained", "white", "black", "color")
# The edges of a cube from 0 to 1, [12,2,3].
CORNERS = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)], dtype=np.float32)
PAIRS = [(i, i | 1 << bit) for i in range(8) for bit in range(3) if not i >> bit & 1]
EDGES = np.stack([CORNERS[[i, j]] for i, j in PAIRS])
SIZES = (256, 512, 800, 1280, 1920, 2560)


class Rendering:
    """Sets the look of the screen.

    Args:
        viewer: whose.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer, self._screen = viewer, viewer.screen
        gui = viewer.server.gui
        self._legend_shown, self._line_shown = NO_LEGEND, ""
        if viewer.stage.against is not None:
            self._add_comparison(gui)
        mode = gui.add_dropdown("Mode", MODES, initial_value="rgb")
        mode.on_update(lambda _: self._set_mode(mode.value))
        self._legend = gui.add_html(NO_LEGEND)
        colors = gui.add_dropdown("Colors", ("auto", *MAPS), initial_value="auto")
        colors.on_update(lambda _: self._screen.set(colors=colors.value))
        self._add_light(gui)
        self._add_size(gui)
        if viewer.stage.viewed.moves:
            time = gui.add_slider("Time", min=0.0, max=1.0, step=0.01, initial_value=0.0)
            time.on_update(lambda _: self._screen.set(time=float(time.value)))
        self._add_box(gui)
        self._line = gui.add_markdown("")

    def drawn(self, drawn: Drawn) -> None:
        """Show the legend of a picture and how long it took."""
        legend = NO_LEGEND if drawn.legend is None else drawn.legend.html()
        if legend != self._legend_shown:
            self._legend_shown = legend
            self._legend.content = legend
        if drawn.finest:
            width, height = drawn.size
            line = f"{width} x {height} in {drawn.seconds:.2f} s"
            step = self._viewer.stage.viewed.step()
            line += "" if step is None else f", step {step:,}"
            if not drawn.finite:
                line += (
                    "\n\n**Not finite**: this training has diverged; a lower `optimizer.lr` helps"
                )
            if line != self._line_shown:
                self._line_shown = line
                self._line.content = line

    def _set_mode(self, mode: str) -> None:
        self._screen.set(mode=mode)

    def _add_comparison(self, gui: Any) -> None:
        first, second = self._viewer.extras.titles[:2]
        gui.add_markdown(f"left: **{first}**, right: **{second}**")
        divide = gui.add_slider("Divide", min=0.0, max=1.0, step=0.01, initial_value=0.5)
        divide.on_update(lambda _: self._screen.set(divide=float(divide.value)))

    def _add_light(self, gui: Any) -> None:
        behind = gui.add_dropdown("Background", BEHIND, initial_value=BEHIND[0])
        color = gui.add_rgb("Color", (128, 128, 128), visible=False)
        exposure = gui.add_slider(
            "Exposure", min=-4.0, max=4.0, step=0.1, initial_value=0.0, hint="stops; of rgb"
        )

        def update(_: Any) -> None:
            color.visible = behind.value == "color"
            known = {"white": (1.0,) * 3, "black": (0.0,) * 3}
            chosen = tuple(channel / 255 for channel in color.value)
            self._screen.set(
                background=chosen if color.visible else known.get(behind.value),
                exposure=float(exposure.value),
            )

        for control in (behind, color, exposure):
            control.on_update(update)

    def _add_size(self, gui: Any) -> None:
        now = str(self._screen.look.longest)
        options = sorted({*map(str, SIZES), now}, key=int)
        longest = gui.add_dropdown("Finest", options, initial_value=now, hint="pixels, longer edge")
        longest.on_update(lambda _: self._screen.set(longest=int(longest.value)))

    def _add_box(self, gui: Any) -> None:
        lower, upper = self._viewer.stage.viewed.bounds.numpy()
        with gui.add_folder("Crop box", expand_by_default=False):
            on = gui.add_checkbox("Crop", False)
            axes = [
                gui.add_multi_slider(
                    name, min=0.0, max=1.0, step=0.005, min_range=0.005, initial_value=(0.0, 1.0)
                )
                for name in "xyz"
            ]
        frame = self._viewer.server.scene.add_line_segments(
            "/crop",
            points=EDGES,
            colors=(255, 200, 0),
            thickness=2.0,
            thickness_units="screen",
            visible=False,
        )

        def update(_: Any) -> None:
            ends = np.array([axis.value for axis in axes], dtype=np.float64).T
            low, high = lower + ends * (upper - lower)
            frame.points = (low + EDGES * (high - low)).astype(np.float32)
            frame.visible = bool(on.value)
            self._screen.set(box=(tuple(low.tolist()), tuple(high.tolist())) if on.value else None)

        for control in (on, *axes):
            control.on_update(update)
