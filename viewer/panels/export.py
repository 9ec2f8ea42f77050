"""The tab that writes the scene for other programs, and hands the file to the browser."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyfield.viewer.jobs import Tell
from polyfield.viewer.panels.progress import ProgressLine, deliver

if TYPE_CHECKING:
    from polyfield.viewer.server import Viewer

SAVED = 120.0  # seconds that a training may take to come to a checkpoint


class Export:
    """A button that exports.

    Args:
        viewer: whose.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        gui = viewer.server.gui
        names = tuple(viewer.extras.exporters)
        self._format = gui.add_dropdown("Format", names, initial_value=names[0])
        button = gui.add_button("Export")
        button.on_click(lambda event: self._export(event.client))
        self._line = ProgressLine(viewer)

    def tick(self) -> None:
        """Show how far it is."""
        self._line.tick()

    def _export(self, client: Any) -> None:
        name = str(self._format.value)
        exporter = self._viewer.extras.exporters.get(name)
        if exporter is None:  # a page may say anything
            return

        def work(folder: Path, tell: Tell) -> Path:
            self._save_first(tell)
            tell(None, f"writing {name}")
            # A name of ours: nothing that a browser says becomes part of a path.
            out = folder / f"export-{time.strftime('%Y%m%d-%H%M%S')}{exporter.suffix}"
            exporter.write(out, tell)
            return out

        deliver(self._viewer, f"export {name}", work, client)

    def _save_first(self, tell: Tell) -> None:
        """What is exported is read from the run: write what a training has learned until now."""
        live = self._viewer.extras.live
        if live is None:
            return
        saved = threading.Event()
        live.save(saved)
        waited = 0.0
        while not saved.wait(0.1) and waited < SAVED:
            waited += 0.1
            tell(None, "waiting for a checkpoint")
