"""Writing so that a power cut, a kill or a full disk leaves a file or folder whole or absent."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_file(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Write pieces one behind the other and flush to the disk; not atomic by itself."""
    with open(path, "wb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the system has such a thing."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path`, of the same ending, whose file takes the place of `path` at the end.

    Raises:
        OSError: the old content stands, as with any error within.
    """
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file that holds its old or its new content at every moment.

    Raises:
        OSError: the old content stands.
    """
    with replacing(path) as temporary:
        write_file(temporary, [data])


def replace_json(path: Path, value: Any) -> None:
    """Write plain data as json, as `replace_file` does; NaN and infinities become null."""
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    replace_file(path, text.encode() + b"\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
