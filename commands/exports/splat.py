"""`polyfield export format=splat`: files of Gaussians."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from polyfield.commands.arguments import override_key
from polyfield.commands.hydra_job import overrides
from polyfield.commands.opening import open_task, stands_for_run
from polyfield.commands.splat_lines import count_line, file_line
from polyfield.commands.text import facts
from polyfield.errors import InputError
from polyfield.export.splats import (
    check_out,
    checked_frame,
    dropped_line,
    export_splats,
    splats_of,
    up_of,
)
from polyfield.splats import Splats
from polyfield.splats.formats import read_splats

OF_RUNS = ("checkpoint", "frame", "trust", "device")  # keys that say nothing of a file


def write(config: dict[str, Any], out: Path) -> None:
    """Write Gaussians and say how many, and how large the file is."""
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


def _gaussians(config: dict[str, Any]) -> tuple[Splats, dict[str, Any]]:
    """The Gaussians, and what to say of them."""
    file = stands_for_run(config)
    if file is None:
        task = open_task(config, recorded=True)
        splats = splats_of(task, config["frame"], Path(config["run"]))
        read = f"{config['run']}: {count_line(splats)}"
        return splats, {"read": read, "up": up_of(task, config["frame"]).tolist()}
    for word in overrides():
        if override_key(word) in OF_RUNS:
            raise InputError("does not fit", field=override_key(word), found="a file of Gaussians")
    splats = read_splats(file)
    return splats, {"read": file_line(file, splats)}
