"""`polyfield demo`, behind `make demo`: the whole way from a built-in scene to its pictures."""

from __future__ import annotations

import time
from pathlib import Path

from polyfield.commands import backbones, render, train
from polyfield.commands.arguments import parse
from polyfield.commands.hydra_job import command_line

HELP = """\
polyfield demo: train on a built-in scene, evaluate it, and make its pictures

usage: polyfield demo [run=RUN] [key=value ...]

Takes what `polyfield train` takes; the run is runs/demo-<time> by default. Nothing is downloaded.

examples:
  polyfield demo
  polyfield demo trainer.max_seconds=20
"""

ROWS = 4  # test views on the contact sheet


def main(words: list[str]) -> None:
    """Run `polyfield demo WORDS...`."""
    from polyfield.commands.schema import checked

    words = ["experiment=demo", *words]
    if parse(words).given("run") is None:
        words.append(f"run=runs/demo-{time.strftime('%Y%m%d-%H%M%S')}")
    arguments = parse(words)
    backbones.make_known(arguments)
    run = Path(checked("train", arguments.overrides, multirun=False)[1].run)
    train.main(words)
    sheet = contact_sheet(run)
    video = run / "renders" / "orbit.mp4"
    render.main([f"run={run}", "path=orbit", "frames=90", f"out={video}", "modes=[rgb,depth]"])
    print("\nlook at")
    print(f"  {sheet}   truth, render, error and depth of {ROWS} views that were held out")
    print(f"  {video}   an orbit")
    print("then")
    for line in (
        command_line("train", data="PATH/TO/PHOTOS"),
        command_line("train", data="procedural", field="dense"),
        command_line("eval", run=run),
        command_line("info"),
    ):
        print(f"  {line}")


def contact_sheet(run: Path) -> Path:
    """Truth, render, error and depth of a few test views in `RUN/renders/contact_sheet.png`."""
    from polyfield.commands.opening import open_radiance
    from polyfield.commands.schema import configuration
    from polyfield.renderers import pictures
    from polyfield.training.evaluation import columns

    task = open_radiance(configuration(f"run={run}", verb="render"))
    rows = [columns(view) for view in task.views(task.splits[0], ROWS)]
    file = run / "renders" / "contact_sheet.png"
    titles = ["truth", "render", "error, white is 0.25", "depth, red is near"]
    pictures.write_picture(file, pictures.contact_sheet(rows, titles))
    return file
