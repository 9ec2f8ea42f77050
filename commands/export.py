"""`polyfield export`: what a run has learned, for other programs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyfield.commands.arguments import override_key, parse
from polyfield.commands.hydra_job import execute, job, overrides
from polyfield.commands.opening import open_task, stands_for_run
from polyfield.commands.splat_lines import count_line, file_line
from polyfield.commands.text import facts
from polyfield.errors import InputError

if TYPE_CHECKING:
    from polyfield.splats import Splats

HELP = """\
polyfield export: write what a run has learned for other programs

usage: polyfield export run=RUN format=splat out=FILE [key=value ...]

  run=RUN                a run of field=gaussians, or a file of Gaussians
  format=splat           what to write: splat, files of Gaussians
  out=FILE               .ply, .compressed.ply, .splat, .spz, .glb, .sog: the name says how
  frame=source           source: frame and scale of the data | world: those of the training, +z up
  degree=N               of the spherical harmonics to keep, 0 to 3; all by default
  keep_transparent=false whether to keep what is never seen: opacities below 1/255
  overwrite=false        whether FILE may be there already
  checkpoint=latest      latest | best | a step
  device=auto            auto | cpu | cuda
  trust=[PACKAGE,...]    packages whose classes the run may name, for fields of your own

Prints how many Gaussians there were, were dropped (and why) and written, the size of the file, and
where up is in it. Gaussians that are not finite or have no rotation are always dropped. The photos
need not be there.

examples:
  polyfield export run=runs/first format=splat out=scene.ply
  polyfield export run=runs/first format=splat out=scene.spz checkpoint=best
  polyfield export run=runs/first format=splat out=scene.sog degree=1 overwrite=true
  polyfield render run=scene.ply
"""

OF_RUNS = ("checkpoint", "frame", "trust", "device")  # keys that say nothing of a file


def main(words: list[str]) -> None:
    """Run `polyfield export WORDS...`."""
    execute("export", run, parse(words))


@job
def run(config: dict[str, Any]) -> None:
    """Write a run, or a file that stands for one, as a format.

    Raises:
        InputError: for a format that there is not.
    """
    name = config["format"]
    if name not in FORMATS:
        found, expected = name or "none", f"format={' or format='.join(FORMATS)}"
        raise InputError(field="format", found=found, expected=expected)
    if config["out"] is None:
        raise InputError(field="out", found="none", expected="out=FILE, a file to write")
    FORMATS[name](config, Path(config["out"]))


def write_splats(config: dict[str, Any], out: Path) -> None:
    """Write Gaussians and say how many, and how large the file is."""
    from polyfield.export.splats import check_out, checked_frame, dropped_line, export_splats

    began = time.perf_counter()
    settings = {key: config[key] for key in ("degree", "overwrite")}
    check_out(out, **settings)
    checked_frame(config["frame"])
    splats, lines = _gaussians(config)
    keep, source = config["keep_transparent"], Path(config["run"])
    written, dropped = export_splats(splats, out, keep_transparent=keep, source=source, **settings)
    seconds = time.perf_counter() - began
    lines["dropped"] = dropped_line(dropped)
    lines["written"] = f"{file_line(out, written)}, in {seconds:.1f} s"
    print(facts(lines))


FORMATS: dict[str, Callable[[dict[str, Any], Path], None]] = {"splat": write_splats}


def _gaussians(config: dict[str, Any]) -> tuple[Splats, dict[str, Any]]:
    """The Gaussians, and what to say of them."""
    from polyfield.export.splats import splats_of, up_of

    file = stands_for_run(config)
    if file is None:
        task = open_task(config, recorded=True)
        splats = splats_of(task, config["frame"], Path(config["run"]))
        read = f"{config['run']}: {count_line(splats)}"
        return splats, {"read": read, "up": up_of(task, config["frame"]).tolist()}
    from polyfield.splats.formats import read_splats

    for word in overrides():
        if override_key(word) in OF_RUNS:
            raise InputError("does not fit", field=override_key(word), found="a file of Gaussians")
    splats = read_splats(file)
    return splats, {"read": file_line(file, splats)}
