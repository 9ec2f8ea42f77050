"""`polyfield convert`: a file of Gaussians in another format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from polyfield.commands.arguments import parse
from polyfield.commands.hydra_job import execute, job
from polyfield.commands.text import facts, size
from polyfield.errors import InputError

HELP = """\
polyfield convert: write a file of Gaussians in another format

usage: polyfield convert IN OUT [key=value ...]

  IN, or input=IN        .ply (of 3DGS or compressed), .splat, .ksplat, .spz, .glb, .sog
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
    from polyfield.splats.cleaning import checked_degree, clean, cut_degree
    from polyfield.splats.formats import read_splats, write_splats, written_format

    source, out = _path(config, "input"), _path(config, "out")
    degree = written_format(out).degree
    if config["degree"] is not None:
        degree = min(degree, checked_degree(config["degree"]))
    _check_free(out, config["overwrite"])
    splats = read_splats(source)
    before = _line(source, splats)  # OUT may be IN
    kept, dropped = clean(splats, transparent=not config["keep_transparent"])
    if not len(kept):
        raise InputError("no Gaussian is left", file=source, found=_dropped(dropped))
    written = cut_degree(kept, degree)
    write_splats(written, out)
    lines = {"read": before, "dropped": _dropped(dropped), "written": _line(out, written)}
    print(facts(lines))


def _check_free(out: Path, overwrite: bool) -> None:
    if out.exists() and not overwrite:
        raise InputError("is there already", file=out, hint="overwrite=true replaces it")
    if not out.parent.is_dir():
        raise InputError("no such folder", file=out.parent)


def _path(config: dict[str, Any], key: str) -> Path:
    if config[key] is None:
        raise InputError(field=key, found="none", expected="a file: polyfield convert IN OUT")
    return Path(config[key])


def _line(file: Path, splats: Any) -> str:
    n_bytes = file.stat().st_size
    each = n_bytes / len(splats)
    return (
        f"{file}: {len(splats):,} Gaussians of degree {splats.degree}, "
        f"{size(n_bytes)}, {each:.1f} bytes each"
    )


def _dropped(dropped: dict[str, int]) -> str:
    parts = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())
    return f"{sum(dropped.values()):,}: {parts}" if dropped else "none"
