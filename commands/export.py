"""`polyfield export`: what a run has learned, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polyfield.commands.arguments import override_key, parse
from polyfield.commands.exports.formats import chosen_format, refuse_foreign
from polyfield.commands.exports.help import HELP
from polyfield.commands.hydra_job import execute, job, overrides
from polyfield.errors import InputError

__all__ = ["HELP", "main", "run"]


def main(words: list[str]) -> None:
    """Run `polyfield export WORDS...`."""
    execute("export", run, parse(words))


@job
def run(config: dict[str, Any]) -> None:
    """Write a run, or a file that stands for one, as a format.

    Raises:
        InputError: for a format that there is not, or a key of another one.
    """
    chosen = chosen_format(config["format"])
    refuse_foreign(config["format"], [override_key(word) for word in overrides()])
    if config["out"] is None:
        raise InputError(field="out", found="none", expected="out=FILE, a file to write")
    chosen.writer().write(config, Path(config["out"]))
