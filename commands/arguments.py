"""From the words of a shell line to Hydra overrides.

Hydra reads commas, parentheses, quotes, `=` and `${...}` in a value as grammar. A path may hold all
of them, and so may a title, so the values of such keys are quoted here, before Hydra sees them.
Nothing in this module imports Hydra.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from polyfield.commands.errors import did_you_mean
from polyfield.errors import InputError

PATH_KEYS = frozenset(
    {
        "data",
        "run",
        "resume",
        "from",
        "input",
        "out",
        "figures",
        "file",
        "path",
        "peers",
        "dataset.path",
        "field.points",
        "task.init_from",
        "title",
    }
)
MULTIRUN = ("-m", "--multirun")
TAKES_VALUE = {
    **dict.fromkeys(MULTIRUN, False),
    **dict.fromkeys(("--cfg", "--package", "--config-dir"), True),
    "--resolve": False,
}


@dataclass
class Arguments:
    """A parsed shell line.

    Attributes:
        flags: what goes to Hydra's own parser, each value after its flag.
        overrides: `key=value` words in Hydra's grammar, paths quoted.
        multirun: whether the line asks for a sweep.
    """

    flags: list[str] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)
    multirun: bool = False

    def given(self, key: str) -> str | None:
        """The word that sets this key or chooses in this group; the last one, as for Hydra."""
        words = [word for word in self.overrides if override_key(word) == key]
        return words[-1] if words else None


def parse(words: Sequence[str], sweeps: bool = False) -> Arguments:
    """Sort the words after the verb into flags and overrides, and quote the paths.

    Args:
        words: as the shell gave them.
        sweeps: whether the verb takes `-m`.

    Raises:
        InputError: for an unknown option, or a word that is not `key=value`.
    """
    arguments = Arguments(multirun=any(flag in words for flag in MULTIRUN))
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            arguments.overrides.append(quote_paths(_key_and_value(word), arguments.multirun))
            continue
        flag, equals, value = word.partition("=")
        if flag not in TAKES_VALUE:
            hint = did_you_mean(flag, [*TAKES_VALUE, "--help"])
            raise InputError(f"no option '{flag}'{hint} (settings are key=value)")
        if flag in MULTIRUN and not sweeps:
            raise InputError(f"option '{flag}': only `polyfield train` sweeps")
        if TAKES_VALUE[flag]:
            value = value if equals else next(rest, "")
            if not value:
                raise InputError(f"option '{flag}' needs a value")
        if flag == "--config-dir":
            arguments.overrides.append(_searchpath(value))
        else:
            arguments.flags += [flag, value] if value else [flag]
    return arguments


def _key_and_value(word: str) -> str:
    if word.find("=") < 1 and not word.startswith("~"):
        raise InputError(f"'{word}' is not key=value (a data folder is given as data={word})")
    return word


def _searchpath(folder: str) -> str:
    if not os.path.isdir(folder):
        raise InputError("no such folder", file=folder, field="--config-dir")
    return f"hydra.searchpath=[{quote('file://' + os.path.abspath(folder))}]"


def override_key(word: str) -> str:
    """The key of an override, without Hydra's `+`, `++` and `~`."""
    return word.partition("=")[0].lstrip("+~").partition("@")[0]


def quote_paths(word: str, multirun: bool = False) -> str:
    """Quote the value of a path-like key for Hydra; any other word is returned as it is.

    `null` passes unquoted and means "no path"; in a sweep so does `choice(a,b)`, which sweeps over
    paths. Files that are really called so are written `./null`.

    Args:
        word: `key=value` as the shell gave it.
        multirun: whether the line asks for a sweep.
    """
    key, _, value = word.partition("=")
    name = override_key(word)
    is_split_file = name == "dataset.split" and value.startswith("file:")
    if (name not in PATH_KEYS and not is_split_file) or value in ("", "null"):
        return word
    if multirun and re.fullmatch(r"choice\(.*\)", value):
        return word
    return f"{key}={quote(os.path.expanduser(value))}"


def quote(text: str) -> str:
    """A string literal in Hydra's grammar that comes back as `text`, character by character.

    Raises:
        InputError: for a line break, which Hydra's grammar cannot hold.
    """
    if re.search(r"[\r\n\0]", text):
        raise InputError("a path on the command line cannot hold a line break", found=repr(text))
    if text == "???":  # OmegaConf's mark of a missing value
        text = "./???"
    # OmegaConf reads ${...} as an interpolation and halves the backslashes in front of it; Hydra
    # does the same with quotes.
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    text = re.sub(r"(\\*)'", r"\1\1\'", text)
    trailing = len(text) - len(text.rstrip("\\"))
    return "'" + text + "\\" * trailing + "'"
