"""`polyfield convert`: a file of Gaussians in another format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from polyfield.commands.arguments import parse
from polyfield.commands.hydra_job import execute, job
from polyfield.commands.splat_lines import file_line
from polyfield.commands.text import facts
from polyfield.errors import InputError

HELP = """\
polyfield convert: write a file of Gaussians in another format

usage: polyfield convert IN OUT [key=value ...]

  IN, or input=IN        .ply (of 3DGS or compressed), .splat, .ksplat, .spz, .glb, .sog, .ngs
  OUT, or out=OUT        .ply, .compressed.ply, .splat, .spz, .glb, .sog: the name tells the format
  degree=N               of the spherical harmonics to keep, 0 to 3; all by default
  keep_transparent=false whether to keep what is never seen: opacities below 1/255
  overwrite=false        whether OUT may be there already

Prints how many Gaussians were read, dropped (and why) and written, and the sizes of both files.
Gaussians that are not finite or have no rotation are always dropped. The frame stays as it is.

examples:
  polyfield convert scene.ply scene.compressed.ply
  polyfield convert scene.ksplat scene.ply
  polyfield convert scene.ply scene.splat overwrite=true
"""


def main(words: list[str]) -> None:
    """Run `polyfield convert WORDS...`."""
    execute("convert", run, parse(named(words)))


def named(words: list[str]) -> list[str]:
    """The line with the words that are files written `input=IN` and `out=OUT`.

    Raises:
        InputError: for more of them than IN and OUT.
    """
    files = [word for word in words if _is_file(word)]
    given = {word.partition("=")[0] for word in words if not _is_file(word)}
    names = [name for name in ("input", "out") if name not in given]
    if len(files) > len(names):
        raise InputError("too many files", found=", ".join(files), expected="IN OUT")
    rest = iter(names)
    return [f"{next(rest)}={word}" if _is_file(word) else word for word in words]


def _is_file(word: str) -> bool:
    """Whether a word is neither an option nor `key=value`; a path may hold a `=` behind a `/`."""
    return not word.startswith("-") and re.match(r"[~+]*[\w.@]+=|=", word) is None


@job
def run(config: dict[str, Any]) -> None:
    """Read, clean, cut, write, print."""
    from polyfield.export.splats import check_out, dropped_line, export_splats
    from polyfield.splats.formats import read_splats

    source, out = _path(config, "input"), _path(config, "out")
    settings = {key: config[key] for key in ("degree", "overwrite")}
    check_out(out, **settings)
    splats = read_splats(source)
    before = file_line(source, splats)  # OUT may be IN
    keep = config["keep_transparent"]
    written, dropped = export_splats(splats, out, keep_transparent=keep, source=source, **settings)
    lines = {"read": before, "dropped": dropped_line(dropped), "written": file_line(out, written)}
    print(facts(lines))


def _path(config: dict[str, Any], key: str) -> Path:
    if config[key] is None:
        raise InputError(field=key, found="none", expected="a file: polyfield convert IN OUT")
    return Path(config[key])
