"""What a prepared folder says of itself, and what a call that was stopped goes on from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from polyfield.durable import replace_json
from polyfield.errors import InputError
from polyfield.structure.settings import Settings

FILE = "prepare.json"


@dataclass
class Record:
    """`prepare.json` of a folder.

    Attributes:
        folder: where it lies.
        values: "input", "digest" (of what is there), "settings", "frames" (chosen of a video),
            "finished", "result".
        resumed: whether it was there before.
    """

    folder: Path
    values: dict[str, Any]
    resumed: bool

    def save(self, **values: Any) -> None:
        """Change values and write them."""
        self.values.update(values)
        replace_json(self.folder / FILE, self.values)


def digest(files: Iterable[Path]) -> str:
    """Of the names and sizes of files."""
    lines = [f"{file.name}\t{file.stat().st_size}" for file in files]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def begin(out: Path, source: Path, what: str, settings: Settings) -> Record:
    """The record of a folder, which is made, or taken up where it was left.

    Args:
        what: `digest` of the input's files.

    Raises:
        InputError: when the folder is in use otherwise, or cannot be written.
    """
    asked = {"input": str(source.resolve()), "digest": what, "settings": asdict(settings)}
    try:
        used = out.exists() and (not out.is_dir() or any(out.iterdir()))
        if used:
            record = Record(out, _check(out, asked), resumed=True)
        else:
            out.mkdir(parents=True, exist_ok=True)
            record = Record(out, {**asked, "frames": None, "finished": False}, resumed=False)
        record.save()
    except OSError as error:
        raise InputError("cannot write", file=out, field="out", found=error.strerror) from None
    return record


def _check(out: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """What the record of a used folder says, if what is asked for goes on with it."""
    if not (out / FILE).is_file():
        there = sorted(item.name for item in out.iterdir()) if out.is_dir() else ["a file"]
        found = ", ".join(there[:4]) + (", ..." if len(there) > 4 else "")
        raise InputError(file=out, field="out", found=found, expected="a new or empty folder")
    try:
        values = json.loads((out / FILE).read_text(encoding="utf-8"))
        if values["finished"]:
            hint = f"polyfield train data={out}; to prepare again, another folder"
            raise InputError("is prepared already", file=out, field="out", hint=hint)
        pairs = {"input": (values["input"], asked["input"])}
        pairs |= {
            key: (values["settings"][key], asked["settings"][key]) for key in values["settings"]
        }
        before = values["digest"]
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("cannot be read", file=out / FILE, expected="its record") from None
    hint = "the line that it was begun with resumes it; for another, another folder"
    for key, (found, wanted) in pairs.items():
        if found != wanted:
            field = f"unfinished, with {key}={_word(found)}"
            raise InputError(file=out, field=field, found=f"{key}={_word(wanted)}", hint=hint)
    if before != asked["digest"]:
        raise InputError("has changed since", file=values["input"], field="photos", hint=hint)
    return dict(values)


def _word(value: Any) -> str:
    """As on the command line."""
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )
