"""What went wrong, in one line that says what to do about it."""

from __future__ import annotations

import difflib
import os
import re
import sys
import traceback
from collections.abc import Iterable

from polyfield.errors import InputError

BAD_INPUT = 2
INTERRUPTED = 130


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """`"; did you mean 'x'?"` for the choice nearest to `word`, or nothing."""
    names = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return f"; did you mean '{names[close[0]]}'?" if close else ""


def report(error: BaseException) -> int:
    """Print `error: ...` for an error that `one_line` knows; the exit status for it."""
    if os.environ.get("POLYFIELD_DEBUG") == "1":
        traceback.print_exception(error)
    print(f"error: {one_line(error)}", file=sys.stderr)
    return BAD_INPUT


def one_line(error: BaseException) -> str | None:
    """The line for an error that is the user's to mend, None for one that is ours.

    Args:
        error: what reached the top of the command line.
    """
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if "hydra" in sys.modules:
        return _configuration_line(error)
    return None


def _configuration_line(error: BaseException) -> str | None:
    from hydra.errors import HydraException
    from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key}: needs a value ({error.full_key}=...)"
    if not isinstance(error, (HydraException, OmegaConfBaseException)):
        return None
    parts = [str(error)]
    if error.__cause__ is not None and str(error.__cause__) not in parts[0]:
        parts.append(str(error.__cause__))
    # Hydra underlines the place on a second line and adds its object types: not for users.
    text = "; ".join(part.strip() for part in parts if part.strip())
    text = re.sub(r"\n\s*(object_type=.*|full_key: .*|\^.*)", "", text)
    text = re.sub(r"\nSee https?://\S+.*", "", text)
    return re.sub(r"\s*\n\s*", "; ", text)
