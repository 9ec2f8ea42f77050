"""`polyfield bench`: the measurements behind RESULTS.md."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from polyfield.commands.arguments import parse
from polyfield.commands.errors import did_you_mean
from polyfield.commands.hydra_job import execute, job
from polyfield.errors import InputError

SUITES = ("startup", "operations", "scenes", "frames", "peers")

HELP = f"""\
polyfield bench: run the benchmarks behind RESULTS.md

usage: polyfield bench [suite=NAME|[NAME,...]] [budget=X] [data=DIR] [peers=DIR] [out=DIR]

  suite=[...]            some of {", ".join(SUITES)}; all by default
  budget=1.0             multiplies the seconds of every training: 0.1 for a look
  data=DIR               a folder with evaluation scenes (lego_200, fox ...), at any depth
  peers=DIR              a folder with checkouts of other people's code, such as TensoRF
  out=bench              where each measurement is kept, and the runs
  file=bench/RESULTS.md  the tables

A measurement is kept with its commit, machine and date, and is not taken again: a bench that was
stopped goes on where it was. Remove its file in `out` to take it anew.

examples:
  polyfield bench suite=startup
  polyfield bench suite=[scenes,frames] data=photos budget=0.1
  polyfield bench data=photos peers=peers
"""


def main(words: list[str]) -> None:
    """Run `polyfield bench WORDS...`."""
    execute("bench", run, parse(words))


@job
def run(config: dict[str, Any]) -> None:
    """Measure what is not measured yet and write the tables."""
    names = config["suite"]
    for name in names:
        if name not in SUITES:
            hint = f"suites: {', '.join(SUITES)}"
            raise InputError(f"no suite '{name}'{did_you_mean(str(name), SUITES)}", hint=hint)
    if not config["budget"] > 0:
        raise InputError(field="budget", found=config["budget"], expected="above 0")
    folders = {key: Path(config[key]) if config[key] else None for key in ("data", "peers")}
    for key, folder in folders.items():
        if folder is not None and not folder.is_dir():
            raise InputError("no such folder", file=folder, field=key)
    from polyfield.benchmarks.cells import Settings, measure_all
    from polyfield.benchmarks.results import results
    from polyfield.training.durable import replace_file

    out, file = Path(config["out"]), Path(config["file"])
    settings = Settings(float(config["budget"]), folders["data"], folders["peers"], out)
    suites = [importlib.import_module(f"polyfield.benchmarks.{name}") for name in names]
    cells = [cell for suite in suites for cell in suite.cells(settings)]
    records = measure_all(cells, out)
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, results(suites, records).encode())
    print(f"written   {file}")
