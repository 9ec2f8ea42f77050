"""`polyfield train`: posed photos in, a run out."""

from __future__ import annotations

from typing import Any

from polyfield.commands.arguments import parse
from polyfield.commands.backbones import make_known
from polyfield.commands.hydra_job import execute, job

HELP = "x"


def main(words: list[str]) -> None:
    """Run `polyfield train WORDS...`."""
    arguments = parse(words)
    make_known(arguments)
    execute("train", run, arguments)


@job
def run(config: dict[str, Any]) -> float:
    print(config)
    return 1.0
