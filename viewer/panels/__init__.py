"""What stands beside the picture: a module for each tab, put together by `build`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

from polyfield.viewer.loop import Drawn

if TYPE_CHECKING:
    from polyfield.viewer.server import Viewer

TICK = 0.4  # seconds between two looks at what goes on


class Panel(Protocol):
    """A tab that shows what changes by itself."""

    def tick(self) -> None:
        """Show the present state."""
        ...


class Panels:
    """All tabs, and a thread that keeps them up to date.

    Args:
        rendering: the tab that is told of every picture.
        panels: those that are asked to look again and again.
    """

    def __init__(self, rendering: Any, panels: list[Panel]) -> None:
        self.rendering, self.panels = rendering, panels
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="polyfield-panels", daemon=True)
        self._thread.start()

    def drawn(self, drawn: Drawn) -> None:
        """Tell of a picture."""
        self.rendering.drawn(drawn)

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stop.wait(TICK):
            for panel in self.panels:
                panel.tick()


def build(viewer: Viewer) -> Panels:
    """Add all tabs to a page."""
    from polyfield.viewer.panels import cameras, export, paths, rendering, training

    tabs = viewer.server.gui.add_tab_group()
    with tabs.add_tab("View"):
        shown = rendering.Rendering(viewer)
    panels: list[Panel] = []
    with tabs.add_tab("Scene"):
        cameras.Cameras(viewer)
    with tabs.add_tab("Path"):
        panels.append(paths.PathPanel(viewer))
    if viewer.extras.exporters:
        with tabs.add_tab("Export"):
            panels.append(export.Export(viewer))
    if viewer.extras.live is not None or viewer.extras.run is not None:
        with tabs.add_tab("Training"):
            panels.append(training.Training(viewer))
    return Panels(shown, panels)
