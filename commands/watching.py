"""The page on which a training is watched and steered while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyfield.errors import InputError

if TYPE_CHECKING:
    from polyfield.training.trainer import Trainer


@contextmanager
def watch(
    trainer: Trainer, folder: Path, settings: Mapping[str, Any]
) -> Iterator[Callable[[bool], None]]:
    """Serve the page of a training; inside, it is open.

    Args:
        folder: of the run.
        settings: the node `viewer` of the configuration.

    Yields:
        what to call when the training has ended, with whether a signal ended it: it waits for
        Ctrl-C where the page is to stay.

    Raises:
        InputError: for a task without views, and an address that cannot be served.
    """
    from polyfield.commands.view import print_address, wait
    from polyfield.commands.viewing import exporters_of
    from polyfield.viewer.live import Live
    from polyfield.viewer.server import Extras, Settings, Viewer
    from polyfield.viewer.viewed import Stage, of_task

    task: Any = trainer.task
    if not hasattr(task, "renderer"):
        hint = "the viewer shows what has views; leave out viewer=true"
        raise InputError(field="viewer", found=type(task).__name__, hint=hint)
    live = Live(trainer)
    viewed = of_task(task, inside=trainer.gate.visit, step=lambda: trainer.step)
    config = {"run": str(folder), "checkpoint": "latest"}
    extras = Extras(
        run=folder,
        out=folder / "renders",
        live=live,
        exporters=exporters_of(config),
        titles=(folder.name,),
    )
    chosen = Settings(
        settings["host"], settings["port"], settings["share"], int(settings["longest"])
    )
    viewer = Viewer(Stage(viewed), chosen, extras)

    def ended(interrupted: bool) -> None:
        live.finish()
        if settings["keep"] and not interrupted:
            print(f"trained   {viewer.url} stays until Ctrl-C", flush=True)
            wait(threading.Event())

    try:
        print_address(viewer, folder)
        yield ended
    finally:
        viewer.close()
