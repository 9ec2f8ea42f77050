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
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.65)
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
    if isinstance(error, OSError) and error.errno is not None:
        return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
    if "hydra" in sys.modules:
        return _configuration_line(error)
    return None


def _configuration_line(error: BaseException) -> str | None:
    """The line for an error of Hydra or OmegaConf; theirs run over several."""
    from hydra.errors import HydraException, MissingConfigException, OverrideParseException
    from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

    if isinstance(error, MissingMandatoryValue):
        return f"no value for '{error.full_key}' (it is given as {error.full_key}=...)"
    if isinstance(error, OverrideParseException):
        return f"cannot read '{error.override}': {_first_line(error)}"
    if isinstance(error, MissingConfigException) and error.options:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        return no_choice(group, name, error.options)
    if isinstance(error, HydraException) and isinstance(error.__cause__, OmegaConfBaseException):
        return f"{_first_line(error)} ({_first_line(error.__cause__)})"
    unused = re.match(r"Could not override '([^']+)'\. No match", str(error))
    if unused is not None:  # a group of choices that nothing has put to use
        return f"{unused[1]}: nothing that is chosen here takes one"
    if isinstance(error, (HydraException, OmegaConfBaseException)):
        return _first_line(error)
    return None


def no_choice(group: str, name: str, options: Iterable[str]) -> str:
    """The line for a choice that a group does not have."""
    options = list(options)
    return f"no {group} '{name}'{did_you_mean(name, options)} (choices: {', '.join(options)})"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
