"""`polyfield view`: a run or a file of Gaussians in the browser."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyfield.commands.arguments import override_key, parse
from polyfield.commands.hydra_job import execute, job, overrides
from polyfield.errors import InputError

if TYPE_CHECKING:
    from polyfield.viewer.server import Viewer

HELP = """\
polyfield view: look at a run or a file of Gaussians in the browser

usage: polyfield view run=RUN [key=value ...]

  run=RUN                the run, or a file of Gaussians: scene.ply, .spz ...; also input=FILE
  compare=RUN            another run or file of the same data, on the right of a slider
  checkpoint=latest      latest | best | a step
  follow=true            whether a newer checkpoint is shown as soon as it is written
  host=localhost         the address to bind to; others than localhost let anybody who reaches it
                         look, and write into RUN/renders
  port=8080              the next one that is free is taken, and said
  longest=1280           pixels of the longer edge of the finest picture
  data=PATH              where the photos lie now, if they were moved; only their thumbnails and the
                         mode `error` need them
  device=auto            auto | cpu | cuda
  trust=[PACKAGE,...]    packages whose classes the run may name, for fields of your own

Of a file of Gaussians, which has no cameras:

  fov=50                 degrees across the shorter side of the first view
  up=auto                x | y | z | -x | -y | -z, or a direction [x,y,z]; auto is -y, as of 3DGS

The page shows a coarse picture as soon as the camera moves and refines it while it is still. It
renders paths of keyframes and exports; what it writes goes to RUN/renders and to the browser. On a
server without a screen, type the printed line with `ssh` on your own machine and open the address
there. Ctrl-C ends it.

examples:
  polyfield view run=runs/first
  polyfield view run=runs/first compare=runs/second
  polyfield view input=scene.spz up=z
  polyfield view run=runs/first port=9000 longest=800
  polyfield train data=photos viewer=true
"""

OF_FILES = ("fov", "up")  # keys that say nothing of a run, which has cameras
OF_RUNS = ("checkpoint", "follow", "data", "trust")  # and that say nothing of a file


def main(words: list[str]) -> None:
    """Run `polyfield view WORDS...`."""
    threading.Thread(target=_import_ahead, daemon=True).start()
    execute("view", run, parse(words))


def _import_ahead() -> None:
    """What takes longest to load, while the line is read."""
    import torch  # noqa: F401


@job
def run(config: dict[str, Any]) -> None:
    """Serve the page until somebody presses Ctrl-C."""
    from polyfield.commands.opening import run_folder

    config["run"] = _named(config)
    viewer = open_viewer(config)
    try:
        print_address(viewer, run_folder(config))
        wait(threading.Event())
    finally:
        viewer.close()
    print("closed")


def open_viewer(config: dict[str, Any]) -> Viewer:
    """The page of a configuration, served.

    Raises:
        InputError: for what cannot be shown, or served there.
    """
    from polyfield.commands.viewing import Follower, exporters_of, viewed_of
    from polyfield.viewer.server import Extras, Settings, Viewer
    from polyfield.viewer.viewed import Stage

    given = [override_key(word) for word in overrides()]
    settings = Settings(config["host"], config["port"], longest=config["longest"])
    viewed, is_file = viewed_of(config)
    for key in OF_RUNS if is_file else OF_FILES:
        if key in given:
            what = "a file of Gaussians" if is_file else "a run"
            raise InputError("does not fit", field=key, found=what)
    against = None
    if config["compare"] is not None:
        against = viewed_of({**config, "run": config["compare"]})[0]
    run = Path(config["run"])
    extras = Extras(
        run=None if is_file else run,
        out=run.parent if is_file else run / "renders",
        exporters=exporters_of(config),
        titles=tuple(Path(name).name for name in (config["run"], config["compare"]) if name),
    )
    viewer = Viewer(Stage(viewed, against), settings, extras)
    if not is_file and config["follow"] and config["checkpoint"] in ("latest", "best"):
        Follower(viewer, config).start()
    return viewer


def _named(config: dict[str, Any]) -> Any:
    if config["run"] is not None and config["input"] is not None:
        raise InputError(field="input", found="beside run", expected="one of them")
    return config["input"] if config["run"] is None else config["run"]


def print_address(viewer: Viewer, what: Path) -> None:
    """Where the page is, and how to come to it from elsewhere."""
    from polyfield.viewer import address

    wanted, port = viewer.settings.port, viewer.port
    print(f"viewing   {what}")
    if port != wanted:
        print(f"port      {wanted} is in use, {port} is taken")
    print(f"open      {viewer.url}")
    print(f"from afar {address.ssh_line(port)}", flush=True)


def wait(done: threading.Event) -> None:
    """Until it is set, or somebody presses Ctrl-C or asks the process politely to end."""
    import signal

    def end(*_: object) -> None:
        done.set()

    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not done.wait(0.5):
            pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
