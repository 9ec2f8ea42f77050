"""`polyfield info`: what is installed, or what is in some data or a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polyfield.commands.arguments import parse
from polyfield.commands.hydra_job import execute, job
from polyfield.commands.text import facts, size

HELP = """\
polyfield info: what is installed, or what is in some data or a run

usage: polyfield info [data=PATH] [run=RUN]

  data=PATH              how a folder or file of photos is read: format, cameras, splits, scale
  dataset.KEY=VALUE      as for `polyfield train`: downscale, split, background
  run=RUN                what was trained, how far, its scores and its size

Without either: versions, machine, threads, and which kernels and fields are live.

examples:
  polyfield info
  polyfield info data=photos
  polyfield info data=photos dataset.split=every:4
  polyfield info run=runs/first
"""


def main(words: list[str]) -> None:
    """Run `polyfield info WORDS...`."""
    execute("info", run, parse(words))


@job
def run(config: dict[str, Any]) -> None:
    """Print what is asked for."""
    if config["data"] is not None:
        print(facts(describe_data(config)))
    if config["run"] is not None:
        print(facts(describe_run(Path(config["run"]))))
    if config["data"] is None and config["run"] is None:
        from polyfield.commands.installation import installation

        print(facts(installation()))


def describe_data(config: dict[str, Any]) -> dict[str, Any]:
    """Facts of the scene that some data gives."""
    from polyfield.datasets.describe import describe
    from polyfield.datasets.load import load_scene

    return describe(load_scene(**config["dataset"]))


def describe_run(run: Path) -> dict[str, Any]:
    return {}
