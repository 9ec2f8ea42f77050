"""`polyfield export format=video`: what `polyfield render out=FILE.mp4` makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polyfield.commands.arguments import override_key
from polyfield.commands.hydra_job import overrides
from polyfield.commands.render import render_as
from polyfield.errors import InputError
from polyfield.export.out_file import check_out, check_suffix


def write(config: dict[str, Any], out: Path) -> None:
    """Render along a path and say where it is."""
    check_suffix(out, (".mp4",))
    check_out(out, config["overwrite"])
    if any(override_key(word) == "frame" for word in overrides()):
        raise InputError("does not fit", field="frame", found="format=video")
    render_as("views", {**config, "raw": False})
