"""`polyfield prepare`: cameras of photos or of a video, by COLMAP."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyfield.commands.arguments import parse
from polyfield.commands.convert import named
from polyfield.commands.hydra_job import command_line, execute, job
from polyfield.errors import InputError

if TYPE_CHECKING:
    from polyfield.structure.prepare import Prepared

HELP = """\
polyfield prepare: find the cameras of photos or of a video, by COLMAP

usage: polyfield prepare IN OUT [key=value ...]

  IN, or input=IN        a folder of photos, or a video
  OUT, or out=OUT        a new folder: upright photos and their cameras, for train data=OUT
  frames=150             of a video: how many to take, the sharpest around each of as many moments
  matching=auto          exhaustive: each photo with each; sequential: with those around it, by
                         name; auto: sequential for videos and above 250 photos, and exhaustive
                         should that not suffice
  camera=auto            simple_pinhole | pinhole | simple_radial | radial | opencv | fisheye;
                         auto: simple_radial, one focal length and one term of distortion
  single_camera=auto     true: all photos are of one camera; false: each of its own; auto: those of
                         one size, make and focal length share one
  max_size=N             shrink photos to a longer side of N pixels; they stay as they are
  quality=medium         low | medium | high: features are looked for at 1000, 1600, 2400 pixels
  seed=0                 of everything random

Needs pycolmap: pip install 'polyfield[colmap]'. The orientation and the focal length that EXIF
tells are used. Prints how many photos registered and the mean reprojection error, and what may be
wrong where few did. Ctrl-C keeps what is done, and the same line goes on. What COLMAP says is in
OUT/colmap.log; OUT/colmap may be deleted afterwards.

examples:
  polyfield prepare photos out=garden
  polyfield prepare video.mp4 out=garden frames=200
  polyfield prepare input=photos out=garden matching=sequential quality=high
  polyfield prepare input=gopro out=room camera=fisheye single_camera=true
"""


def main(words: list[str]) -> None:
    """Run `polyfield prepare WORDS...`."""
    execute("prepare", run, parse(named(words)))


@job
def run(config: dict[str, Any]) -> None:
    """Prepare, print, and name the next command."""
    source, out = _path(config, "input", "a folder of photos, or a video"), _path(config, "out")
    if importlib.util.find_spec("pycolmap") is None:
        hint = "pip install 'polyfield[colmap]'"
        raise InputError("polyfield prepare needs pycolmap, which is not installed", hint=hint)
    from polyfield.commands.stages import Stages
    from polyfield.structure.prepare import prepare
    from polyfield.structure.settings import Settings

    settings = Settings(**{name: config[name] for name in Settings.__dataclass_fields__})
    with Stages() as stages:
        try:
            prepared = prepare(source, out, settings, stages.watch, stages.say)
        except KeyboardInterrupt:
            if (out / "prepare.json").exists():
                stages.say("kept", f"{out} holds what is done; the same line goes on")
            raise
        for title, text in _result(prepared):
            stages.say(title, text)
    print(f"next        {command_line('train', data=out)}")


def _result(prepared: Prepared) -> list[tuple[str, str]]:
    n, total = len(prepared.registered), len(prepared.photos)
    lines = [
        ("registered", f"{n} / {total} photos ({n / total:.0%})"),
        ("error", f"{prepared.error:.2f} px mean reprojection error, {prepared.points:,} points"),
    ]
    return lines + [("advice", text) for text in prepared.advice]


def _path(config: dict[str, Any], key: str, expected: str = "a new folder") -> Path:
    if config[key] is None:
        hint = "polyfield prepare IN OUT"
        raise InputError(field=key, found="none", expected=expected, hint=hint)
    return Path(config[key])
