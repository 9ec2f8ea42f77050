"""The line that says how far a job is, and the delivery of what it wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyfield.viewer.jobs import Tell

if TYPE_CHECKING:
    from polyfield.viewer.server import Viewer

LARGEST = 1 << 30  # bytes that go through a browser


class ProgressLine:
    """A bar, a text and a button to give up, seen while a job runs.

    Args:
        viewer: whose.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._jobs = viewer.jobs
        gui = viewer.server.gui
        self._text = gui.add_markdown("", visible=False)
        self._bar = gui.add_progress_bar(0.0, animated=True, visible=False)
        self._cancel = gui.add_button("Cancel", visible=False)
        self._cancel.on_click(lambda _: self._jobs.cancel())
        self._shown = False

    def tick(self) -> None:
        """Show the present state."""
        progress = self._jobs.progress
        if progress is None:
            if self._shown:
                self._show(False)
            return
        if not self._shown:
            self._show(True)
        self._text.content = f"{progress.name}: {progress.line}"
        self._bar.value = 100.0 if progress.done is None else 100.0 * min(progress.done, 1.0)

    def _show(self, shown: bool) -> None:
        self._shown = shown
        self._text.visible = self._bar.visible = self._cancel.visible = shown


def deliver(
    viewer: Viewer, name: str, work: Callable[[Path, Tell], Path], client: Any | None
) -> None:
    """Run a job and hand what it wrote to the browser that asked for it."""

    def done(file: Path) -> None:
        size = file.stat().st_size
        here = client is not None and client.client_id in viewer.server.get_clients()
        note = viewer.jobs.note or f"written to {file}"
        if client is not None and here and size <= LARGEST:
            client.send_file_download(file.name, file.read_bytes(), save_immediately=True)
        elif here:
            note += ": too large for a download"
        viewer.say(f"{name}: done", note, client if here else None)

    def failed(reason: str) -> None:
        here = client is not None and client.client_id in viewer.server.get_clients()
        viewer.say(f"{name}: nothing written", reason, client if here else None, "red")

    if not viewer.jobs.start(name, work, done, failed):
        viewer.say("one at a time", "another job runs; wait for it or cancel it", client)
