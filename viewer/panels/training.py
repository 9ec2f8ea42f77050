"""The tab of a training: its curves, and while it goes on what holds it and saves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polyfield.training.progress import status_line
from polyfield.training.records import FILE
from polyfield.viewer.share import checked_share

if TYPE_CHECKING:
    from polyfield.viewer.server import Viewer

CURVES = {"loss": "loss", "psnr": "PSNR of batches, dB", "lr": "learning rate"}
MOST = 400  # points of a curve
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)


class Training:
    """Curves and controls.

    Args:
        viewer: whose.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer, self._live = viewer, viewer.extras.live
        gui = viewer.server.gui
        self._status = gui.add_markdown("")
        self._said = ""
        if self._live is not None:
            self._add_controls(gui)
        run = self._live.trainer.run if self._live is not None else viewer.extras.run
        assert run is not None
        self._rows = Rows(run)
        self._curves = gui.add_folder("Curves")
        self._plots: dict[str, Any] = {}

    def tick(self) -> None:
        """Show the present state."""
        if self._rows.read():
            for key, title in CURVES.items():
                self._plot(key, title)
        if self._live is not None:
            self._say(self._state())
            screen = self._viewer.screen
            self._pause.disabled = self._live.finished
            self._resume.disabled = self._live.finished
            screen.stage.touch()
        elif self._rows.last:
            self._say(_numbers(self._rows.last))

    def _add_controls(self, gui: Any) -> None:
        live = self._live
        assert live is not None
        self._pause = gui.add_button("Pause")
        self._pause.on_click(lambda _: live.pause())
        self._resume = gui.add_button("Resume")
        self._resume.on_click(lambda _: live.resume())
        save = gui.add_button("Checkpoint now")

        def write(event: Any) -> None:
            live.save()
            self._viewer.say("checkpoint", "is written after the present step", event.client)

        save.on_click(write)
        turns = self._viewer.turns
        options = [f"{share:g}" for share in sorted({*SHARES, turns.share})]
        share = gui.add_dropdown(
            "Share", options, initial_value=f"{turns.share:g}", hint="of the time, for pictures"
        )

        def set_share(_: Any) -> None:
            turns.share = checked_share(float(share.value))

        share.on_update(set_share)

    def _state(self) -> str:
        live = self._live
        assert live is not None
        trainer = live.trainer
        word = "finished" if live.finished else "paused" if live.paused else "training"
        lines = [
            f"**{word}** at step {trainer.step:,}, {min(trainer.progress, 1.0):.0%}, "
            f"{trainer.elapsed:.0f} s"
        ]
        if live.saved is not None:
            lines.append(f"checkpoint: {live.saved.name}")
        return "\n\n".join([*lines, *([_numbers(self._rows.last)] if self._rows.last else [])])

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._status.content = text

    def _plot(self, key: str, title: str) -> None:
        points = [(row["step"], row[key]) for row in self._rows.rows if row.get(key) is not None]
        if len(points) < 2:
            return
        x, y = np.array(points[:: -(-len(points) // MOST)], dtype=np.float64).T
        if key in self._plots:
            self._plots[key].data = (x, y)
            return
        with self._curves:
            self._plots[key] = self._viewer.server.gui.add_uplot(
                (x, y),
                ({"label": "step"}, {"label": title, "stroke": "orange", "width": 2}),
                title=title,
                scales={"x": {"time": False}},
                aspect=2.0,
            )


class Rows:
    """The rows of `metrics.jsonl`, read as they are written.

    Args:
        run: the run's folder.
    """

    def __init__(self, run: Path) -> None:
        self._file, self._at = run / FILE, 0
        self.rows: list[dict[str, Any]] = []

    @property
    def last(self) -> dict[str, Any] | None:
        """The newest."""
        return self.rows[-1] if self.rows else None

    def read(self) -> bool:
        """Read what is new; whether there was something."""
        try:
            if self._file.stat().st_size < self._at:  # begun anew
                self._at, self.rows = 0, []
            with self._file.open("rb") as stream:
                stream.seek(self._at)
                text = stream.read()
        except OSError:
            return False
        whole = text[: text.rfind(b"\n") + 1]
        self._at += len(whole)
        before = len(self.rows)
        for line in whole.splitlines():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict) and isinstance(row.get("step"), int):
                self.rows.append(row)
        return len(self.rows) > before


def _numbers(row: dict[str, Any]) -> str:
    found = status_line(row)
    rate = row.get("milliseconds_per_step")
    return found if not rate else f"{found}  {1000 / rate:.0f} steps/s"
