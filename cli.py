"""The command line: `polyfield VERB key=value ...`.

Nothing heavy is imported before the verb is known, so that help answers at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from polyfield.commands.errors import INTERRUPTED, did_you_mean, one_line, report
from polyfield.errors import InputError
from polyfield.version import __version__

VERBS = {
    "prepare": "find the cameras of photos or of a video, by COLMAP",
    "train": "learn a field from posed photos, or from another signal",
    "eval": "score a run on views that it has not seen",
    "view": "look at a run or a file of Gaussians in the browser",
    "render": "make a video or pictures from a run or a file of Gaussians",
    "export": "write what a run has learned for other programs",
    "convert": "write a file of Gaussians in another format",
    "compress": "write the Gaussians of a run as a small file of networks",
    "info": "say what is installed, or what is in some data or a run",
    "bench": "run the benchmarks behind RESULTS.md",
}

HIDDEN = ("demo",)  # `make demo`

HELP = """\
polyfield {version}: neural fields and 3D reconstruction, fast on a plain CPU

usage: polyfield VERB key=value ...

{verbs}

examples:
  polyfield prepare video.mp4 out=photos         photos without cameras, or a video, come first here
  polyfield train data=photos run=runs/first     learn it; runs/first holds all there is to know
  polyfield train data=procedural                no photos at hand: a scene of our own
  polyfield eval run=runs/first                  PSNR and SSIM of the held-out views
  polyfield view run=runs/first                  look at it in the browser
  polyfield render run=runs/first path=orbit out=orbit.mp4
  polyfield info data=photos                     how the folder is read, before any training

`polyfield VERB --help` has the keys and more examples; `polyfield --version` the version.
"""


# How long idle OpenMP workers of torch spin before they sleep: long enough to be there for the next
# operation, short enough to leave the cores to numba's kernels (the default is fifteen times that;
# sleeping at once makes chains of small operations a third slower).
SPINS = "20000"


def main(words: Sequence[str] | None = None) -> int:
    """Run one shell line and return its exit status.

    0: done. 2: bad input, said in one line. 130: stopped by Ctrl-C, what was learnt is saved. Any
    other failure is ours and shows its traceback.

    Args:
        words: what follows `polyfield` on the line; by default that of this process.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)  # read when torch is loaded
    words = list(sys.argv[1:] if words is None else words)
    try:
        status = _dispatch(words)
        sys.stdout.flush()
        return status
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has seen enough: `polyfield info | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if one_line(error) is None:
            raise
        return report(error)


def _dispatch(words: list[str]) -> int:
    verb, *rest = words or [""]
    if verb in ("--help", "-h", "help") and not rest:
        print(_help(), end="")
        return 0
    if verb == "--version":
        print(f"polyfield {__version__}")
        return 0
    if verb == "help":
        verb, rest = rest[0], ["--help"]
    if not verb:
        print(_help(), end="", file=sys.stderr)
        return 2
    if verb not in (*VERBS, *HIDDEN):
        raise InputError(f"no verb '{verb}'{did_you_mean(verb, VERBS)}", hint=_verb_list())
    command = importlib.import_module(f"polyfield.commands.{verb}")
    if "--help" in rest or "-h" in rest:
        print(command.HELP, end="")
        return 0
    command.main(rest)
    return 0


def _help() -> str:
    verbs = "\n".join(f"  {verb:<10}{summary}" for verb, summary in VERBS.items())
    return HELP.format(version=__version__, verbs=verbs)


def _verb_list() -> str:
    return f"verbs: {', '.join(VERBS)}"


if __name__ == "__main__":
    sys.exit(main())
