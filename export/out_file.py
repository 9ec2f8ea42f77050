"""Whether a file can be written, before anything is done for it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from polyfield.errors import InputError


def check_out(out: Path, overwrite: bool = False) -> None:
    """Whether there is room for a file of that name.

    Raises:
        InputError: for a file that is there already, or a folder that is not or cannot be written.
    """
    if out.is_dir():
        raise InputError(file=out, found="a folder", expected="the name of a file")
    if out.exists() and not overwrite:
        raise InputError("is there already", file=out, hint="overwrite=true replaces it")
    if not out.parent.is_dir():
        raise InputError("no such folder", file=out.parent)
    try:
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise InputError("cannot be written", file=out, found=error.strerror) from None


def check_suffix(out: Path, suffixes: Sequence[str]) -> str:
    """The ending of a file's name, lower case; InputError for one not among the suffixes."""
    suffix = out.suffix.lower()
    if suffix not in suffixes:
        raise InputError(file=out, expected=f"a name that ends in one of {', '.join(suffixes)}")
    return suffix
