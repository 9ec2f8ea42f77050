"""`polyfield train`: posed photos in, a run out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polyfield.commands.arguments import parse, quote
from polyfield.commands.hydra_job import execute, job

if TYPE_CHECKING:
    from omegaconf import DictConfig

HELP = "x"


def main(words: list[str]) -> None:
    arguments = parse(words)
    execute("train", run, arguments)


@job
def run(config: dict[str, Any]) -> float:
    print(config)
    return 1.0
