"""`polyfield bench`: the measurements behind RESULTS.md."""

from __future__ import annotations

import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from polyfield.commands.arguments import parse
from polyfield.commands.errors import did_you_mean
from polyfield.commands.hydra_job import execute, job
from polyfield.errors import InputError

CRASHED = 1  # the exit status

HELP = """\
polyfield bench: run the benchmarks behind RESULTS.md

usage: polyfield bench [suite=NAME] [budget=NAME] [data=DIR] [peers=DIR] [out=DIR]

  suite=all              kernels | radiance | startup | factored | gaussians | capture
                         | viewer | web | geometry | all
  budget=default         quick (about 3 minutes on two idle cores) | default (2 hours) | full (6)
  data=DIR               the evaluation data: nerf_synthetic/lego_200, fox, llff_fern, colmap_cup
  peers=DIR              clones of other people's code: TensoRF, OpenSplat (built)
  out=runs/bench         where the record of each measurement is kept, in OUT/cells
  file=OUT/RESULTS.md    the tables
  figures=DIR            pictures of them, by matplotlib; none by default
  only=PATTERN           only cells whose name matches, such as step-* or train-fox-*
  fresh=false            true: measure also what is there

Each measurement is a cell with a process and a record of its own. What is there of the same commit
and settings is not measured again, so that a bench that was stopped goes on where it was; with
nothing left to measure it only writes the tables.

examples:
  polyfield bench suite=kernels budget=quick
  polyfield bench data=photos budget=quick only='train-*'
  polyfield bench data=photos peers=clones budget=full out=benchmarks/results file=RESULTS.md
"""


def main(words: list[str]) -> None:
    """Run `polyfield bench WORDS...`."""
    execute("bench", run, parse(words))


@job
def run(config: dict[str, Any]) -> None:
    """Measure what is not measured yet and write the tables.

    Ends with status 1 when a cell crashed; the tables are written all the same.
    """
    from polyfield.benchmarks import catalogue
    from polyfield.benchmarks.book import read_book
    from polyfield.benchmarks.cells import Folders
    from polyfield.benchmarks.efforts import BUDGETS
    from polyfield.benchmarks.figures import check, draw
    from polyfield.benchmarks.provenance import revision
    from polyfield.benchmarks.results import results
    from polyfield.benchmarks.running import run_cells
    from polyfield.durable import replace_file

    suite = _one_of("suite", config["suite"], (*catalogue.SUITES, "all"))
    budget = _one_of("budget", config["budget"], BUDGETS)
    folders = Folders(_folder(config, "data"), _folder(config, "peers"))
    out = Path(config["out"])
    file = Path(config["file"]) if config["file"] else out / "RESULTS.md"
    pattern = str(config["only"] or "*")
    chosen = [cell for cell in catalogue.cells(suite, budget) if fnmatch(cell.name, pattern)]
    if not chosen:
        hint = f"cells: {', '.join(cell.name for cell in catalogue.cells(suite, budget))}"
        raise InputError(field="only", found=pattern, expected="the name of a cell", hint=hint)
    figures = None if config["figures"] is None else Path(config["figures"])
    if figures is not None:
        check(figures)
    commit = revision()
    absent, crashed = run_cells(chosen, out, folders, revision=commit, fresh=config["fresh"])
    known = [cell.name for each in BUDGETS for cell in catalogue.cells("all", each)]
    book = read_book(out, catalogue.cells("all", budget), known, {**absent, **crashed})
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError("cannot write", file=file.parent, found=error.strerror) from error
    replace_file(file, results(book).encode())
    print(f"written   {file}")
    for picture in draw(book, figures) if figures is not None else ():
        print(f"drawn     {picture}")
    if crashed:
        print(f"error: {len(crashed)} cells failed: {', '.join(crashed)}", file=sys.stderr)
        raise SystemExit(CRASHED)


def _one_of(key: str, value: Any, options: tuple[str, ...]) -> str:
    if value in options:
        return str(value)
    hint = did_you_mean(str(value), options)
    raise InputError(f"no {key} '{value}'{hint} (choices: {', '.join(options)})")


def _folder(config: dict[str, Any], key: str) -> Path | None:
    if config[key] is None:
        return None
    folder = Path(config[key]).expanduser()
    if not folder.is_dir():
        raise InputError("no such folder", file=folder, field=key)
    return folder
